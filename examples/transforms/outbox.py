"""A transform for the outbox pattern: documents that a service writes into the collection `outbox` become events on topics of their
own, in the same transaction as the service's other writes, or not at all.

    # conf.d/shop.toml
    watch_collections = ["outbox"]
    exclude_operations = ["update", "replace", "delete"]
    transform = "outbox:event"

A service writes `{topic: "orders.placed", key: "order-17", payload: {…}}`, and may delete the document at any time. Whoever reads
the topic gets the payload as `fullDocument`, and the key as the key of the Kafka message, so that the events of one order stay in
order.
"""


def event(message):
    """Turn the insert of an outbox document into the event that it describes."""
    if message["collection"] != "outbox":
        return message
    described = message["fullDocument"]
    return message | {
        "topic": described["topic"],
        "documentKey": {"_id": described["key"]},
        "fullDocument": described["payload"],
    }

"""A transform that sends orders to a topic for each region, and drops those that are only tests.

    # conf.d/shop.toml
    transform = "route:by_region"
    full_document_before_change = "whenAvailable"

A delete has no document. It finds its region in the document before the change, which the collection must keep
(`changeStreamPreAndPostImages`); otherwise it goes to the topic of all deletes. When an order moves to another region, the old
region's topic hears nothing of it: the message about the move is in the new one's.
"""

REGIONS = {"eu", "us"}


def by_region(message):
    """Name the topic of an order by its region; other messages stay as they are."""
    if message["collection"] != "orders":
        return message
    order = message.get("fullDocument") or message.get("fullDocumentBeforeChange") or {}
    if order.get("test"):
        return None
    if order.get("region") in REGIONS:
        message["topic"] = f"orders.{order['region']}"
    return message

"""One write to Kafka: writer makes the transaction, size says how much goes into it, pause how long to wait after it.

`_enqueue.c` is the writer's loop over the messages. The package imports confluent_kafka and the errors of its wing. A rule for a
single write belongs here; the order of writes is up to the sink.
"""

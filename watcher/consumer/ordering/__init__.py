"""The order of one watcher's messages from several partitions, restored by their `sequence`. Pure.

It imports only the messages, and neither Kafka nor a clock: the time is an argument. Rules about the order belong here, also for
counts that begin again.
"""

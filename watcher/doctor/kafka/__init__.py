"""Checks of a watcher's Kafka: cluster says whether it can be reached, the others look at one side of it each.

It imports what a check is, and the wing of Kafka for its errors and connections. What a watcher needs of Kafka belongs here;
what it needs of its own position belongs to position and record_times.
"""

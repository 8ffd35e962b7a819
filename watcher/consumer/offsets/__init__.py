"""Places in partitions: where reading starts, where a partition ends, how far it may be committed, and what is missing in between.

It imports no other room. Whatever is decided by Kafka's offsets belongs here; the order of messages by `sequence` does not.
"""

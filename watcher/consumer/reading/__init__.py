"""Reading from Kafka: feed as a member of a group; reader without leaving a trace, from the partitions that topics gives. single
reads one message by its place, and filter selects what somebody wants to see.

It imports offsets and ordering, but nothing of handlers. Code that polls Kafka belongs here; the properties of the clients are in
connection.
"""

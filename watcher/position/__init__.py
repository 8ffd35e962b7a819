"""A watcher's position, set by hand: change does it, fenced and in one transaction with history.

It imports the Kafka end and messages. What `watcherctl position` does to Kafka belongs here; what MongoDB says of a position is
mongodb/timeline.
"""

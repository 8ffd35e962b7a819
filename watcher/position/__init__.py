"""A watcher's position, set by hand: change sets it, fenced and in one transaction with its history.

It imports the Kafka end and messages. The work of `watcherctl position` on Kafka belongs here; mongodb/timeline asks MongoDB about
a position.
"""

"""A watcher's position, seen and set by hand: look reads it, takeover writes one change for a command, change makes a position.

It imports the Kafka end and messages. The work of a command on a watcher in Kafka belongs here, whether its worker runs or not;
mongodb/timeline asks MongoDB about a position.
"""

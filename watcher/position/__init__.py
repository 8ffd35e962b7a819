"""A watcher's position, seen and set by hand: look reads it, takeover writes one change for a command, change makes a position,
snapshot_change a snapshot, and switchover none at all.

It imports the Kafka end, messages, and the plan of snapshots. The work of a command on a watcher in Kafka belongs here, whether its
worker runs or not; mongodb/timeline asks MongoDB about a position, and snapshot/request about what can be copied.
"""

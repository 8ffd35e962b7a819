"""Commands that change a watcher in Kafka, whether its worker runs on this host, on another, or not at all.

It imports position and snapshot, which do the work, fleet for the places in `run/`, and worker for the lock file; cli and agent
import it. The steps around a change that `watcherctl` and the page have in common belong here; words, options and requests do not.
"""

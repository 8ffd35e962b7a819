"""One process that runs one watcher: worker opens, streams and opens again; process has its signals and its lock file.

It puts together mongodb, stream, messages and kafka, and never imports the fleet: it runs the same alone in a terminal. What a
process needs belongs here; what it tells of itself is in reporting.
"""

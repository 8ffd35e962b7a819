"""One process that runs one watcher: worker opens, streams and opens again; process has its signals and its lock file.

It puts mongodb, stream, messages and kafka together. It never imports the fleet, so a worker runs the same alone in a terminal. The
needs of a process belong here; its reports about itself are in reporting.
"""

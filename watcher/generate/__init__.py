"""Generates files for running the workers by other means than `watcherctl start`. The code for each target is pure; only `files`
writes.
"""

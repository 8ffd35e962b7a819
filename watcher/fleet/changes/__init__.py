"""Differences between conf.d/ and what supervisord runs: config_changes lists them, digest tells that a watcher's settings differ,
watched and formats what that means to readers. The last two are comments in the programs' texts.

It imports the programs' texts, and what all parts share. A way to tell a change, or to say what it means, belongs here; to carry it
out is up to control.
"""

"""Checks of a watcher's MongoDB: server says whether it can be reached, the others look at database, collections and rights.

It imports what a check is, and the wing of MongoDB for its errors and connections. What a watcher needs of MongoDB belongs here,
and what has to be granted or set there.
"""

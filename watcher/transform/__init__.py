"""The user's own function on each message: encoder runs it before the numbering, loading finds it, guard ends a process in which
it hangs.

It imports messages, and nothing of the stream or the worker. What a function may change belongs here, and so does what becomes of
its errors. A worker loads this only if `transform` is set.
"""

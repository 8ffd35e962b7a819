"""The status file of a worker, `run/<name>.json`: the worker writes it; its successor, systemd and the fleet read it.

It imports the log's time format alone, so that a worker carries nothing of the fleet, and the fleet nothing of a worker. The fields
of a status and their spelling belong here; a judgement of them does not.
"""

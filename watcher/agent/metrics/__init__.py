"""Metrics in Prometheus' text format: content puts together what workers have written and what the agent itself has seen.

It imports the cache for files and no other room. A metric about a fleet belongs here; those of a worker belong to worker/reporting.
"""

"""What a worker tells of itself: progress keeps it, status_file writes it as run/<name>.json and run/<name>.prom.

It imports the values that travel, and versions of the drivers' wings. A figure about the stream belongs here; what others make of
it is the fleet's, the agent's or Prometheus'.
"""

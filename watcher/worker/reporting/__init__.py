"""Reports of a worker about itself: progress keeps them, status_file writes them as run/<name>.json and run/<name>.prom.

It imports the values that travel, and the drivers' versions from their wings. A figure about the stream belongs here; its use is up
to the fleet, the agent or Prometheus.
"""

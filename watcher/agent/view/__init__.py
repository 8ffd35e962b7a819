"""The agent's knowledge of the fleet: fleet_view is the latest look at it, history the last hour, freshness keeps both up to date.

It imports metrics, whose counters it keeps, but neither page nor API. Everything that the agent remembers between two requests
belongs here, and what it does by itself, such as the restart of hung workers.
"""

"""MongoDB and Kafka servers that we start ourselves, for the demo and the tests. Never for production data.

It imports only what all parts share. Finding, starting and ending servers belongs here, and the traffic of the demo's application.
"""

"""MongoDB and Kafka servers that we start ourselves, for the demo and the tests. Never for production data."""

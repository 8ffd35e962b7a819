"""`watcherctl doctor`: whether a deployment, its host, MongoDB and Kafka are as watchers need them. It changes nothing."""

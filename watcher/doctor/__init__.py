"""`watcherctl doctor`: checks that a deployment, its host, MongoDB and Kafka are as watchers need them. It changes nothing."""

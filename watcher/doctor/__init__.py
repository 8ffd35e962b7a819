"""`watcherctl doctor`: checks that a deployment, its host, MongoDB and Kafka are as watchers need them. It changes nothing.

It imports the two ends for their errors and connections, and the fleet to see what runs. A check belongs in the module of its area,
and says what to do; how checks are run and shown is up to runner, examination and report.
"""

"""The Kafka end: sink takes a watcher over and delivers, writer makes the transactions, position_reader reads what was committed.

It imports confluent_kafka; from the project it imports only the values that travel and the modules that all parts share. Knowledge
of Kafka belongs here: its transactions, topics, sizes and errors.
"""

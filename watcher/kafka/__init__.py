"""The Kafka end: sink takes a watcher over and delivers to its destinations, transactions/ writes, log_reader reads what was
committed, and lease says which of several hosts is to do all that.

It imports confluent_kafka; from the project it imports only the values that travel and the modules that all parts share. Knowledge
of Kafka belongs here: its transactions, topics, sizes and errors.
"""

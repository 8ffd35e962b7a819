"""The Kafka end: sink takes a watcher over and delivers, writer is the transaction, position what was committed last.

It imports confluent_kafka, and of the project only the values that travel and what all share. What is known of Kafka belongs
here: its transactions, topics, sizes and errors.
"""

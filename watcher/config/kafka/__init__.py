"""The settings about Kafka: the brokers, the client id, and the `[kafka]` table with librdkafka's properties.

It imports config's addresses, checks and faults, and from topics the length of a name. Checks of such values belong here, and what
is known of librdkafka's properties.
"""

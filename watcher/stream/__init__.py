"""The heart: pipeline moves changes from a source to a sink, overlap lets both work meanwhile, loss_policies says what may be lost.

It imports mongodb and messages, neither Kafka nor a worker; ports is what it asks of its two ends. What is the same whatever
stands at the ends belongs here.
"""

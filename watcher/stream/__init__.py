"""The heart: pipeline moves changes from a source to a sink, overlap lets both work meanwhile, loss_policies says what may be lost.

It imports mongodb and messages, but neither Kafka nor a worker; ports says what it asks of its two ends. Code that is the same
for any two ends belongs here.
"""

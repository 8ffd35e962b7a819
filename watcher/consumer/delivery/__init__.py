"""Delivery of messages to the handlers: one by one or in batches, again after a failure, at last to a dead-letter topic.

It imports the handlers that were registered, and from offsets the account of what has been handled. Whatever happens to a message
when it is its turn belongs here.
"""

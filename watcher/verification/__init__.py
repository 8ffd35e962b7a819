"""Proof that source and topics agree, for `watcherctl verify`, and that two watchers' messages do, for `watcherctl compare`.

It imports both ends to read from them, and messages for their form. Comparisons of documents with messages belong here; nothing
here is written to MongoDB or Kafka.
"""

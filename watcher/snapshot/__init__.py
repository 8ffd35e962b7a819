"""Snapshots: interleaver reads documents between the stream's events, at the stream's own position; plan says which come next.

It imports mongodb, and wraps any source of the pipeline. The order of documents and events belongs here, and so does
the state of a snapshot. The reading of a collection does not: mongodb/collection_reader has it.
"""

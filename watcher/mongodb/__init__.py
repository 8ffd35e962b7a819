"""The MongoDB end: change_stream reads, by way of stream_cursor and client; selection and field_exclusion let the server filter;
collection_reader reads the documents themselves.

It imports pymongo; from the project it imports only the values that travel and the modules that all parts share. Knowledge of
MongoDB belongs here: its change streams, collections, errors and oplog. What becomes of a change event does not.
"""

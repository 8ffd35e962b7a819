"""The MongoDB end: change_stream reads, by way of client and cursor_reply; selection and field_exclusion let the server filter.

It imports pymongo, and of the project only the values that travel and what all share. What is known of MongoDB belongs here: its
change stream, its errors, its oplog; what becomes of an event does not.
"""

"""Change event to message: encoder has the fields, bson_json the values, _row the same in C for what is common. Pure.

It imports no driver. The form of a message belongs here, and the remainder of one that is too large. The time of sending does not.
"""

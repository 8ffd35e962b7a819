"""Change event to message: encoder has the fields, bson_json the values, _row the same in C for what is common. Pure.

It imports no driver. What a message looks like belongs here, and what is left of one that is too large; when it is sent does not.
"""

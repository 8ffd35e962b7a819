"""Change event to messages: an envelope gives the fields, a serialization the bytes, the size policy what is left of large ones.

Pure: it imports no driver. All that makes up a message belongs here; when and how it is sent does not.
"""

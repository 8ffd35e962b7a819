"""Change event to messages: an envelope gives the fields, a serialization the bytes, the size policy what is left of large ones.

Pure: it imports no driver. All that makes up a message belongs here; when and how it is sent does not.

`Encoder.next_messages` makes many messages at once, if the serialization has a `fast_path` (`Fill` in serializations/template.py).
Without one they are made one by one (`RowMessages.message`), which is the definition of both. A fast path asks for the topic by
each event's own operation, database and collection, so a batch may hold several databases.
"""

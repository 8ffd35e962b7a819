"""The reading side of formats: a record of Kafka, in any envelope, -> the message as the generic envelope has it. Pure.

decoder is the way in. avro turns what is no JSON into what JSON would have held; debezium, mongodb and document read one envelope
each: what key and value say of a change. What the watcher itself says of a message (its name, number, event id and operation) is in
the value of the generic envelope, and in headers beside all others. places knows what the topics say. plain_json makes one
dialect of all, and spellings tells a document by any way of writing its `_id`.

It imports nothing of MongoDB or Kafka, since the consumer library stands on it. The reader of another envelope belongs here, too.
"""

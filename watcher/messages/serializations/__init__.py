"""Serializations: how an envelope's fields become bytes. There are JSON, in three dialects, and Avro, in Python and in C.

`serialization.py` says what the makers of messages need of one. `bson_json.py` has the dialects of JSON, `large_json.py` their way
with large documents. `avro.py` puts such texts into records, whose schemas are in `avro_schemas.py`. `template.py` turns an
envelope into a template for `_bson_json.c`, which makes most messages, a batch in one call. What it writes without the
interpreter's lock is in `native/`, each part in a file. It imports no settings and knows no message; ways of writing values belong
here, each serialization in modules of its own.
"""

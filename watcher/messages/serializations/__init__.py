"""Serializations: how an envelope's fields become bytes. Today there is JSON, in three dialects, in Python and in C.

`bson_json.py` has the dialects, `large_json.py` their way with large documents. `template.py` turns an envelope into a template for
`_bson_json.c`, which makes most messages, a batch in one call. What it writes without the interpreter's lock is in `native/`, each
part in a file. It imports no settings and knows no message; ways of writing values belong here, each serialization in a module of
its own.
"""

"""Serializations: how an envelope's fields become bytes. Today there is JSON, in two dialects, both in Python and one in C as well.

`bson_json.py` has the dialects, `large_json.py` their way with large documents. `template.py` turns an envelope into a template for
`_bson_json.c`, which writes the plain dialect. It imports no settings and knows no message; ways of writing values belong here.
"""

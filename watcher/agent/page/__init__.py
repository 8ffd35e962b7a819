"""The page: model has its words and colours, pages renders the templates, details is what one watcher's page asks for later.

It imports view, and knows of no other room. Everything that a browser gets belongs here, with the templates and the static files.
"""

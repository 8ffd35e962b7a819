"""The page: pages renders the templates; model, spark and words make what they print; strip and row_choice are for the overview.
details has what one watcher's page asks for later, with log_choice and single.

It imports view, and knows of no other room. Everything that a browser gets belongs here, with the templates and the static files.
"""

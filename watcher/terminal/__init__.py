"""Drawing of messages and watchers for people. Pure: values in, text or rich's renderables out.

It imports what all parts share, the status of a worker, and rich. The looks of a value that several commands or the page show
belong here; a single command keeps its own.
"""

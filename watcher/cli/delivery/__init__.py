"""Commands about what a watcher has delivered: tail shows it, position shows or sets how far, verify and compare prove it.

It imports what all commands share, and no other room. A command that asks Kafka or MongoDB about messages or positions belongs
here.
"""

"""Commands about a deployment's files, whether anything runs or not: init, check, doctor and generate.

It imports what all commands share, and no other room. A command that reads or writes such files and starts nothing belongs here.
"""

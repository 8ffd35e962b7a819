"""Commands about the running fleet: control starts and stops, status and logs show, run and agent are the processes themselves.

It imports what all commands share, and no other room. A command about supervisord, the workers or the agent belongs here, and so
does the text that it prints.
"""

"""The demo: command is what click calls, run starts and stops everything, audience has the data to show, screen prints it.

Its servers alone are `watcherctl sandbox`. It imports the rooms deployment and fleet, whose commands it uses. Only what these two
alone need belongs here; the servers themselves are the sandbox's, and pictures come from terminal.
"""

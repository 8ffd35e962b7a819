"""The demo: command is what click calls, run starts and stops everything, audience has the data to show, screen prints it.

It imports the rooms deployment and fleet, whose commands it uses. Only what the demo alone needs belongs here; its servers are the
sandbox's, and its pictures come from terminal.
"""

"""Checks that source and topics agree: `watcherctl verify`, and `watcherctl compare` for running two watchers in parallel."""

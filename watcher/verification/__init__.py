"""Proof that source and topics agree: `watcherctl verify`, and `watcherctl compare` for running in parallel."""

"""The workers' logs: `lines` reads and merges their last lines, `follower` those that come.

It imports nothing of the fleet, and knows no supervisord. What several log files have in common belongs here.
"""

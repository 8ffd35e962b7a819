"""The workers' logs: `lines` reads and merges their last lines, `follower` those that come.

It imports nothing of the fleet, and asks no supervisord; `supervisords` reads supervisord's own log. What several log files have in
common belongs here.
"""

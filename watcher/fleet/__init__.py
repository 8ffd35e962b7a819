"""The watchers of one deployment under a private supervisord: wanted has its text, control starts and stops, survey looks.

It imports only what all parts share, so no worker and neither MongoDB nor Kafka. Knowledge of supervisord and of the files in run/
and log/ belongs here; commands and the agent show it.
"""

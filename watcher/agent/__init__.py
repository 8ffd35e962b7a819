"""The fleet's own program `agent`: the page, the API, metrics and health checks on one HTTP port.

It imports the fleet's status and terminal's texts, and the consumer's reader when somebody looks at messages; no worker imports it.
What a browser, Prometheus or a probe asks of a fleet belongs here, and so does the little that the agent does on its own.
"""

"""Files for running the workers by other means than `watcherctl start`: systemd, Kubernetes, another supervisord.

It imports config and the fleet's programs. A target belongs in a module of its own, whose code is pure; only `files` writes.
"""

"""Files for those who run the workers by other means than `watcherctl start`. Each target's text is pure; only `files` writes."""

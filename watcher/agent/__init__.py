"""The fleet's own program `agent`: the page, the API, metrics and health checks on one HTTP port."""

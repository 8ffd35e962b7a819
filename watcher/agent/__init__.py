"""The fleet's own program `agent`: one HTTP port with the page, the API, metrics and health."""

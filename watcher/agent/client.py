"""A client for the agent on this host."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from watcher.config.agent_settings import AgentSettings

ANSWER_SECONDS = 5


def get(url: str, path: str, settings: AgentSettings | None) -> str:
    """The answer of the agent at `url` to a GET for `path`. Raises OSError if it does not answer, or not with status 200."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=ANSWER_SECONDS)
    token = settings.token if settings else None
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token.get_secret_value()}"} if token else {})
        response = connection.getresponse()
        text = response.read().decode()
    except http.client.HTTPException as error:
        raise OSError(f"the agent broke off: {error!r}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise OSError(f"the agent answered {response.status}: {text}")
    return text

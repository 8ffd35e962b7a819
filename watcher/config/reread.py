"""Reading the secret files again, for a worker whose credentials have been replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from watcher.config.fault import Invalid, Refused
from watcher.config.files.secret_file import secret_of
from watcher.config.files.source import TABLES_WITH_SECRETS, table_of
from watcher.config.masking import Secret
from watcher.config.settings import Settings


def reread(settings: Settings) -> Settings:
    """The settings with the present content of their secret files.

    They are returned unchanged if a file cannot be read or used, since it may be in the middle of being replaced. They are also
    unchanged if the new URI names another database, because a worker's position belongs to one database.
    """
    try:
        texts = {key: secret_of(key, path) for key, path in settings.secret_files.items()}
        uri = Secret(texts.pop("mongodb_uri")) if "mongodb_uri" in texts else settings.mongodb_uri
        tables: dict[str, Any] = {table: dict(getattr(settings, table)) for table in TABLES_WITH_SECRETS}
        for key, text in texts.items():
            tables[table_of(key)][key.partition(".")[2]] = text
        renewed = replace(settings, mongodb_uri=uri, **tables)
    except (Refused, Invalid):
        return settings
    return renewed if renewed.database == settings.database else settings

"""Transactions in MongoDB, as an application makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.client_session import ClientSession


def in_transaction(client: MongoClient[Any], *writes: Callable[[ClientSession], object]) -> None:
    """Make these writes in one transaction, and all of them again when MongoDB says that it is to be repeated. It does that on its
    own account too, as when its cache is full (TransientTransactionError)."""

    def body(session: ClientSession) -> None:
        for write in writes:
            write(session)

    with client.start_session() as session:
        session.with_transaction(body)

"""MongoDB servers of our own: one mongod, or a replica set of one or more."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from watcher.sandbox.binaries import find_mongod
from watcher.sandbox.errors import SandboxError
from watcher.sandbox.process import START_TIMEOUT_S, Server, wait_until

CACHE_GB = "0.25"
ADMIN = "admin"
ANSWER_TIMEOUT_MS = 2000
ALREADY_INITIALIZED, UNAUTHORIZED = 23, 13


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS for a mongod, which then accepts nothing else. `certificate` holds its private key and certificate, `ca` that of the CA
    that signed it. With `client`, a file like `certificate`, clients need a certificate too, and ours have that one.
    """

    certificate: Path
    ca: Path
    client: Path | None = None

    def server_arguments(self) -> list[str | Path]:
        """Arguments for mongod's command line."""
        files = ("--tlsCertificateKeyFile", self.certificate, "--tlsCAFile", self.ca)
        return ["--tlsMode", "requireTLS", *files, *(() if self.client else ("--tlsAllowConnectionsWithoutCertificates",))]

    def uri_options(self) -> str:
        """Options for the end of a connection string."""
        own = f"&tlsCertificateKeyFile={quote(str(self.client))}" if self.client else ""
        return f"&tls=true&tlsCAFile={quote(str(self.ca))}{own}"


class Mongod(Server):
    """One mongod, which is standalone unless `replica_set` is given.

    `program` replaces the one that `find_mongod` finds. `extra_args` are added to its command line unchanged.
    """

    name = "mongod"

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        replica_set: str | None = None,
        key_file: Path | None = None,
        tls: Tls | None = None,
        program: Path | None = None,
        extra_args: Sequence[str] = (),
    ) -> None:
        super().__init__(directory, port)
        self.program = program
        self.replica_set = replica_set
        self.key_file = key_file
        self.tls = tls
        self.extra_args = tuple(extra_args)

    def prepare(self) -> None:
        """Create the data directory."""
        (self.directory / "data").mkdir(parents=True, exist_ok=True)

    def command(self) -> list[str | Path]:
        """The command of a mongod with a small cache that listens on 127.0.0.1 only, and on no unix socket."""
        return [
            self.program or find_mongod(),
            *("--dbpath", self.directory / "data"),
            *("--bind_ip", "127.0.0.1", "--port", str(self.port), "--nounixsocket"),
            # A primary would wait up to 15 s for another node to take over, while we are stopping that one as well.
            *("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"),
            *("--wiredTigerCacheSizeGB", CACHE_GB),
            *(("--replSet", self.replica_set) if self.replica_set else ()),
            *(("--keyFile", self.key_file) if self.key_file else ()),
            *(self.tls.server_arguments() if self.tls else ()),
            *self.extra_args,
        ]

    def complaint(self, line: str) -> str | None:
        """Return errors, and lines that are not JSON. A mongod that fails logs much else meanwhile."""
        try:
            entry = json.loads(line)
        except ValueError:
            return line
        return f"{entry['msg']} {json.dumps(entry.get('attr', {}))}" if entry["s"] in ("E", "F") else None

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """Open a client for this one node, whatever its state in a replica set. The caller closes it."""
        timeouts = {"serverSelectionTimeoutMS": ANSWER_TIMEOUT_MS, "socketTimeoutMS": ANSWER_TIMEOUT_MS}
        return MongoClient(self.uri(), **{**timeouts, **options})

    def answers(self) -> bool:
        """True if the server answers a ping."""
        try:
            with self.client() as client:
                client.admin.command("ping")
        except PyMongoError:
            return False
        return True

    def uri(self, database: str = "") -> str:
        """Return a connection string for this one node."""
        return f"mongodb://{self.address}/{database}?directConnection=true{_tls_options(self.tls)}"


class ReplicaSet:
    """A replica set of `size` nodes that initiates itself. With `user` and `password`, access control is on and that user has the
    role root.
    """

    def __init__(
        self,
        directory: Path,
        *,
        size: int = 1,
        name: str = "rs0",
        ports: Sequence[int] = (),
        user: str | None = None,
        password: str | None = None,
        tls: Tls | None = None,
        program: Path | None = None,
        extra_args: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.user = user
        self.password = password
        self.tls = tls
        self.directory = directory
        key_file = directory / "keyfile" if user else None
        node = partial(Mongod, replica_set=name, key_file=key_file, tls=tls, program=program, extra_args=extra_args)
        self.nodes = [node(directory / f"node{n}", port) for n, port in enumerate([*ports, *[None] * (size - len(ports))])]

    @property
    def addresses(self) -> str:
        """Addresses of the nodes, in the form of a connection string."""
        return ",".join(node.address for node in self.nodes)

    def uri(self, database: str = "", *, user: str | None = None, password: str | None = None) -> str:
        """Return a connection string, with the root user's credentials unless others are given."""
        user, password = (user, password) if user else (self.user, self.password)
        options = f"replicaSet={self.name}{_tls_options(self.tls)}"
        if not user:
            return f"mongodb://{self.addresses}/{database}?{options}"
        login = f"{quote(user, safe='')}:{quote(password or '', safe='')}"
        return f"mongodb://{login}@{self.addresses}/{database}?{options}&authSource={ADMIN}"

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """Open a client for the replica set. The caller closes it."""
        return MongoClient(self.uri(), **options)

    def primary(self) -> Mongod | None:
        """Return the node that accepts writes, or None while there is none."""
        return next((node for node in self.nodes if node.running and _is_primary(node)), None)

    def start(self) -> Self:
        """Start all nodes, and return when there is a primary. Leaves nothing running if that fails."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all nodes, even if one fails to stop."""
        with ExitStack() as stack:
            for node in self.nodes:
                stack.callback(node.stop)

    def wait_for_primary(self, timeout_s: float = START_TIMEOUT_S) -> Mongod:
        """Return the primary as soon as there is one. Raises SandboxError after `timeout_s` seconds."""
        if not wait_until(lambda: self.primary() is not None, timeout_s):
            raise SandboxError(
                f"{self.addresses} elected no primary within {timeout_s:.0f} s.", hint=f"see the logs in {self.directory}"
            )
        return self.primary() or self.wait_for_primary(timeout_s)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _start(self) -> None:
        if self.user:
            self._write_key_file()
        for node in self.nodes:
            node.start()
        self._initiate()
        primary = self.wait_for_primary()
        if self.user:
            _create_root(primary, self.user, self.password or "")

    def _write_key_file(self) -> None:
        """Write the secret by which the nodes know each other. mongod demands it for a replica set with access control."""
        key_file = self.directory / "keyfile"
        if not key_file.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            key_file.touch(mode=0o600)
            key_file.write_text(secrets.token_hex(32))

    def _initiate(self) -> None:
        members = [{"_id": n, "host": node.address} for n, node in enumerate(self.nodes)]
        # With the default election timeout of 10 s, every test of a lost primary would take that long.
        settings = {"electionTimeoutMillis": 2000}
        with self.nodes[0].client(socketTimeoutMS=None) as client:
            try:
                client.admin.command("replSetInitiate", {"_id": self.name, "members": members, "settings": settings})
            except OperationFailure as error:
                if not _is_initiated(error):
                    raise
                if error.code == ALREADY_INITIALIZED:
                    _readdress(client, members)


def _tls_options(tls: Tls | None) -> str:
    return tls.uri_options() if tls else ""


def _is_primary(node: Mongod) -> bool:
    try:
        with node.client() as client:
            return bool(client.admin.command("hello").get("isWritablePrimary"))
    except PyMongoError:
        return False


def _is_initiated(error: OperationFailure) -> bool:
    """True if a second `replSetInitiate` was refused: AlreadyInitialized, or Unauthorized once there is a user."""
    return error.code in (ALREADY_INITIALIZED, UNAUTHORIZED)


def _readdress(client: MongoClient[dict[str, Any]], members: Sequence[dict[str, Any]]) -> None:
    """Give the members of a set that was kept the addresses that they have now. Its configuration knows those of its last run."""
    config = client.admin.command("replSetGetConfig")["config"]
    if [member["host"] for member in config["members"]] != [member["host"] for member in members]:
        kept = [{**old, "host": new["host"]} for old, new in zip(config["members"], members, strict=True)]
        client.admin.command("replSetReconfig", {**config, "version": config["version"] + 1, "members": kept}, force=True)


def _create_root(primary: Mongod, user: str, password: str) -> None:
    """Create the first user, by the localhost exception. At a second start the user exists already."""
    with primary.client() as client:
        try:
            client.admin.command("createUser", user, pwd=password, roles=["root"])
        except OperationFailure as error:
            exists = 51003
            if error.code not in (UNAUTHORIZED, exists):
                raise

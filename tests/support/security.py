"""MongoDB and Kafka as they are guarded in production: TLS, passwords, and rights that are granted one by one."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.support.apache_kafka import FRUGAL
from tests.support.records import QUIET
from tests.support.waiting import eventually
from tests.support.worker import OPERATIONS
from watcher.sandbox.binaries import KafkaHome
from watcher.sandbox.kafka import ApacheKafka
from watcher.sandbox.mongod import ReplicaSet, Tls
from watcher.sandbox.process import free_port

HOST = "127.0.0.1"
SCRAM = "SCRAM-SHA-512"
ADMIN_SECONDS = 20
LONG_AGO = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
EXPIRED = LONG_AGO + datetime.timedelta(days=1)

MONGODB_ACTIONS = ["find", "changeStream"]
"""Rights that a watcher needs on its database; the role `read` holds both."""

Grant = tuple[ResourceType, str, AclOperation]


class Certificates:
    """Files in PEM: our CA, and by it a server's certificate, an expired one and a client's; another CA, and a client's by that."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        ca = trustme.CA()
        self.ca = directory / "ca.pem"
        self.other_ca = directory / "other-ca.pem"
        self.server = directory / "server.pem"
        self.expired = directory / "expired.pem"
        self.client = directory / "client.pem"
        self.client_of_other_ca = directory / "client-of-other-ca.pem"
        ca.cert_pem.write_to_path(str(self.ca))
        (other_ca := trustme.CA()).cert_pem.write_to_path(str(self.other_ca))
        _write_certificate(self.server, ca.issue_cert(HOST))
        _write_certificate(self.expired, ca.issue_cert(HOST, not_before=LONG_AGO, not_after=EXPIRED))
        for path, signer in ((self.client, ca), (self.client_of_other_ca, other_ca)):
            _write_certificate(path, signer.issue_cert("watcher.example.com", common_name="watcher", organization_name="Tests"))


def _write_certificate(path: Path, certificate: trustme.LeafCert) -> None:
    """Private key, then the chain; the key as PKCS #8, for Java reads no other form."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(pem + b"".join(blob.bytes() for blob in certificate.cert_chain_pems))


def guarded_mongodb(directory: Path, certificates: Certificates) -> ReplicaSet:
    """A replica set with TLS and access control; not started yet."""
    return ReplicaSet(directory, user="root", password="of-the-tests", tls=Tls(certificates.server, certificates.ca))


def add_user(mongo: ReplicaSet, user: str, password: str, privileges: Iterable[tuple[str, list[str]]]) -> None:
    """A MongoDB user who may do nothing but, on each database named, those actions."""
    resources = [{"resource": {"db": name, "collection": ""}, "actions": actions} for name, actions in privileges]
    with mongo.client() as client:
        client.admin.command("createRole", f"role-of-{user}", privileges=resources, roles=[])
        client.admin.command("createUser", user, pwd=password, roles=[f"role-of-{user}"])


class GuardedKafka(ApacheKafka):
    """A broker with a listener for everybody else, `guarded`: SASL over TLS, and nothing is allowed that is not granted.

    The first listener stays open: whoever comes that way is the administrator.
    """

    def __init__(self, directory: Path, certificates: Certificates, home: KafkaHome) -> None:
        self.guarded_port = free_port()
        super().__init__(directory, home=home, auto_create_topics=False)
        self.properties = FRUGAL | self._guards(certificates)

    @property
    def guarded(self) -> str:
        """The value of `kafka_brokers` for those who have to log in."""
        return f"{HOST}:{self.guarded_port}"

    def add_user(self, user: str, password: str) -> None:
        """A user who may log in, and nothing else yet."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(user, info, password.encode())
        admin = self.admin()  # the futures live no longer than their client
        admin.alter_user_scram_credentials([upsertion])[user].result(ADMIN_SECONDS)

    def grant(self, user: str, grants: Iterable[Grant]) -> None:
        """Let the user do more."""
        wanted = {*grants}
        acls = [
            AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
            for kind, name, operation in wanted
        ]
        admin = self.admin()
        for future in admin.create_acls(acls).values():
            future.result(ADMIN_SECONDS)
        eventually(lambda: wanted <= self._granted(user))

    def revoke_all(self, user: str) -> None:
        """Take everything back that the user was granted."""
        admin = self.admin()
        for future in admin.delete_acls([_everything_of(user)]).values():
            future.result(ADMIN_SECONDS)
        eventually(lambda: not self._granted(user))

    def _granted(self, user: str) -> set[Grant]:
        """The grants that the broker goes by: the controller, which notes a change, has answered before the broker hears of it."""
        admin = self.admin()
        bindings = admin.describe_acls(_everything_of(user)).result(ADMIN_SECONDS)
        return {(binding.restype, binding.name, binding.operation) for binding in bindings}

    def admin(self) -> AdminClient:
        """A client that may do everything."""
        return AdminClient(self.admin_properties(), logger=QUIET)

    def _guards(self, certificates: Certificates) -> dict[str, str]:
        guarded = f"GUARDED://{HOST}:{self.guarded_port}"
        return {
            "listeners": f"{self._listeners},{guarded}",
            "advertised.listeners": f"PLAINTEXT://{self.address},{guarded}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,GUARDED:SASL_SSL",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": SCRAM,
            "listener.name.guarded.ssl.keystore.type": "PEM",
            "listener.name.guarded.ssl.keystore.location": str(certificates.server),
            f"listener.name.guarded.{SCRAM.lower()}.sasl.jaas.config": (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            ),
        }


def _everything_of(user: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, f"User:{user}", None, AclOperation.ANY, AclPermissionType.ANY
    )


def kafka_login(user: str, password: str, ca: Path) -> dict[str, str]:
    """The `[kafka]` table for `GuardedKafka.guarded`."""
    return {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": SCRAM,
        "sasl.username": user,
        "sasl.password": password,
        "ssl.ca.location": str(ca),
    }


def topics_of(prefix: str) -> list[str]:
    """The topics that a watcher with `watcher_settings` writes messages to."""
    return [f"{prefix}.{operation}" for operation in OPERATIONS]


def needed_grants(prefix: str, client_id: str = "") -> list[Grant]:
    """docs/permissions.md as ACLs, for a watcher with `watcher_settings`. Kafka takes Describe to be in Read and in Write."""
    topic, client_id = ResourceType.TOPIC, client_id or f"{prefix}-watcher"
    position = f"{client_id}.position"
    return [
        *((topic, name, operation) for name in topics_of(prefix) for operation in (AclOperation.CREATE, AclOperation.WRITE)),
        *((topic, position, operation) for operation in (AclOperation.CREATE, AclOperation.WRITE, AclOperation.READ)),
        (ResourceType.TRANSACTIONAL_ID, client_id, AclOperation.WRITE),
    ]


class TlsEndpoint:
    """Listens on a free port of 127.0.0.1 and shows its certificate to whoever comes: enough for a client that refuses it."""

    def __init__(self, certificate: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._listener = socket.create_server((HOST, 0))
        self._thread = threading.Thread(target=self._serve, name="tls-endpoint")

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(5)
                with suppress(OSError), self._context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
                connection.close()

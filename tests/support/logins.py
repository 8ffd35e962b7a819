"""A Kafka and a MongoDB that take certificates of their clients, and a Kafka that takes tokens."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from tests.support.apache_kafka import FRUGAL
from tests.support.security import HOST, Certificates
from tests.support.token_server import AUDIENCE, TokenServer
from watcher.sandbox.binaries import KafkaHome
from watcher.sandbox.kafka import JVM_OPTIONS, ApacheKafka
from watcher.sandbox.mongod import ReplicaSet
from watcher.sandbox.process import free_port

_OAUTH = "org.apache.kafka.common.security.oauthbearer"
_BY_TOKEN = "listener.name.tokens."
_BY_CERTIFICATE = "listener.name.certificates."


class KafkaOfLogins(ApacheKafka):
    """A broker with a listener where clients log in by token, and must do so again before it expires, and one for clients with a
    certificate. The first listener is open."""

    def __init__(self, directory: Path, home: KafkaHome, tokens: TokenServer, certificates: Certificates) -> None:
        self._by_token, self._by_certificate = free_port(), free_port()
        super().__init__(directory, home=home)
        self.properties = FRUGAL | self._logins(tokens, certificates)
        # Since 4.0 a broker asks no address that is not named here.
        self.jvm_options = (*JVM_OPTIONS, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={tokens.url}/jwks")

    @property
    def by_token(self) -> str:
        """The value of `kafka_brokers` for those with a token."""
        return f"{HOST}:{self._by_token}"

    @property
    def by_certificate(self) -> str:
        """The value of `kafka_brokers` for those with a certificate."""
        return f"{HOST}:{self._by_certificate}"

    def _logins(self, tokens: TokenServer, certificates: Certificates) -> dict[str, str]:
        others = f"TOKENS://{self.by_token},CERTIFICATES://{self.by_certificate}"
        return {
            "listeners": f"{self._listeners},{others}",
            "advertised.listeners": f"PLAINTEXT://{self.address},{others}",
            "listener.security.protocol.map": ("PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,TOKENS:SASL_PLAINTEXT,CERTIFICATES:SSL"),
            "sasl.enabled.mechanisms": "OAUTHBEARER",
            f"{_BY_TOKEN}oauthbearer.sasl.jaas.config": f"{_OAUTH}.OAuthBearerLoginModule required;",
            f"{_BY_TOKEN}oauthbearer.sasl.server.callback.handler.class": f"{_OAUTH}.OAuthBearerValidatorCallbackHandler",
            f"{_BY_TOKEN}oauthbearer.connections.max.reauth.ms": "3600000",  # so a token's own end is what counts
            "sasl.oauthbearer.jwks.endpoint.url": f"{tokens.url}/jwks",
            "sasl.oauthbearer.expected.audience": AUDIENCE,
            f"{_BY_CERTIFICATE}ssl.keystore.type": "PEM",
            f"{_BY_CERTIFICATE}ssl.keystore.location": str(certificates.server),
            f"{_BY_CERTIFICATE}ssl.truststore.type": "PEM",
            f"{_BY_CERTIFICATE}ssl.truststore.location": str(certificates.ca),
            f"{_BY_CERTIFICATE}ssl.client.auth": "required",
        }


def subject_of(certificate: Path) -> str:
    """The name in a certificate, as MongoDB and Kafka write it."""
    pem = certificate.read_bytes()
    return x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :]).subject.rfc4514_string()


def add_x509_user(mongo: ReplicaSet, certificate: Path) -> None:
    """A MongoDB user who is known by a certificate, and may read all databases."""
    with mongo.client() as client:
        client["$external"].command("createUser", subject_of(certificate), roles=[{"role": "readAnyDatabase", "db": "admin"}])

"""Logins by AWS's IAM: to MongoDB, whose driver does it, and to Amazon MSK: `"sasl.mechanism" = "AWS_MSK_IAM"`, as Java's clients
call it. For all modules that make clients; it imports only the errors.

librdkafka has no such mechanism, but the brokers take the same signature as a token of OAUTHBEARER. confluent-kafka asks a callback
for one, again and again before it expires, in a thread of librdkafka's: so a client need not be polled for that.

Source of the token's form: https://github.com/aws/aws-msk-iam-sasl-signer-python (1.0.2).
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from watcher.errors import ConfigurationError, CredentialsRefused, Outage

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from botocore.session import Session

MECHANISM = "AWS_MSK_IAM"
PROPERTIES = ("sasl.mechanism", "sasl.mechanisms")
"""Both names of librdkafka's property."""

TOKEN_SECONDS = 900
"""Life of a token, the longest that MSK accepts."""

SIGNER = "botocore"
OF_MONGODB = "pymongo-auth-aws"
INSTALL = "pip install 'database-watcher[aws]'"
CREDENTIALS_HINT = "Credentials of AWS come from its variables, ~/.aws, or the role of this host or container."
ROLE_HINT = "Check the role that these credentials are of: that it is there, and trusts whoever takes it."

PASSING = re.compile("Thrott|SlowDown|TooManyRequests|LimitExceeded|RequestTimeout|IDPCommunicationError")
"""Parts of the codes of refusals that pass. The last: AWS could not ask the provider of an identity, as the cluster of a pod."""

SERVER_ERRORS = 500
"""HTTP's codes from here on are about the server. Its names for them are in a module that workers do without."""

_REGION = re.compile(r"[.]kafka(?:-serverless)?[.]([a-z0-9-]+)[.]amazonaws[.]com")


def is_chosen(properties: Mapping[str, object]) -> bool:
    """Return True if the properties ask for this login."""
    return any(str(properties.get(name)).strip().upper() == MECHANISM for name in PROPERTIES)


def as_oauthbearer(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with librdkafka's mechanism in the place of ours."""
    return {name: "OAUTHBEARER" if name in PROPERTIES else value for name, value in properties.items()}


def is_installed(package: str) -> bool:
    """Return True if a package of the extra `aws` is there. Nothing is imported."""
    return find_spec(package.replace("-", "_")) is not None


def with_token(properties: Mapping[str, Any], brokers: str) -> dict[str, Any]:
    """Return properties that librdkafka takes. They are the same, unless they ask for this login.

    A first token is made here: a client whose callback fails waits for ten seconds, and does not say why. Errors:
    ConfigurationError without the package or a region; CredentialsRefused without credentials; Outage.
    """
    if not is_chosen(properties):
        return dict(properties)
    if not is_installed(SIGNER):
        raise ConfigurationError(f"Kafka: {MECHANISM} needs the package {SIGNER}.", hint=INSTALL)
    tokens = Tokens(_region(brokers))
    tokens.new_token()
    return {**as_oauthbearer(properties), "oauth_cb": tokens.new_token}


class Tokens:
    """Makes tokens for the clusters of one region."""

    def __init__(self, region: str) -> None:
        self._region = region

    def new_token(self, _config: str = "") -> tuple[str, float]:
        """Return a token, and when it expires, in seconds since 1970. Errors: CredentialsRefused, Outage."""
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError, ClientError

        now = time.time()
        request = AWSRequest("GET", f"https://kafka.{self._region}.amazonaws.com/", params={"Action": "kafka-cluster:Connect"})
        try:
            credentials = _session().get_credentials()
            if credentials is None:
                raise CredentialsRefused("Kafka: no credentials of AWS were found.", hint=CREDENTIALS_HINT, component="kafka")
            signer = SigV4QueryAuth(credentials.get_frozen_credentials(), "kafka-cluster", self._region, expires=TOKEN_SECONDS)
            signer.add_auth(request)
        except (BotoCoreError, ClientError) as error:
            text = f"Kafka: AWS gives no credentials: {error}"
            if isinstance(error, ClientError) and not _passes(error):
                raise CredentialsRefused(text, hint=ROLE_HINT, component="kafka") from error
            raise Outage(text, hint=f"{CREDENTIALS_HINT} The worker keeps trying.", component="kafka", code="aws") from error
        url = f"{request.url}&User-Agent=database-watcher"  # not signed, as MSK wants it
        return base64.urlsafe_b64encode(url.encode()).decode().rstrip("="), now + TOKEN_SECONDS


def _passes(error: ClientError) -> bool:
    """Return True for an answer of AWS that says nothing about the credentials: it has too much to do, or has failed itself."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= SERVER_ERRORS or bool(PASSING.search(error.response.get("Error", {}).get("Code", "")))


@cache
def _session() -> Session:
    """AWS's knowledge of credentials. One for the process, because it keeps those of a role, and renews them in time."""
    from botocore.session import Session

    return Session()


def _region(brokers: str) -> str:
    """Find the region of a cluster: in the names of its brokers, else where AWS's programs have it. Errors: ConfigurationError."""
    if found := _REGION.search(brokers):
        return found[1]
    region = os.environ.get("AWS_REGION") or _session().get_config_variable("region")
    if not region:
        raise ConfigurationError(
            f"Kafka: {MECHANISM} needs the region of the cluster, which kafka_brokers does not tell.", hint="Set AWS_REGION."
        )
    return str(region)

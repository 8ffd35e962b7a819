"""The connection to MongoDB: what the URI may change of it, and which server is read from."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dns.resolver import NXDOMAIN, LifetimeTimeout
from pymongo.common import URI_OPTIONS_ALIAS_MAP, URI_OPTIONS_VALIDATOR_MAP
from pymongo.hello import Hello
from pymongo.server_description import ServerDescription

from watcher.config import Settings
from watcher.config.mongodb.options import BOUNDED, FIXED, driver_options
from watcher.errors import ConfigurationError, Outage
from watcher.mongodb.client import CommandSession, SameServer
from watcher.mongodb.errors import translated
from watcher.mongodb.timeline import PositionRefused, Timeline

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

HARMLESS = {
    # how to find and to trust servers; the driver says when they contradict each other
    "directconnection", "loadbalanced", "replicaset", "srvmaxhosts", "srvservicename", "srvallowedhostssuffix", "tls",
    "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlscafile", "tlscertificatekeyfile", "tlscrlfile",
    "tlscertificatekeyfilepassword", "tlsdisableocspendpointcheck", "tlsinsecure", "authmechanism", "authmechanismproperties",
    "authsource", "localthresholdms", "servermonitoringmode", "compressors", "zlibcompressionlevel",
    # which member to read from
    "readpreference", "readpreferencetags", "maxstalenessseconds",
    # of writes, and of reads that ask for a concern of their own or for none
    "w", "wtimeoutms", "journal", "fsync", "retrywrites", "retryreads", "readconcernlevel",
    # set by us, of other clients, or about decoding, which the data path does itself
    "appname", "driver", "server_api", "connect", "maxconnecting", "waitqueuemultiple", "tz_aware", "uuidrepresentation",
    "unicode_decode_error_handler", "datetime_conversion", "maxadaptiveretries", "enableoverloadretargeting",
}  # fmt: skip


def options(given: str) -> dict[str, Any]:
    return driver_options(f"mongodb://host/shop?{given}")


def settings(uri: str) -> Settings:
    return Settings(name="shop", mongodb_uri=uri, kafka_brokers="host:9092", kafka_client_id="shop")


def test_every_option_of_the_driver_has_been_thought_of() -> None:
    ours = {name.lower() for name in (*BOUNDED, *FIXED)}
    aliases = {alias for names in URI_OPTIONS_ALIAS_MAP.values() for alias in names}
    assert {*URI_OPTIONS_VALIDATOR_MAP} - aliases - ours - HARMLESS == set()
    assert ours & HARMLESS == set()


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [(None, 5000), ("1", 2000), ("3000", 3000), ("60000", 30000), ("0", 30000), ("soon", 5000), ("-1", 2000), ("nan", 5000)],
)
@pytest.mark.parametrize("name", ["serverSelectionTimeoutMS", "connectTimeoutMS"])
def test_times_are_taken_within_limits(name: str, text: str | None, milliseconds: int) -> None:
    assert options(f"{name}={text}" if text else "")[name] == milliseconds


@pytest.mark.parametrize(("text", "milliseconds"), [(None, 10_000), ("1", 500), ("700", 700), ("3600000", 10_000)])
def test_heartbeats_are_often_enough_to_notice_a_dead_network(text: str | None, milliseconds: int) -> None:
    assert options(f"heartbeatFrequencyMS={text}" if text else "")["heartbeatFrequencyMS"] == milliseconds


@pytest.mark.parametrize("given", ["", "loadBalanced=false"])
def test_one_connection_beside_that_of_the_stream(given: str) -> None:
    assert options(given)["maxPoolSize"] == 2


def test_behind_a_load_balancer_there_is_one_connection_since_the_next_may_lead_to_another_router() -> None:
    assert options("loadBalanced=true")["maxPoolSize"] == 1


@pytest.mark.parametrize(
    "option",
    [
        "minPoolSize=10",
        "heartbeatFrequencyMS=100",
        "maxPoolSize=1",
        "socketTimeoutMS=abc",
        "serverSelectionTimeoutMS=-1",
        "timeoutMS=1",
    ],
)
@pytest.mark.filterwarnings("ignore")  # the driver warns of values that it leaves out
def test_no_such_option_keeps_a_watcher_from_connecting(option: str) -> None:
    CommandSession(settings(f"mongodb://host/shop?{option}")).close()


@pytest.mark.parametrize(("seconds", "taken"), [("30", 90), ("90", None), ("600", None), ("-1", None)])
def test_a_staleness_that_the_driver_would_never_fulfil_is_raised(seconds: str, taken: int | None) -> None:
    assert options(f"readPreference=secondary&maxStalenessSeconds={seconds}").get("maxStalenessSeconds") == taken


def test_a_file_that_is_not_there_is_a_fault_of_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"/none\.pem"):
        CommandSession(settings("mongodb://host/shop?tls=true&tlsCAFile=/none.pem"))


@pytest.mark.parametrize("answer", [NXDOMAIN(), LifetimeTimeout(timeout=5.0, errors=[])])  # type: ignore[no-untyped-call]
def test_dns_that_does_not_answer_is_an_outage(answer: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_arguments: Any, **_options: Any) -> Any:
        raise answer

    monkeypatch.setattr("pymongo.synchronous.srv_resolver._resolve", resolve)
    reader = CommandSession(settings("mongodb+srv://cluster.example.net/shop"))
    with closing(reader), pytest.raises(Outage, match="DNS"), translated():
        reader.command("admin", {"ping": 1})


def test_a_moment_later_than_mongodbs_timestamps_is_refused_before_anybody_is_asked() -> None:
    with pytest.raises(PositionRefused, match="2200"):
        Timeline(settings("mongodb://host/shop")).at(datetime(2200, 1, 1, tzinfo=UTC))


def server(port: int, seconds: float) -> ServerDescription:
    return ServerDescription(("host", port), Hello({"ok": 1, "setName": "rs0", "secondary": True}), seconds)


def test_the_nearest_server_is_chosen_and_kept() -> None:
    choose = SameServer()
    near, far = server(1, 0.001), server(2, 0.1)
    assert choose([far, near]) == [near]
    now_far = server(1, 0.5)
    assert choose([far, now_far]) == [now_far]
    assert choose([far]) == [far]
    assert choose([far, near]) == [far]
    assert choose([]) == []


def test_the_documentation_has_the_limits() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## Options of the URI\n")[2].partition("\n## ")[0]
    for name, bounds in BOUNDED.items():
        assert f"| `{name}` | {bounds.usual} | from {bounds.least} to {bounds.most};" in section
    for name in FIXED:
        assert f"`{name}`" in section

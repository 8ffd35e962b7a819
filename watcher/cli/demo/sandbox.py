"""`watcherctl sandbox`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.interruption import Interruption
from watcher.cli.standard_output import reader_may_leave

if TYPE_CHECKING:
    from watcher.sandbox.sandbox import Sandbox

PORT = click.IntRange(1, 65535)
KEPT = Path("sandbox")
MONGODB_PORT, KAFKA_PORT = 27017, 9092
LOOK_SECONDS = 0.3
THERE = "The conf.d of watcherctl init looks there already; put these lines into any other"
"""Said of the usual ports."""


@click.command()
@click.option(
    "--mongodb-port", type=PORT, metavar="P", default=MONGODB_PORT, show_default=True, help="Port of 127.0.0.1 for MongoDB."
)
@click.option("--kafka-port", type=PORT, metavar="P", default=KAFKA_PORT, show_default=True, help="Port of 127.0.0.1 for Kafka.")
@click.option("--keep", is_flag=True, help=f"Keep the data in ./{KEPT}, and go on with what is there.")
def sandbox(mongodb_port: int, kafka_port: int, keep: bool) -> int:
    """Run MongoDB and Kafka alone, to try a conf.d of your own without Docker. Never for data that matters.

    MongoDB is a replica set of one node. Both listen on 127.0.0.1, and by default where the conf.d that `watcherctl init` writes
    looks for them. Ctrl-C ends both. Without --keep their data go with them.

    The two servers come as wheels. In a checkout, install them with pip install '.[sandbox]'.
    """
    if mongodb_port == kafka_port:
        raise click.UsageError(
            f"MongoDB and Kafka cannot both have port {kafka_port}: choose another --mongodb-port or --kafka-port"
        )
    try:
        with Interruption() as interruption, reader_may_leave(), _directory(keep=keep) as directory:
            from watcher.sandbox.sandbox import Sandbox

            _check_ports({"--mongodb-port": mongodb_port, "--kafka-port": kafka_port})
            servers = Sandbox(directory, mongodb_port=mongodb_port, kafka_port=kafka_port)
            _run(servers, interruption)
    except KeyboardInterrupt:  # between two blocks; everything has been stopped nevertheless
        pass
    return CliExitCode.OK


@contextmanager
def _directory(*, keep: bool) -> Iterator[Path]:
    if keep:
        KEPT.mkdir(exist_ok=True)
        yield KEPT.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="watcher-sandbox-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


def _check_ports(ports: Mapping[str, int]) -> None:
    from watcher.sandbox.errors import SandboxError
    from watcher.sandbox.process import is_free

    for option, port in ports.items():
        if not is_free(port):
            raise SandboxError(f"Port {port} of 127.0.0.1 is taken.", hint=f"choose another with {option}")


def _run(servers: Sandbox, interruption: Interruption) -> None:
    """Run both until a signal arrives. Errors: SandboxError if one does not start, or ends by itself."""
    from watcher.cli.demo.servers import Steps, say, start_servers

    with ExitStack() as running:
        running.callback(say, "Both have been stopped.")
        with interruption.ends_block():
            interruption.check()
            start_servers(servers, running, Steps())
            click.echo(f'mongodb_uri = "{servers.mongodb_uri("NAME")}"\nkafka_brokers = "{servers.kafka_brokers}"')
            if limits := servers.kafka.limits:
                say(limits)
            usual = (servers.mongodb.nodes[0].port, servers.kafka.port) == (MONGODB_PORT, KAFKA_PORT)
            say(f"{THERE if usual else 'Put these lines into your conf.d'}, with the name of your database.")
            say("Ctrl-C ends both.")
        each = (servers.kafka, *servers.mongodb.nodes)
        while not interruption.arrived and all(server.running for server in each):
            time.sleep(LOOK_SECONDS)
        if ended := [server for server in each if not server.running]:
            raise ended[0].ended("by itself")

"""`watcherctl switchover`: gives watchers to another host."""

from __future__ import annotations

from collections.abc import Sequence

import click

from watcher.cli.delivery.each_watcher import each_watcher
from watcher.cli.exit_codes import CliExitCode
from watcher.cli.options import all_option, known_watchers, names_argument, select_to_change, with_deployment
from watcher.config import Deployment, Settings
from watcher.live_commands.beside_worker import beside_own_worker, delivered_before, librdkafka_silent

WAIT_SECONDS = 60.0


@click.command()
@names_argument
@all_option
@click.option("--wait", is_flag=True, help="Wait until another host is active; exit code 1 if none is within a minute.")
@with_deployment
def switchover(deployment: Deployment, names: Sequence[str], everything: bool, wait: bool) -> int:
    """Have another host take over watchers that run on several hosts.

    It may be given on any of the hosts. The active worker leaves, a standby takes over, and the former one stands by. For the
    maintenance of a host, `watcherctl down` on it is enough.

    \b
    Exit codes: 0 done; 1 refused, not done, or Kafka does not answer; 2 usage,
    4 no such watcher, 77 not permitted, 78 configuration.
    """

    def one(settings: Settings) -> int:
        with librdkafka_silent():
            return _switch_over(deployment, settings, wait=wait)

    return each_watcher(deployment, select_to_change(names, known_watchers(deployment), everything=everything), one)


def _switch_over(deployment: Deployment, settings: Settings, *, wait: bool) -> int:
    from watcher.position.switchover import successor, switch_over
    from watcher.worker.process import nudge

    with beside_own_worker(deployment, settings) as worker:
        before = switch_over(settings, delivered_before(deployment, settings))
        if worker:
            nudge(worker)
    if not wait:
        click.echo(f"{settings.name}  leaves {before.host}")
        return CliExitCode.OK
    after = successor(settings, before, WAIT_SECONDS)
    click.echo(
        f"{settings.name}  active on {after.host}" if after else f"{settings.name}  nobody has taken over yet", err=not after
    )
    return CliExitCode.OK if after else CliExitCode.FAILED

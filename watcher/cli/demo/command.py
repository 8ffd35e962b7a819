"""`watcherctl demo`."""

from __future__ import annotations

from pathlib import Path

import click

from watcher.cli.exit_codes import CliExitCode
from watcher.cli.interruption import Interruption
from watcher.cli.standard_output import reader_may_leave

DEFAULT_WRITES_PER_SECOND = 20.0


@click.command()
@click.option("--seconds", type=click.FloatRange(min=0), default=float("inf"), help="End after this long; else Ctrl-C ends it.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    default=DEFAULT_WRITES_PER_SECOND,
    show_default=True,
    help="Writes per second of the application.",
)
@click.option("--keep", is_flag=True, help="Keep the directory with the configuration, the logs and the data.")
@click.option(
    "--svg", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="At the end, draw the live view into FILE."
)
def demo(seconds: float, rate: float, keep: bool, svg: Path | None) -> int:
    """Run a demo: its own MongoDB and Kafka, two watchers under supervisord, and an application that writes.

    Shows the messages as they arrive from Kafka: on a terminal below a table of the watchers, otherwise as lines. Everything runs
    in a temporary directory and on free ports of 127.0.0.1, and is stopped and removed at the end.

    The two servers come as wheels. In a checkout, install them with pip install '.[sandbox]'.
    """
    try:
        with Interruption() as interruption, reader_may_leave():
            from watcher.cli.demo.run import Demo, directory_of_demo

            with directory_of_demo(keep=keep) as directory:
                Demo(directory, interruption, writes_per_second=rate, picture=svg).run(seconds)
    except KeyboardInterrupt:  # between two blocks; everything has been stopped nevertheless
        pass
    return CliExitCode.OK

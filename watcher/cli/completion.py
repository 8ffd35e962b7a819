"""`watcherctl completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash:  watcherctl completion bash > ~/.local/share/bash-completion/completions/watcherctl
    zsh:   watcherctl completion zsh > "${fpath[1]}/_watcherctl"
    fish:  watcherctl completion fish > ~/.config/fish/completions/watcherctl.fish
    """
    complete = get_completion_class(shell)
    assert complete is not None  # noqa: S101  # the choices above are click's own
    root = context.find_root()
    program = root.info_name or "watcherctl"
    click.echo(complete(root.command, {}, program, f"_{program.upper()}_COMPLETE").source())

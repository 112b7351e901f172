"""The group of commands, and the one that verifies a destination."""

from __future__ import annotations

import importlib
from typing import Any

import click
from rich.console import Console

from redox_wsgi.cli.options import (
    INTERRUPTED_STATUS,
    build_sender,
    destination_options,
)
from redox_wsgi.cli.report import Report
from redox_wsgi.cli.screen import Screen
from redox_wsgi.cli.tally import Row

__all__ = ["application"]

_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 88}

# Imported only when they are asked for, or listed: some need further packages.
_ELSEWHERE = {
    "check": "redox_wsgi.cli.check",
    "inbox": "redox_wsgi.cli.inbox",
    "keys": "redox_wsgi.cli.keys",
    "oauth": "redox_wsgi.cli.oauth",
    "send": "redox_wsgi.cli.send",
    "storm": "redox_wsgi.cli.storm",
    "work": "redox_wsgi.cli.work",
}


class _Commands(click.Group):
    """A group that imports a command of another file when it is needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_ELSEWHERE])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(_ELSEWHERE[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # click would say "Aborted!" and end with 1, as after a wrong answer.
            ctx.exit(INTERRUPTED_STATUS)


@click.group(cls=_Commands, context_settings=_CONTEXT)
def application() -> None:
    """Look after an inbox, make keys, or play Redox's side towards a destination."""


@application.command()
@destination_options
@click.pass_context
def verify(context: click.Context, /, as_json: bool, **options: Any) -> None:
    """Verify the destination at URL: by POST, and by both forms of GET."""
    sender, secrets = build_sender(**options)
    ways = (
        ("POST", sender.verify_by_post),
        ("GET, token in the query", sender.verify_by_get),
        ("GET, token in the header", sender.verify_by_get_old),
    )
    screen = Screen(Console(), token=secrets.token, proofs=secrets.proofs)
    with Report(screen, total=len(ways), as_json=as_json) as report:
        for position, (name, ask) in enumerate(ways):
            report.announce(name)
            report.add(Row(position, name, "verification", ask()))
    context.exit(report.exit_status)

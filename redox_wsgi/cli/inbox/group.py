"""The group of commands about an inbox."""

from __future__ import annotations

import click

from redox_wsgi.cli.inbox.doctor import doctor
from redox_wsgi.cli.inbox.export import export
from redox_wsgi.cli.inbox.key import new_key
from redox_wsgi.cli.inbox.lanes import halt, resume, skip
from redox_wsgi.cli.inbox.look import list_, stats
from redox_wsgi.cli.inbox.prune import prune
from redox_wsgi.cli.inbox.replay import replay
from redox_wsgi.cli.inbox.show import show

__all__ = ["inbox"]


@click.group()
def inbox() -> None:
    """Look into an inbox, and mend it.

    The inbox is named by REDOX_INBOX or --inbox: sqlite:////var/lib/inbox.db,
    postgresql://user@host/database. Begin with "list": it tells which lanes are
    halted or late, and what to do.

    Exit status 0: it was done, or all is well. 1: something was not done, or is not
    well. 2: the command was used wrongly. 130: interrupted.
    """


for command in (
    stats,
    list_,
    show,
    halt,
    resume,
    skip,
    replay,
    prune,
    doctor,
    export,
    new_key,
):
    inbox.add_command(command)

"""The demonstration: ``python -m example_app``.

Starts the application under gunicorn with invented secrets and the worker of its inbox
beside it, plays a morning of Redox against it and then leaves both running, so that the
board can be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import secrets
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from example_app.play import Scene, play
from example_app.server import Server, ServerFailed, find_free_port, is_port_free
from example_app.settings import (
    DEFAULT_HOST,
    Settings,
    SettingsError,
    read_address,
    read_environment,
    read_settings,
    write_address,
)
from redox_wsgi.inbox import Inbox, Stats
from redox_wsgi.simulator import Sender, SimulatorError

_EVERYWHERE = {"0.0.0.0": DEFAULT_HOST, "::": "::1"}  # noqa: S104 - to be told apart
_WIDTHS = (3, 26, 20, None)

# What a shell reports for a program that Ctrl-C ended.
_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m example_app",
        description="Serve a ward board and play Redox's side against it.",
    )
    parser.add_argument(
        "--once", action="store_true", help="end after the play; 0 if all was right"
    )
    once = parser.parse_args(arguments).once
    # SIGTERM and a closed terminal end it as Ctrl-C does: by way of every "finally".
    # Under nohup a closed terminal is ignored, and stays so.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    # Names are in many scripts; a terminal that cannot write them shall show "?".
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        with tempfile.TemporaryDirectory(
            prefix="ward-", ignore_cleanup_errors=True
        ) as directory:
            is_right = _demonstrate(Path(directory), once=once)
    except (SettingsError, SimulatorError) as error:
        return _complain(str(error))
    except ServerFailed as failure:
        return _complain(str(failure))
    except KeyboardInterrupt:
        return _INTERRUPTED
    return 0 if is_right else 1


def _demonstrate(directory: Path, *, once: bool) -> bool:
    environment = _build_environment(directory)
    settings = read_settings(environment)
    host, port = read_address(environment)
    address = f"http://{write_address(_EVERYWHERE.get(host, host), port)}"
    token = settings.verification_tokens[0]
    url = address + settings.path
    console = Console(highlight=False, emoji=False, markup=False)

    server = Server(environment, directory)
    try:
        first = Sender(url, verification_token=token, timeout_seconds=5.0)
        server.wait_until(lambda: first.verify_by_post().is_right)
        console.print(
            f"The ward board listens to Redox at {url}\n", style="bold", soft_wrap=True
        )
        inbox = Inbox(settings.inbox, encryption_keys=settings.inbox_keys or None)
        is_right = _show_play(console, url, token, lambda: _wait_for(server, inbox))
        console.print(_tell_inbox(inbox.stats()))
        console.print(
            "\nAll answers were right."
            if is_right
            else "\nNot all answers were right.",
            style="bold green" if is_right else "bold red",
        )
        inbox.close()
        if not once:
            console.print(
                f"\nThe board:  {address}/"
                f"\nPassword:   {_tell_password(settings)}"
                f"\nIts logs:   {', '.join(map(str, server.logs))}"
                f"\nIts inbox:  redox-wsgi inbox stats --inbox {settings.inbox}"
                "\n\nCtrl-C ends it.",
                soft_wrap=True,
            )
            with contextlib.suppress(KeyboardInterrupt):
                server.wait()
    finally:
        server.stop()
    return is_right


def _tell_password(settings: Settings) -> str:
    # Only what was invented here is ours to show.
    if read_environment().get("BOARD_PASSWORD"):
        return "as in BOARD_PASSWORD"
    return str(settings.board_password)


def _build_environment(directory: Path) -> dict[str, str]:
    """Complete our environment for the server: what is set stays as it is."""
    given = {name: value for name, value in read_environment().items() if value}
    invented = {
        "REDOX_VERIFICATION_TOKEN": secrets.token_urlsafe(32),
        "SECRET_KEY": secrets.token_urlsafe(32),
        "BOARD_PASSWORD": secrets.token_urlsafe(12),
        # The demonstration has no TLS, so the cookie must go without.
        "BOARD_INSECURE_COOKIE": "1",
        "WARD_DATABASE": str(directory / "ward.db"),
        "REDOX_INBOX": f"sqlite:///{directory / 'inbox.db'}",
    }
    environment = {**invented, **given}
    host, port = read_address(environment)
    if not is_port_free(host, port):
        if "PORT" in given:
            raise SettingsError(
                f"Port {port} of {host} is taken or not ours to listen at. "
                "Set PORT to another one, or leave it unset to have a free one chosen."
            )
        try:
            port = find_free_port(host)
        except OSError as error:
            raise SettingsError(
                f"HOST is {host}, which is no address of this machine; {DEFAULT_HOST} "
                "is one."
            ) from error
    return {**environment, "PORT": str(port)}


def _wait_for(server: Server, inbox: Inbox) -> None:
    """Wait until the worker has handled what is in the inbox."""
    server.wait_until(lambda: inbox.stats().waiting == 0)


def _show_play(
    console: Console, url: str, token: str, settle: Callable[[], None]
) -> bool:
    is_right = True
    for scene in play(url, token, datetime.now(UTC), settle):
        is_right = is_right and scene.is_right
        console.print(_build_line(scene))
    return is_right


def _tell_inbox(stats: Stats) -> str:
    repeats = "repeat" if stats.repeats == 1 else "repeats"
    return (
        f"\nThe inbox kept {stats.done} transmissions, its worker handled them; "
        f"{stats.repeats} {repeats}."
    )


def _build_line(scene: Scene) -> Table:
    answer = scene.answer
    line = Table.grid(padding=(0, 1))
    for width in _WIDTHS:
        line.add_column(width=width, no_wrap=True, overflow="ellipsis")
    line.add_row(
        Text(str(answer.status or "-"), style="green" if scene.is_right else "red"),
        Text(scene.title),
        Text(scene.about, style="cyan"),
        Text(scene.remark if scene.is_right else answer.problem or "wrong"),
    )
    return line


def _complain(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

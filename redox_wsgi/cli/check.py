"""The command ``check``: judge a destination, and say how to mend it."""

from __future__ import annotations

from typing import Any, BinaryIO

import click
from rich.console import Console

from redox_wsgi.cli.check_report import CheckReport, print_list
from redox_wsgi.cli.credential_option import credential_option, keep_token_option
from redox_wsgi.simulator import Credential, SimulatorError
from redox_wsgi.simulator.check import (
    Bench,
    Probe,
    build_junit,
    run_probes,
    select_probes,
)

__all__ = ["check"]


def _split(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> tuple[str, ...]:
    names = (name.strip() for value in values for name in value.split(","))
    return tuple(name for name in names if name)


@click.command()
@click.argument("url", required=False)
@click.option(
    "--token",
    envvar="REDOX_VERIFICATION_TOKEN",
    show_envvar=True,
    help="The verification token. Better in the environment: an option is visible in "
    "process lists.",
)
@credential_option
@keep_token_option
@click.option(
    "--only",
    multiple=True,
    metavar="NAMES",
    callback=_split,
    help="Send these probes or groups, and what they need; names with commas between.",
)
@click.option(
    "--skip",
    multiple=True,
    metavar="NAMES",
    callback=_split,
    help="Leave these probes or groups out, such as large-body.",
)
@click.option(
    "--query",
    type=click.File("rb"),
    metavar="FILE",
    help="A query the destination should answer, as JSON with Meta.Test true.",
)
@click.option(
    "--time-out",
    "--timeout-seconds",
    "timeout_seconds",
    type=click.FloatRange(0, 86_400, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest wait for the connection, and for an answer.",
)
@click.option(
    "--junit",
    type=click.File("wb", lazy=False),
    metavar="FILE",
    help="Also write the report as JUnit's XML.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("-v", "--verbose", is_flag=True, help="Explain what passed, too.")
@click.option("--list", "is_list", is_flag=True, help="Explain all probes; send none.")
@click.pass_context
def check(
    context: click.Context,
    /,
    *,
    url: str | None,
    token: str | None,
    credential: Credential | None,
    keep_token: bool,
    only: tuple[str, ...],
    skip: tuple[str, ...],
    query: BinaryIO | None,
    timeout_seconds: float,
    junit: BinaryIO | None,
    as_json: bool,
    verbose: bool,
    is_list: bool,
) -> None:
    """Judge the destination at URL, whatever it is written in.

    A hundred transmissions or so are sent, one of 40 MB among them: only test data,
    marked as such, about people who do not exist. Exit status 0: nothing failed; 1:
    something did; 2: wrong usage; 130: interrupted.

    Without a credential, the probes of auth strategies are skipped. With one, it is
    forged in many ways, and its token endpoint is judged if it is on the same host.

    A certificate of your own is trusted if SSL_CERT_FILE names it.
    """
    console = Console()
    try:
        probes = select_probes(only, skip)
        if is_list:
            print_list(console, probes, as_json=as_json)
            return
        bench = _build_bench(
            url,
            token,
            query,
            credential=credential,
            keep_token=keep_token,
            timeout_seconds=timeout_seconds,
        )
    except SimulatorError as error:
        raise click.UsageError(str(error)) from error
    report = CheckReport(console, as_json=as_json, is_verbose=verbose)
    address = bench.redaction.blank(bench.shown_address)
    _run(bench, probes, report, address)
    if junit is not None:
        junit.write(build_junit(report.findings, address))
    context.exit(report.exit_status)


def _build_bench(
    url: str | None,
    token: str | None,
    query: BinaryIO | None,
    **how: Any,
) -> Bench:
    if not url:
        raise click.UsageError("No URL: say which destination to judge; or --list.")
    if not token:
        raise click.UsageError(
            "No token: set REDOX_VERIFICATION_TOKEN, or give --token."
        )
    return Bench(
        url,
        token=token,
        query=None if query is None else query.read(),
        **how,
    )


def _run(bench: Bench, probes: list[Probe], report: CheckReport, address: str) -> None:
    with report.open(address, probes):
        for finding in run_probes(bench, probes):
            report.add(finding)

"""The decision table, over every way in which the application may be run."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from redox_wsgi import RedoxMiddleware
from tests.support.contract import CASES, Case
from tests.support.contract_app import application as flask_application
from tests.support.contract_app import build_calls, build_destinations, build_flask
from tests.support.django_app import build_django
from tests.support.servers import COMMANDS, build_raw_request, exchange, run_server
from tests.support.wsgi import Reply, build_environ, call

Ask = Callable[[Case], Reply]

IN_PROCESS: dict[str, Callable[[], Any]] = {
    "Flask": build_flask,
    "Django": build_django,
}


def ask_in_process(application: Any, case: Case) -> Reply:
    """Send a case's request to an application, as a server would hand it over."""
    headers: dict[str, str] = {}
    for name, value in case.headers:
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    environ = build_environ(case.method, case.path, case.query, case.body, headers)
    if case.chunked:
        del environ["CONTENT_LENGTH"]
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        environ["wsgi.input_terminated"] = True
        environ["wsgi.input"] = io.BytesIO(case.body)
    return call(application, environ)


def ask_server(port: int, case: Case) -> Reply:
    """Send a case's request over a socket."""
    target = case.path + (f"?{case.query}" if case.query else "")
    raw = build_raw_request(
        case.method, target, case.headers, case.body, chunked=case.chunked
    )
    reply = exchange(port, raw)
    assert reply is not None
    return reply


def check(case: Case, reply: Reply, calls: list[dict[str, str]]) -> None:
    """Compare an answer with what the table says, and who was called."""
    assert reply.status == case.status
    if case.answer is not None:
        assert normalise(reply.body) == normalise(case.answer)
    assert case.answered_headers.items() <= reply.headers.items()
    digest = hashlib.sha256(case.body).hexdigest()
    assert [call["sha256"] for call in calls] == [digest] * case.handled


def normalise(body: bytes) -> Any:
    """Compare JSON as JSON: frameworks differ in blanks."""
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("framework", IN_PROCESS)
def test_the_table_holds_in_process(framework: str, case: Case) -> None:
    """Whatever framework stands behind it, a destination answers the same."""
    application = IN_PROCESS[framework]()
    build_calls()

    reply = ask_in_process(application, case)

    check(case, reply, json.loads(build_calls()))


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.path not in ("/ours", "/guard")],
    ids=lambda case: case.name,
)
def test_the_table_holds_for_the_bare_middleware(case: Case) -> None:
    """No framework is needed: the wrapped application here only knows 404."""
    application = RedoxMiddleware(NotFound(), build_destinations())
    build_calls()

    reply = ask_in_process(application, case)

    check(case, reply, json.loads(build_calls()))


@pytest.fixture(scope="module", params=COMMANDS)
def port(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[int]:
    """A server that runs the application."""
    log = tmp_path_factory.mktemp("server") / "log"
    assert flask_application is not None
    with run_server(
        request.param, "tests.support.contract_app:application", log
    ) as port:
        yield port


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_holds_over_sockets(port: int, case: Case) -> None:
    """What holds in process holds under every server that is supported."""
    asked = Case("", 200, method="GET", path="/calls")
    ask_server(port, asked)

    reply = ask_server(port, case)

    check(case, reply, json.loads(ask_server(port, asked).body))

"""Paths, what is passed on, and what is blanked in environ."""

from __future__ import annotations

import io
from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from redox_wsgi import ConfigurationError, Destination, RedoxMiddleware
from tests.support.builders import NOTIFICATION, TOKEN, Received, build_application
from tests.support.wsgi import build_environ, call, send

SETTINGS: dict[str, Any] = {"verification_token": TOKEN}
HEADERS = {"verification-token": TOKEN}


def echo_environ(seen: list[dict[str, Any]]) -> Any:
    """Build an application that keeps the environ it is given."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read(10_000)})
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"wrapped"]

    return application


@pytest.mark.parametrize(
    ("application", "destinations", "cure"),
    [
        (None, {"/redox": Destination(print, **SETTINGS)}, "WSGI application"),
        (NotFound(), {}, "at least one"),
        (NotFound(), None, "at least one"),
        (NotFound(), Destination(print, **SETTINGS), "at least one"),
        (NotFound(), {"redox": Destination(print, **SETTINGS)}, "slash"),
        (NotFound(), {3: Destination(print, **SETTINGS)}, "slash"),
        (NotFound(), {"/redox?a": Destination(print, **SETTINGS)}, "query"),
        (NotFound(), {"/redox": "Destination"}, "give a Destination"),
        (NotFound(), {"/a|b": Destination(print, **SETTINGS)}, "give it a name="),
        (NotFound(), {"/a b": Destination(print, **SETTINGS)}, "give it a name="),
        (
            NotFound(),
            {
                "/redox": Destination(print, **SETTINGS),
                "/redox/": Destination(print, **SETTINGS),
            },
            "Two destinations at /redox",
        ),
        (
            NotFound(),
            {
                "/": Destination(print, **SETTINGS),
                "//": Destination(print, **SETTINGS),
            },
            "Two destinations",
        ),
    ],
)
def test_a_wrong_mapping_stops_at_construction(
    application: Any, destinations: Any, cure: str
) -> None:
    """With a sentence that says how to mend it."""
    with pytest.raises(ConfigurationError, match=cure.replace("?", r"\?")):
        RedoxMiddleware(application, destinations)


def test_what_is_not_ours_passes_untouched() -> None:
    """The very same environ and start_response, the very same iterable."""
    environ = build_environ(path="/other", query="verification-token=x")
    before = dict(environ)
    result = [b"the iterable of the application"]

    def application(passed: Any, start_response: Any) -> Any:
        assert passed is environ
        assert start_response is call
        return result

    wrapped: Any = build_application(Received(), application)

    assert wrapped(environ, call) is result
    assert environ == before


def test_a_request_without_a_path_is_not_ours() -> None:
    """PEP 3333 lets PATH_INFO be absent."""
    environ = build_environ()
    del environ["PATH_INFO"]

    assert send(build_application(Received()), path="").status == 404
    assert b"".join(build_application(Received())(environ, lambda *_: None))


def test_the_root_may_be_a_destination(received: Received) -> None:
    """Mounted under a prefix, its path is empty or a slash."""
    application = RedoxMiddleware(NotFound(), {"/": Destination(received, **SETTINGS)})

    for path in ("/", ""):
        environ = build_environ(path=path, body=NOTIFICATION, headers=HEADERS)
        environ["SCRIPT_NAME"] = "/mounted" if not path else ""
        assert call(application, environ).status == 200
    assert [transmission.destination for transmission in received] == ["/", "/"]


def test_a_path_that_is_not_ascii_is_found(received: Received) -> None:
    """In PATH_INFO its bytes are read as latin-1."""
    application = RedoxMiddleware(
        NotFound(), {"/aufn\xe4hme": Destination(received, **SETTINGS)}
    )
    sent = "/aufn\xe4hme".encode().decode("latin-1")

    reply = send(application, path=sent, body=NOTIFICATION, headers=HEADERS)

    assert (reply.status, received[0].destination) == (200, "/aufn\xe4hme")


@pytest.mark.parametrize("path", ["/redox", "/redox/"])
def test_a_trailing_slash_makes_no_difference_in_the_mapping(
    received: Received, path: str
) -> None:
    """Nor in the request, nor in the name."""
    application = RedoxMiddleware(NotFound(), {path: Destination(received, **SETTINGS)})

    for asked in ("/redox", "/redox/"):
        send(application, path=asked, body=NOTIFICATION, headers=HEADERS)

    assert [transmission.destination for transmission in received] == ["/redox"] * 2


def test_one_destination_may_stand_at_two_paths(received: Received) -> None:
    """Each has its own name, so that their subscriptions stay apart."""
    destination = Destination(received, **SETTINGS)
    application = RedoxMiddleware(
        NotFound(), {"/east": destination, "/west": destination}
    )

    for path in ("/east", "/west"):
        send(application, path=path, body=NOTIFICATION, headers=HEADERS)

    assert [transmission.destination for transmission in received] == ["/east", "/west"]


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "GET"},
        {"method": "POST"},
        {"method": "DELETE"},
        {"method": "GET", "headers": HEADERS},
    ],
)
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_a_token_in_a_query_is_blanked_for_the_access_log(
    request_: Any, token: str
) -> None:
    """Whatever the method and the answer; the path and the rest stay."""
    query = f"challenge=c&a=%20&verification-token={token}"
    environ = build_environ(path="/redox/", query=query, **request_)
    environ["REQUEST_URI"] = f"https://host/redox/?{query}"

    call(build_application(Received()), environ)

    blanked = "challenge=c&a=%20&verification-token=***"
    assert environ["QUERY_STRING"] == blanked
    assert environ["RAW_URI"] == f"/redox/?{blanked}"
    assert environ["REQUEST_URI"] == f"https://host/redox/?{blanked}"


def test_a_query_begins_at_the_first_question_mark() -> None:
    """Whatever stands behind it, a token before another one is blanked."""
    query = "verification-token=secret&challenge=c?&a=?b"
    environ = build_environ("GET", query=query)

    call(build_application(Received()), environ)

    assert environ["RAW_URI"] == "/redox?verification-token=***&challenge=c?&a=?b"


def test_a_server_without_raw_targets_gets_none() -> None:
    """Only what is there is changed."""
    environ = build_environ(
        "GET", query=f"challenge=c&verification-token={TOKEN}", RAW_URI=None
    )

    assert call(build_application(Received()), environ).status == 200
    assert "RAW_URI" not in environ
    assert "REQUEST_URI" not in environ


def test_a_raw_target_without_a_query_stays_as_it_is() -> None:
    """A server may cut the query off it."""
    environ = build_environ("GET", query="challenge=c", RAW_URI="/redox")

    call(build_application(Received()), environ)

    assert environ["RAW_URI"] == "/redox"


@pytest.mark.parametrize("chunked", [False, True])
def test_guard_mode_gives_the_body_back(chunked: bool) -> None:
    """As if nobody had read it, with its length and without its chunks."""
    seen: list[dict[str, Any]] = []
    environ = build_environ(body=NOTIFICATION, headers=HEADERS)
    if chunked:
        del environ["CONTENT_LENGTH"]
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        environ["wsgi.input_terminated"] = True
        environ["wsgi.input"] = io.BytesIO(NOTIFICATION)

    reply = call(build_application(None, echo_environ(seen)), environ)

    assert reply.body == b"wrapped"
    [passed] = seen
    assert passed["body"] == NOTIFICATION
    assert passed["CONTENT_LENGTH"] == str(len(NOTIFICATION))
    assert "HTTP_TRANSFER_ENCODING" not in passed
    assert passed["redox_wsgi.transmission"].event_type == "Arrival"


def test_guard_mode_hands_nothing_on_that_is_refused() -> None:
    """The application behind never sees a stranger's request."""
    seen: list[dict[str, Any]] = []
    application = build_application(None, echo_environ(seen))

    replies = [
        send(application, body=NOTIFICATION),
        send(application, method="GET"),
        send(application, body=NOTIFICATION, headers={"verification-token": "x"}),
        send(application, method="GET", query="challenge=c", headers=HEADERS),
    ]

    assert [reply.status for reply in replies] == [401, 405, 401, 200]
    assert seen == []


def test_the_answer_is_known_before_it_is_started(received: Received) -> None:
    """What fails after the status line cannot be mended."""
    received.reply = ValueError()
    order: list[str] = []
    application = build_application(received)

    body = application(
        build_environ(body=NOTIFICATION, headers=HEADERS),
        lambda status, headers: order.append(status),
    )

    assert order == ["500 Internal Server Error"]
    assert len(received) == 1
    assert body == [b'{"error":"handler_failed"}']

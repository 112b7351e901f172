"""No secret and nothing of a patient gets out: not by a log, an answer or a ``repr``.

Canaries are planted wherever a request can carry them, and searched for in everything
that leaves. The first tests prove that the search finds what is there.
"""

from __future__ import annotations

import base64
import copy
import gc
import inspect
import io
import json
import logging
import pickle
import pprint
import warnings
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import redox_wsgi
from redox_wsgi import (
    AllOf,
    AnyOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyNotJson,
    ConfigurationError,
    DeliveryFailed,
    Destination,
    Meta,
    Outcome,
    PatientIdentifier,
    Principal,
    RedoxError,
    RedoxMiddleware,
    Request,
    Response,
    Router,
    Transmission,
    VerificationToken,
)
from redox_wsgi.verification import parse_body, parse_query
from tests.support.builders import TOKEN, Received, build_application
from tests.support.contract import CHALLENGE, verification
from tests.support.leaks import (
    CANARIES,
    DIAGNOSIS,
    LAST_NAME,
    SENTENCE,
    WRONG_BEARER,
    WRONG_TOKEN,
    build_patient,
    capture_logs,
    fail,
    find,
    list_chain,
)
from tests.support.servers import build_raw_request, exchange, run_server
from tests.support.wsgi import Reply, build_environ, call, send

RIGHT = {"verification-token": TOKEN}
WRONG = {"verification-token": WRONG_TOKEN}
PATIENT = build_patient()
QUERY = build_patient("PatientSearch", "Query")
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def build_record(**attributes: Any) -> logging.LogRecord:
    """Build a log record that holds something in one place."""
    record = logging.makeLogRecord({"msg": "harmless", **attributes})
    record.exc_text = attributes.get("exc_text")
    return record


def raise_chain() -> RedoxError:
    """Return an error of ours that another one of ours hides."""
    try:
        try:
            raise RedoxError(TOKEN)
        except RedoxError:
            raise RedoxError("harmless") from ValueError("harmless")
    except RedoxError as error:
        return error


def raise_information() -> Any:
    """Return what ``sys.exc_info`` returns, with a canary in the text."""
    try:
        raise ValueError(TOKEN)
    except ValueError as error:
        return (ValueError, error, error.__traceback__)


# The search.


@pytest.mark.parametrize(
    "planted",
    [
        build_record(msg=f"token {TOKEN}"),
        build_record(msg="%s", args=(TOKEN,)),
        build_record(msg="%(a)s", args={"a": TOKEN}),
        build_record(exc_info=raise_information()),
        build_record(exc_text=f"ValueError: {TOKEN}"),
        build_record(stack_info=f"Stack: {TOKEN}"),
        build_record(request={"headers": [("verification-token", TOKEN.encode())]}),
        build_record(error=raise_chain()),
        raise_chain(),
        RedoxError({"deep": [(TOKEN,)]}),
        TOKEN.encode(),
        quote(TOKEN).replace("-", "%2D"),
        base64.b64encode(b"Authorization: " + TOKEN.encode()).decode(),
        base64.b64encode(b"x" + TOKEN.encode()),
        {"status": ["401", {"x": TOKEN}]},
        {TOKEN: None},
        Reply(200, {}, TOKEN.encode()),
    ],
    ids=lambda planted: type(planted).__name__,
)
def test_the_search_finds_a_canary_wherever_it_is(planted: object) -> None:
    """Otherwise every test below would say nothing."""
    assert find("harmless", planted) == ["the verification token"]


@pytest.mark.parametrize(
    "form",
    [
        LAST_NAME,
        json.dumps(LAST_NAME),
        LAST_NAME.encode(),
        repr(LAST_NAME.encode()),
        quote(LAST_NAME),
        LAST_NAME.encode().decode("latin-1"),
        LAST_NAME.encode("utf-16-le").decode("utf-16-le"),
    ],
)
def test_the_search_finds_a_name_in_every_encoding(form: object) -> None:
    """A name that is not ASCII looks different in each log."""
    assert find(form) == ["a patient's name"]


def test_the_search_finds_every_canary_and_nothing_else() -> None:
    """Each is found by its own name; a harmless text holds none."""
    assert find(*CANARIES.values()) == sorted(CANARIES)
    assert find(SENTENCE) == ["a patient's name", "the text of a body"]
    assert find("401 Unauthorized", CHALLENGE, build_record(), raise_information) == []


def test_a_planted_log_line_of_a_library_is_captured() -> None:
    """The capture sees every logger, from level DEBUG on."""
    with capture_logs() as records:
        logging.getLogger("some.package").debug("sent %s", TOKEN)

    assert find(records) == ["the verification token"]


# Requests.


class Unprintable(Exception):
    """An error that cannot be printed, as some are."""

    def __str__(self) -> str:
        """Fail with what was to be hidden."""
        raise ValueError(SENTENCE)


class Named:
    """An object of a handler's whose ``repr`` quotes the patient."""

    def __repr__(self) -> str:
        return SENTENCE


def raises(error: Any) -> Callable[..., Any]:
    """Build a callable that raises."""

    def act(*_: Any) -> Any:
        raise error

    return act


class Asked:
    """An authenticator that fails with the credential in its text."""

    def authenticate(self, request: Request) -> Principal:
        """Fail as a careless one does."""
        raise ValueError(request.header("authorization"), TOKEN)


class Knowing:
    """An authenticator that accepts, and says more than is good for a log."""

    def authenticate(self, request: Request) -> Principal:
        """Accept everybody."""
        return Principal("key", TOKEN, frozenset([LAST_NAME]), {"sub": SENTENCE})


def with_note(error: Exception) -> Exception:
    """Add a note to an error, as frameworks do."""
    error.add_note(SENTENCE)
    return error


HANDLERS: dict[str, Any] = {
    "returns None": Received(),
    "raises": fail,
    "raises with a note": raises(with_note(OSError("disk"))),
    "raises a group": raises(ExceptionGroup(SENTENCE, [ValueError(SENTENCE)])),
    "raises what cannot be printed": raises(Unprintable(SENTENCE)),
    "raises a failed delivery with a text": raises(DeliveryFailed(SENTENCE)),
    "raises a refusal": raises(AuthenticationFailed(SENTENCE)),
    "raises json's error": lambda sent: json.loads(sent.body[:-1]),
    "raises our error": lambda sent: Transmission(
        sent.body[:-1], received_at=NOW
    ).json(),
    "returns what is no answer": lambda sent: [sent.json()],
    "returns what is no JSON": lambda sent: {"Patient": sent.json(), "x": Named()},
    "returns half a character": lambda _: SENTENCE + "\ud83d",
    "returns an undefined status": lambda sent: (
        None if sent.is_query else Response(sent.body, 201)
    ),
    "returns a header that is none": lambda _: Response(
        headers=(("X", f"{SENTENCE}\n"),)
    ),
}

_ASKED = f"challenge={CHALLENGE}&verification-token="
REQUESTS: dict[str, dict[str, Any]] = {
    "verified by GET": {"method": "GET", "query": _ASKED + TOKEN},
    "refused by GET": {"method": "GET", "query": _ASKED + WRONG_TOKEN},
    "verified by an encoded name": {
        "method": "GET",
        "query": f"challenge={CHALLENGE}&%76erification%2Dtoken={TOKEN}",
    },
    "verified by HEAD": {"method": "HEAD", "query": _ASKED + TOKEN},
    "a challenge that is none": {
        "method": "GET",
        "query": f"challenge={quote(SENTENCE)}&verification-token={TOKEN}",
    },
    "a token where none belongs": {
        "method": "PUT",
        "query": f"x&verification-token={WRONG_TOKEN}",
    },
    "verified by POST": {"body": verification()},
    "refused by POST": {"body": verification(WRONG_TOKEN)},
    "refused by POST with proof": {"body": verification(WRONG_TOKEN), "headers": RIGHT},
    "a notification": {"body": PATIENT, "headers": RIGHT},
    "a query": {"body": QUERY, "headers": RIGHT},
    "a query string on a POST": {
        "body": PATIENT,
        "headers": RIGHT,
        "query": f"Verification-Token={TOKEN}&x=1",
    },
    "a wrong header": {"body": PATIENT, "headers": WRONG},
    "a wrong Bearer": {
        "body": PATIENT,
        "headers": {**RIGHT, "authorization": f"Bearer {WRONG_BEARER}"},
    },
    "a malformed Bearer": {
        "body": PATIENT,
        "headers": {"authorization": f"Bearer {WRONG_BEARER},{TOKEN}"},
    },
    "another scheme": {
        "body": PATIENT,
        "headers": {"authorization": f"Basic {WRONG_BEARER}"},
    },
    "no credentials": {"body": PATIENT},
    "names that are a patient's": {
        "body": build_patient(LAST_NAME, SENTENCE),
        "headers": RIGHT,
    },
    "a body that is no JSON": {"body": PATIENT[:-9], "headers": RIGHT},
    "a body that is too short": {
        "body": PATIENT,
        "headers": {**RIGHT, "content-length": str(len(PATIENT) + 1)},
    },
    "a body that is too large": {"body": PATIENT * 20, "headers": RIGHT},
    "a length that is none": {
        "body": PATIENT,
        "headers": {**RIGHT, "transfer-encoding": "chunked"},
    },
    "a content type that says it": {
        "body": PATIENT,
        "headers": {**RIGHT, "content-type": SENTENCE.encode().decode("latin-1")},
    },
}
SETTINGS: dict[str, dict[str, Any]] = {
    "a token": {},
    "a callable": {"verification_token": lambda: [TOKEN]},
    "a callable that fails": {"verification_token": raises(ValueError(TOKEN))},
    "a callable of a bad token": {"verification_token": lambda: [f" {TOKEN}"]},
    "an authenticator that fails": {"authenticator": Asked()},
    "an authenticator that knows the patient": {"authenticator": Knowing()},
}


def ask(handler: Any, request: dict[str, Any], **settings: Any) -> list[object]:
    """Send a request, and return all that left by it."""
    outcomes: list[object] = []

    def observe(outcome: Outcome) -> None:
        outcomes.append(outcome)
        raise ValueError(SENTENCE)

    application = build_application(
        handler, **{"max_body_bytes": 8192, "observer": observe, **settings}
    )
    environ = build_environ(**request)
    environ["REQUEST_URI"] = environ["RAW_URI"]
    terminal = environ["wsgi.errors"]
    with capture_logs() as records, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        reply = call(application, environ)
    for key in ("QUERY_STRING", "RAW_URI", "REQUEST_URI"):
        assert not {"a wrong token", "the verification token"} & set(find(environ[key]))
    assert len(outcomes) == 1
    assert records
    shown = [terminal.getvalue(), *(str(warning.message) for warning in warned)]
    return [reply, records, outcomes, shown]


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_nothing_of_a_request_gets_out(
    request_: str, setting: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither into an answer, a log, an outcome, a warning nor on the terminal."""
    left = ask(Received(), REQUESTS[request_], **SETTINGS[setting])

    assert find(left, *capfd.readouterr()) == []


@pytest.mark.parametrize("body", [PATIENT, QUERY], ids=["notification", "query"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_nothing_of_a_handlers_error_gets_out(
    handler: str, body: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its text quotes what was wrong, which is a patient's data."""
    request = {"body": body, "headers": RIGHT}

    assert find(ask(HANDLERS[handler], request)) == []
    assert find(*capfd.readouterr()) == []


def test_an_event_without_a_handler_is_named_harmlessly() -> None:
    """The router's warning names the event, unless that is somebody's name."""
    body = build_patient(LAST_NAME, SENTENCE)

    left = ask(Router(), {"body": body, "headers": RIGHT})

    assert find(left) == []


def test_the_wrapped_application_finds_no_token_in_the_url() -> None:
    """In guard mode it may log the URL, and it did not ask for the token."""
    seen: list[dict[str, Any]] = []

    def wrapped(environ: Any, start_response: Any) -> Any:
        seen.append(dict(environ))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []

    application = build_application(None, wrapped)
    reply = send(
        application,
        body=PATIENT,
        headers=RIGHT,
        query=f"verification-token={TOKEN}",
        REQUEST_URI=f"/redox?verification%2dtoken={TOKEN}",
    )

    assert reply.status == 200
    [environ] = seen
    keys = ("PATH_INFO", "QUERY_STRING", "RAW_URI", "REQUEST_URI")
    assert find([environ[key] for key in keys]) == []


# Objects.


def build_request() -> Request:
    """Build a request with a canary in every place."""
    environ = build_environ(
        query=f"verification-token={TOKEN}&x={quote(SENTENCE)}",
        body=PATIENT,
        headers={**WRONG, "authorization": f"Bearer {WRONG_BEARER}"},
    )
    request = Request(environ)
    assert request.body() == PATIENT
    return request


def build_transmission() -> Transmission:
    """Build a transmission with a canary in every place, all of it asked for."""
    transmission = Transmission(
        build_patient(LAST_NAME, f"{DIAGNOSIS} Query"),
        received_at=NOW,
        content_type=SENTENCE,
        principal=Principal("bearer", TOKEN),
    )
    assert transmission.json()
    assert transmission.identity
    assert transmission.patient_identifiers
    return transmission


def build_outcome() -> Outcome:
    """Take the outcome of a request with canaries as names."""
    outcomes: list[Outcome] = []
    application = build_application(fail, observer=outcomes.append)
    send(application, body=build_patient(LAST_NAME, SENTENCE), headers=RIGHT)
    [outcome] = outcomes
    return outcome


OBJECTS: dict[str, Callable[[], Any]] = {
    "AllOf": lambda: AllOf(VerificationToken(TOKEN)),
    "AnyOf": lambda: AnyOf(VerificationToken(TOKEN)),
    "Destination": lambda: Destination(print, verification_token=[TOKEN]),
    "Meta": lambda: Meta({"DataModel": LAST_NAME, "Source": {"ID": SENTENCE}}),
    "Outcome": build_outcome,
    "PatientIdentifier": lambda: PatientIdentifier(LAST_NAME, SENTENCE),
    "Principal": lambda: Principal("jwt", TOKEN, frozenset([SENTENCE]), {"sub": TOKEN}),
    "RedoxMiddleware": lambda: build_application(print),
    "Request": build_request,
    "Response": lambda: Response(PATIENT, headers=(("Location", TOKEN),)),
    "Router": Router,
    "Transmission": build_transmission,
    "VerificationToken": lambda: VerificationToken(TOKEN),
    "verification by GET": lambda: parse_query(
        f"challenge=x&verification-token={TOKEN}"
    ),
    "verification by POST": lambda: parse_body(verification(TOKEN, SENTENCE)),
}

# A protocol has no objects of its own; neither have the names of types.
NO_OBJECTS = {"Authenticator", "Entry", "Handler", "JsonObject", "Observer", "Reply"}


def test_every_public_class_is_looked_at() -> None:
    """A new one must be added here, or it would go unwatched."""
    classes = {
        name
        for name in redox_wsgi.__all__
        if inspect.isclass(value := getattr(redox_wsgi, name))
        and not issubclass(value, BaseException)
    }

    assert classes - NO_OBJECTS <= set(OBJECTS)


@pytest.mark.parametrize("name", OBJECTS)
def test_no_object_shows_what_it_holds(name: str) -> None:
    """Error reporters print every local variable, debuggers too."""
    thing = OBJECTS[name]()
    assert thing is not None

    shown = (repr(thing), str(thing), f"{thing}", pprint.pformat([{"x": thing}]))

    assert find(*shown) == []


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))],  # noqa: S301 - our own bytes
    ids=["copied", "copied deeply", "pickled"],
)
def test_no_copy_shows_what_it_holds(name: str, duplicate: Any) -> None:
    """Nor does the error, where something cannot be copied."""
    thing = OBJECTS[name]()

    try:
        shown = repr(duplicate(thing))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        shown = f"{error!r} {list(list_chain(error))!r}"

    assert find(shown) == []


# Exceptions.


def read_short_body() -> object:
    """Read a body that is shorter than announced."""
    return Request(build_environ(body=PATIENT, CONTENT_LENGTH="99999")).body()


def read_failing_body() -> object:
    """Read a body from a stream that fails with a part of it."""

    class Failing(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise OSError(SENTENCE)

    environ = build_environ(body=PATIENT)
    environ["wsgi.input"] = Failing(PATIENT)
    return Request(environ).body()


RAISING: dict[str, tuple[type[Exception], Callable[[], object]]] = {
    "json() of what is none": (
        BodyNotJson,
        lambda: Transmission(PATIENT[:-1], received_at=NOW).json(),
    ),
    "json() of lists in lists": (
        BodyNotJson,
        lambda: Transmission(PATIENT + b"[" * 9999, received_at=NOW).json(),
    ),
    "a malformed Bearer": (
        AuthenticationFailed,
        lambda: Request(
            build_environ(headers={"authorization": f"Bearer {WRONG_BEARER},x"})
        ).bearer_token(),
    ),
    "a wrong token": (
        AuthenticationFailed,
        lambda: VerificationToken(TOKEN).authenticate(build_request()),
    ),
    "a callable that fails": (
        AuthenticatorUnavailable,
        lambda: VerificationToken(raises(ValueError(TOKEN))).authenticate(
            build_request()
        ),
    ),
    "an authenticator that fails": (
        AuthenticatorUnavailable,
        lambda: AllOf(Asked()).authenticate(build_request()),
    ),
    "nobody of several": (
        RedoxError,
        lambda: AnyOf(VerificationToken(TOKEN), Asked()).authenticate(build_request()),
    ),
    "a short body": (RedoxError, read_short_body),
    "a failing body": (RedoxError, read_failing_body),
    "a large body": (
        RedoxError,
        lambda: Request(build_environ(body=PATIENT), 10).body(),
    ),
    "a token with a blank": (
        ConfigurationError,
        lambda: VerificationToken(f"{TOKEN} "),
    ),
    "a token of bytes": (
        ConfigurationError,
        lambda: VerificationToken([TOKEN.encode()]),  # type: ignore[list-item]
    ),
    "a token as an authenticator": (
        ConfigurationError,
        lambda: Destination(print, authenticator=TOKEN),  # type: ignore[arg-type]
    ),
    "a token as a handler": (
        ConfigurationError,
        lambda: Destination(TOKEN, verification_token=TOKEN),  # type: ignore[arg-type]
    ),
    "a token as a destination": (
        ConfigurationError,
        lambda: RedoxMiddleware(print, {"/redox": TOKEN}),  # type: ignore[arg-type, dict-item]
    ),
    "a reply to a notification": (
        ValueError,
        lambda: Transmission(PATIENT, received_at=NOW).reply({"x": SENTENCE}),
    ),
    "a header that starts another": (
        ValueError,
        lambda: Response(headers=(("X", f"{WRONG_TOKEN}\r\n"),)),
    ),
}


@pytest.mark.parametrize("name", RAISING)
def test_no_exception_quotes_what_was_wrong(name: str) -> None:
    """Neither it nor one of ours that it came from, in text, arguments, attributes."""
    expected, act = RAISING[name]

    with pytest.raises(expected) as raised:
        act()

    chain = list(list_chain(raised.value))
    ours = [error for error in chain if type(error).__module__.startswith("redox_wsgi")]
    assert find(raised.value, *ours, str(raised.value), raised.value.args) == []


def test_the_error_for_what_is_no_json_brings_no_other_along() -> None:
    """The standard library's holds the whole body in an attribute."""
    with pytest.raises(BodyNotJson) as raised:
        Transmission(PATIENT[:-1], received_at=NOW).json()

    assert list(list_chain(raised.value)) == [raised.value]


# Memory.


@pytest.mark.parametrize("outcome", ["kept", "failed", "refused", "verified"])
def test_no_request_stays_in_memory_after_its_answer(outcome: str) -> None:
    """An error leads to its frames: 40 MB would wait for the garbage collector."""

    class Stream(io.BytesIO):
        """Can be referred to weakly."""

    body = verification() if outcome == "verified" else PATIENT
    environ = build_environ(body=body, headers=WRONG if outcome == "refused" else RIGHT)
    stream = environ["wsgi.input"] = Stream(body)
    reference = weakref.ref(stream)
    application = build_application(fail if outcome == "failed" else Received())
    gc.disable()
    try:
        answer = application(environ, lambda *_: None)
        del environ, stream, answer

        assert reference() is None
    finally:
        gc.enable()


# Servers.

#: gunicorn's own format with the request line, and the query once more.
ACCESS_LOG_FORMAT = (
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" "%(q)s" "%(U)s"'
)


def list_raw_requests() -> list[tuple[int, bytes]]:
    """List requests with canaries, and the status that each must get."""
    right, wrong = list(RIGHT.items()), list(WRONG.items())
    get = "/redox?challenge=x&verification-token="
    return [
        (200, build_raw_request("GET", get + TOKEN, [], b"")),
        (200, build_raw_request("HEAD", get + TOKEN, [], b"")),
        (401, build_raw_request("GET", get + WRONG_TOKEN, [], b"")),
        (
            200,
            build_raw_request(
                "GET", f"/redox?%56erification-Token=x&{get[7:]}{TOKEN}", [], b""
            ),
        ),
        (
            200,
            build_raw_request(
                "GET", f"/redox?verification%2dtoken={TOKEN}&challenge=x", [], b""
            ),
        ),
        (405, build_raw_request("GET", f"/redox?verification-token={TOKEN}", [], b"")),
        (
            200,
            build_raw_request(
                "POST", f"/redox?verification-token={TOKEN}", right, PATIENT
            ),
        ),
        (
            200,
            build_raw_request(
                "GET", f"http://x/redox?verification-token={TOKEN}&challenge=x", [], b""
            ),
        ),
        (401, build_raw_request("POST", "/redox", wrong, PATIENT)),
        (
            401,
            build_raw_request(
                "POST", "/redox", [("authorization", f"Bearer {WRONG_BEARER}")], PATIENT
            ),
        ),
        (500, build_raw_request("POST", "/fail", right, PATIENT)),
        (
            500,
            build_raw_request(
                "POST",
                f"/fail?verification-token={TOKEN}",
                right,
                PATIENT,
                chunked=True,
            ),
        ),
        (400, build_raw_request("POST", "/fail", right, PATIENT, length=9999)),
    ]


@pytest.mark.parametrize("server", ["gunicorn sync", "gunicorn gthread"])
def test_gunicorn_logs_no_canary_even_with_the_request_line(
    server: str, tmp_path: Path
) -> None:
    """Its access line is built from the environ after the answer, blanked by then."""
    log = tmp_path / "log"
    options = (
        *("--access-logfile", "-", "--access-logformat", ACCESS_LOG_FORMAT),
        *("--log-level", "debug", "--capture-output"),
    )
    application = "tests.support.leaks:build_served_application()"
    requests = list_raw_requests()

    with run_server(server, application, log, *options) as port:
        for status, raw in requests:
            reply = exchange(port, raw, hang_up=True)
            assert reply is not None
            assert (reply.status, find(reply)) == (status, [])
        text = log.read_text()
        assert find(text) == []
        # What is no destination's passes untouched: so the search would find it.
        exchange(
            port, build_raw_request("GET", f"/?verification-token={TOKEN}", [], b"")
        )
    text = log.read_text()

    assert find(text) == ["the verification token"]
    lines = [
        line for line in text.splitlines() if " HTTP/1.1" in line and "/?" not in line
    ]
    assert len(lines) >= len(requests)
    assert find(lines) == []
    assert text.count("verification-token=***") >= 6
    assert "redox_wsgi:failed 500 handler-raised" in text

"""What holds whatever arrives: the decision table, and every reader beneath it.

``decide`` is the table once more, written from labels instead of from bytes, so that
no parser of ours judges itself.
"""

from __future__ import annotations

import inspect
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import pytest
from hypothesis import HealthCheck, assume, example, given, note, settings
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound

from redox_wsgi import (
    AllOf,
    AnyOf,
    AuthenticationFailed,
    ConfigurationError,
    DeliveryFailed,
    Destination,
    HandlerFailed,
    Principal,
    RedoxMiddleware,
    Request,
    RequestRejected,
    Response,
    Transmission,
    VerificationToken,
)
from redox_wsgi.identity import hash_content
from redox_wsgi.meta import read_meta
from redox_wsgi.verification import blank_tokens, parse_body, parse_query
from tests.support.builders import NOTIFICATION, OLD_TOKEN, QUERY, TOKEN
from tests.support.contract_app import KEY
from tests.support.contract_app import Credential as KeyCredential
from tests.support.strategies import (
    CHALLENGE,
    MAX_BODY_BYTES,
    Arrival,
    Body,
    Credential,
    Label,
    Payload,
    Pieces,
    arrivals,
    encode_value,
    is_visible_word,
    json_objects,
    json_scalars,
    json_text,
    json_values,
    latin1_text,
    log_spellings,
    odd_bodies,
    odd_environs,
    payloads,
    scalar_spellings,
    value_spellings,
)
from tests.support.wsgi import Reply, build_environ, call, send

NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
BOTH = [TOKEN, OLD_TOKEN]

# No test may depend on how fast the machine is today.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(patient, max_examples=100)
many = settings(patient, max_examples=250)
most = settings(patient, max_examples=1000)

#: Every way to configure who may send; the key is the credential's.
SETTINGS: dict[str, Any] = {
    "one token": lambda: {"verification_token": BOTH},
    "a callable": lambda: {"verification_token": lambda: list(BOTH)},
    "the token as authenticator": lambda: {"authenticator": VerificationToken(BOTH)},
    "key": lambda: {"authenticator": KeyCredential()},
    "key and token": lambda: {
        "authenticator": KeyCredential(),
        "verification_token": BOTH,
    },
    "all of": lambda: {
        "authenticator": AllOf(VerificationToken(BOTH), KeyCredential())
    },
    "any of": lambda: {
        "authenticator": AnyOf(VerificationToken(BOTH), KeyCredential())
    },
}
TOKEN_ONLY = ("one token", "a callable", "the token as authenticator")

FIXED = {
    400: b'{"error":"malformed_request"}',
    401: b'{"error":"invalid_token"}',
    403: b'{"error":"https_required"}',
    405: b'{"error":"method_not_allowed"}',
    413: b'{"error":"body_too_large"}',
}
GUARDED = b"answered by the wrapped application"


@dataclass(frozen=True)
class Answer:
    """What the table says: the status, and whether a handler has the body."""

    status: int
    handled: bool = False
    challenge: str | None = None


@dataclass
class Receiver:
    """A destination at ``/redox`` and everything that got through it."""

    kind: str
    guard: bool = False
    require_https: bool = False
    bodies: list[bytes] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        destination = Destination(
            None if self.guard else lambda sent: self.bodies.append(sent.body),
            max_body_bytes=MAX_BODY_BYTES,
            require_https=self.require_https,
            **SETTINGS[self.kind](),
        )
        self.middleware = RedoxMiddleware(self.wrapped, {"/redox": destination})

    def wrapped(self, environ: Any, start_response: Any) -> Any:
        """Stand for the application behind, with a route of its own for guard mode."""
        transmission = environ.get("redox_wsgi.transmission")
        if transmission is None:
            self.strays.append(environ["PATH_INFO"])
        else:
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            assert body == transmission.body
            self.bodies.append(body)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [GUARDED]

    def answer(self, environ: dict[str, Any]) -> Reply:
        """Hand over an environ that no server would check, and validate the answer."""
        stream = environ.get("wsgi.input", io.BytesIO())

        def unchecked(checked: Any, start_response: Any) -> Any:
            odd = {**environ, "wsgi.input": checked["wsgi.input"]}
            return self.middleware({**checked, **odd}, start_response)

        method: str = environ.get("REQUEST_METHOD", "POST")
        is_known = method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")
        clean = build_environ(method if is_known else "POST", "/redox")
        return call(unchecked, {**clean, "wsgi.input": stream})


receivers = st.builds(
    Receiver,
    kind=st.sampled_from(list(SETTINGS)),
    guard=st.booleans(),
    require_https=st.sampled_from([False, False, False, True]),
)


def are_right(tokens: list[Label]) -> bool:
    """Tell whether a token is there, and every one that is there is right."""
    there = [token for token in tokens if token != "absent"]
    return bool(there) and all(token == "right" for token in there)


def judge(kind: str, arrival: Arrival) -> Label:  # noqa: PLR0911 - a setting each
    """Judge the credentials in the head of a request."""
    bearer: Label = {"right bearer": "right", "wrong bearer": "wrong"}.get(
        arrival.authorization, "absent"
    )  # type: ignore[assignment]
    key: Label = {"right key": "right", "wrong key": "wrong"}.get(
        arrival.authorization, "absent"
    )  # type: ignore[assignment]
    if kind in TOKEN_ONLY:
        tokens = [arrival.header, bearer]
        if "wrong" in tokens:
            return "wrong"
        return "right" if "right" in tokens else "absent"
    if kind == "key":
        return key
    if arrival.header == "wrong":
        return "wrong"
    if kind == "key and token":
        return key
    token = bearer if arrival.header == "absent" else arrival.header
    if kind == "all of":
        # The first refusal counts, so a verification needs no more than its token.
        return key if token == "right" else token
    if "right" in (token, key):
        return "right"
    return "wrong" if "wrong" in (token, key) else "absent"


def decide(  # noqa: PLR0911 - a row of the table each
    receiver: Receiver, arrival: Arrival
) -> Answer:
    """Say what the decision table answers to a request."""
    kind, body = receiver.kind, arrival.body
    tokens: list[Label] = [arrival.header]
    if kind in TOKEN_ONLY and arrival.authorization.endswith("bearer"):
        tokens.append("right" if "right" in arrival.authorization else "wrong")

    def prove(*more: Label) -> bool:
        if kind == "key":
            return arrival.authorization == "right key"
        return are_right([*tokens, *more])

    def echo(challenge: str) -> Answer:
        if is_visible_word(challenge):
            return Answer(200, challenge=challenge)
        return Answer(400)

    if receiver.require_https and arrival.environ.get("wsgi.url_scheme") != "https":
        return Answer(403)
    if arrival.method in ("GET", "HEAD") and arrival.challenges:
        if not prove(*arrival.query_tokens):
            return Answer(401)
        return echo(" ".join(arrival.challenges))
    if arrival.method != "POST":
        return Answer(405)
    verdict = judge(kind, arrival)
    if verdict == "wrong":
        return Answer(401)
    if verdict == "absent":
        is_asked = body.delivery == "whole" and body.challenge is not None
        if is_asked and prove(body.token):
            return echo(body.challenge or "")
        return Answer(401)
    if body.delivery != "whole":
        return Answer(413 if body.delivery == "too large" else 400)
    if body.challenge is not None:
        if body.token == "wrong" and kind != "key":
            return Answer(401)
        return echo(body.challenge)
    return Answer(200, handled=True)


def check_form(reply: Reply, *, head: bool = False) -> None:
    """Compare an answer of ours with the forms that there are."""
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "no-store"
    assert head or int(reply.headers["content-length"]) == len(reply.body)
    assert ("www-authenticate" in reply.headers) == (reply.status == 401)
    assert ("allow" in reply.headers) == (reply.status == 405)
    if head:
        assert reply.body == b""
    elif reply.status in FIXED:
        assert reply.body == FIXED[reply.status]
        assert reply.headers["content-type"] == "application/json"
    else:
        assert reply.status == 200
        if reply.headers["content-type"] == "application/json":
            [error] = json.loads(reply.body)["Meta"]["Errors"]
            assert error["Type"] == "transmission"
        else:
            assert reply.headers["content-type"] == "text/plain; charset=utf-8"
            assert re.fullmatch(rb"[!-~]{0,256}", reply.body)


@most
@given(receiver=receivers, arrival=arrivals())
def test_any_request_is_answered_as_the_table_says(
    receiver: Receiver, arrival: Arrival
) -> None:
    """Whatever comes in whatever way, and whoever may send: one table decides."""
    answer = decide(receiver, arrival)
    note(f"expected: {answer}")

    reply = receiver.answer(arrival.environ)
    read_bytes = arrival.environ["wsgi.input"].tell()

    assert reply.status == answer.status
    if answer.status in (403, 405) or judge(receiver.kind, arrival) == "wrong":
        assert read_bytes == 0
    if judge(receiver.kind, arrival) == "absent":
        assert read_bytes <= 4097
    assert receiver.bodies == ([arrival.body.sent] if answer.handled else [])
    assert receiver.strays == []
    if answer.handled and receiver.guard:
        assert reply.body == GUARDED
        return
    is_head = arrival.method == "HEAD"
    check_form(reply, head=is_head)
    if answer.challenge is not None and not is_head:
        assert reply.body == answer.challenge.encode()


def build_arrivals(method: str) -> Iterator[Arrival]:
    """Build a request for every combination of credentials."""
    headers: dict[Label, str] = {"right": OLD_TOKEN, "wrong": "x"}
    authorizations: dict[Credential, str] = {
        "other": "Basic eDp5",
        "right bearer": f"Bearer {TOKEN}",
        "wrong bearer": "Bearer x",
        "right key": f"Key {KEY}",
        "wrong key": "Key x",
    }
    labels: tuple[Label, ...] = ("right", "wrong", "absent")
    for header, authorization, token, challenge in itertools.product(
        labels, ("absent", *authorizations), labels, (CHALLENGE, None)
    ):
        members = {} if challenge is None else {"challenge": challenge}
        if token != "absent":
            members["verification-token"] = TOKEN if token == "right" else "x"
        body = Body(encode_value(members), "whole", {}, challenge, token)
        environ: dict[str, Any] = {"REQUEST_METHOD": method}
        if method == "POST":
            environ["CONTENT_LENGTH"] = str(len(body.sent))
            environ["wsgi.input"] = io.BytesIO(body.sent)
        else:
            environ["QUERY_STRING"] = urlencode(members)
        if header != "absent":
            environ["HTTP_VERIFICATION_TOKEN"] = headers[header]
        if authorization != "absent":
            environ["HTTP_AUTHORIZATION"] = authorizations[authorization]
        yield Arrival(
            environ,
            method,
            header,
            authorization,
            () if challenge is None else (challenge,),
            () if token == "absent" else (token,),
            body,
        )


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_every_combination_of_credentials_is_judged_as_the_table_says(
    kind: str, method: str
) -> None:
    """In every place right, wrong and absent, for a transmission and a challenge."""
    for arrival in build_arrivals(method):
        receiver = Receiver(kind)
        answer = decide(receiver, arrival)

        reply = receiver.answer(arrival.environ)

        assert (reply.status, len(receiver.bodies)) == (answer.status, answer.handled)
        if answer.challenge is not None:
            assert reply.body == CHALLENGE.encode()


@many
@given(receiver=receivers, environ=odd_environs, body=odd_bodies())
def test_no_text_in_an_environ_reaches_a_handler_or_raises(
    receiver: Receiver, environ: dict[str, Any], body: bytes
) -> None:
    """No one guesses the token: the answer is a refusal, of a fixed form."""
    reply = receiver.answer({**environ, "wsgi.input": io.BytesIO(body)})

    assert reply.status in (401, 403, 405)
    assert (receiver.bodies, receiver.strays) == ([], [])
    check_form(reply, head=environ.get("REQUEST_METHOD") == "HEAD")


@many
@given(environ=odd_environs, body=odd_bodies(), guard=st.booleans())
def test_any_environ_with_the_right_token_is_kept_or_refused_for_its_length(
    environ: dict[str, Any], body: bytes, guard: bool
) -> None:
    """After authentication no content makes an answer that stops a subscription."""
    receiver = Receiver("one token", guard)
    proved = {
        "HTTP_VERIFICATION_TOKEN": TOKEN,
        "REQUEST_METHOD": "POST",
        "wsgi.input": io.BytesIO(body),
    }
    environ.pop("HTTP_AUTHORIZATION", None)

    reply = receiver.answer({**environ, **proved})

    assert reply.status in (200, 400, 413)
    assert len(receiver.bodies) == (reply.status == 200)
    assert receiver.strays == []


@few
@given(
    body=st.one_of(odd_bodies(), st.sampled_from([NOTIFICATION, QUERY])),
    sizes=st.lists(st.integers(1, 50), max_size=8),
    chunked=st.booleans(),
)
def test_any_body_with_the_right_token_is_kept_whole(
    body: bytes, sizes: list[int], chunked: bool
) -> None:
    """It is answered 200 and handled once, byte for byte, in however many reads."""
    assume(b"challenge" not in body and len(body) <= MAX_BODY_BYTES)
    receiver = Receiver("one token")
    length = (
        {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
        if chunked
        else {"CONTENT_LENGTH": str(len(body))}
    )

    reply = receiver.answer(
        {
            **length,
            "HTTP_VERIFICATION_TOKEN": TOKEN,
            "wsgi.input": Pieces(body, sizes, fails=False),
        }
    )

    assert (reply.status, receiver.bodies) == (200, [body])


@pytest.mark.parametrize("excess", [-1, 0, 1, 2])
@pytest.mark.parametrize("coding", ["announced", "chunked", "identity"])
def test_a_body_is_too_large_from_the_first_byte_above_the_limit(
    excess: int, coding: str
) -> None:
    """The limit itself is allowed, however the body comes."""
    receiver = Receiver("one token")
    body = b"x" * (MAX_BODY_BYTES + excess)
    environ = {"HTTP_VERIFICATION_TOKEN": TOKEN, "wsgi.input": io.BytesIO(body)}
    if coding != "chunked":
        environ["CONTENT_LENGTH"] = str(len(body))
    if coding != "announced":
        environ |= {"HTTP_TRANSFER_ENCODING": coding, "wsgi.input_terminated": True}

    reply = receiver.answer(environ)

    assert (reply.status, len(receiver.bodies)) == (
        (413, 0) if excess > 0 else (200, 1)
    )


@few
@given(
    before=st.sampled_from(["/", "", "//", "///", "/./", "/x/../", "%2f"]),
    after=st.sampled_from(["", "/", "//", "/.", "/..", "%2f", ";x", "\n", "\x00", "."]),
    kind=st.sampled_from(list(SETTINGS)),
)
def test_no_spelling_of_a_guarded_path_leads_past_the_gate(
    before: str, after: str, kind: str
) -> None:
    """Werkzeug and Bottle read ``//redox`` as ``/redox``; so must the gate."""
    receiver = Receiver(kind, guard=True)
    path = f"{before}redox{after}"

    receiver.answer({"PATH_INFO": path})

    # What the frameworks make of a path before they route it.
    routed = "/" + path.lstrip("/")
    assert not receiver.strays or routed not in ("/redox", "/redox/")


@few
@given(path=st.one_of(st.text("/rdx\u00e9%20.", max_size=8), st.text(max_size=8)))
@example("zo\u00eb")
@example("/redox")
def test_any_path_that_is_accepted_is_guarded(path: str) -> None:
    """A path that no request can match would leave its route open to everybody."""
    receiver = Receiver("one token", guard=True)
    guard = Destination(None, verification_token=TOKEN)
    try:
        sent = f"/{path}".encode().decode("latin-1")
        receiver.middleware = RedoxMiddleware(receiver.wrapped, {f"/{path}": guard})
    except (ConfigurationError, UnicodeEncodeError):
        return

    for spelling in (sent.rstrip("/"), sent.rstrip("/") + "/"):
        receiver.answer({"PATH_INFO": spelling})

    assert receiver.strays == []


def test_a_subclass_of_the_verification_token_is_asked_itself() -> None:
    """It may want more than the token, such as an address; so it must be heard."""

    class Stricter(VerificationToken):
        def authenticate(self, request: Request) -> Principal:
            raise AuthenticationFailed("wrong-network")

    handled: list[bytes] = []
    for authenticator in (
        Stricter(TOKEN),
        AllOf(Stricter(TOKEN)),
        AnyOf(Stricter(TOKEN)),
    ):
        destination = Destination(
            lambda sent: handled.append(sent.body), authenticator=authenticator
        )
        application = RedoxMiddleware(NotFound(), {"/redox": destination})

        reply = send(
            application, body=NOTIFICATION, headers={"verification-token": TOKEN}
        )

        assert reply.status == 401
    assert handled == []


def test_a_request_is_checked_against_the_tokens_that_were_loaded_for_it() -> None:
    """Another thread may load older ones then: what was taken back stays refused."""

    def ask(token: str) -> Principal:
        return gate.authenticate(
            Request(build_environ(headers={"authorization": token}))
        )

    class Interrupted(str):
        """A token at whose comparison another thread gets its turn."""

        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            assert ask(f"Bearer {OLD_TOKEN}").subject == "0"
            return str.__eq__(self, other)

    lists: list[list[str]] = [[TOKEN], [Interrupted(TOKEN)], [OLD_TOKEN]]
    loaded = iter(lists)
    gate = VerificationToken(lambda: next(loaded))
    assert ask(f"Bearer {TOKEN}").subject == "0"

    with pytest.raises(AuthenticationFailed):
        ask(f"Bearer {OLD_TOKEN}")


# Classes and values of the user's own.


class Unprepared(DeliveryFailed):
    """A failure that does not call the constructor above it."""

    def __init__(self) -> None:
        """Set nothing."""


class Successful(DeliveryFailed):
    """A failure that would be counted as delivered."""

    status = 200


class Beyond(HandlerFailed):
    """A failure whose status is none, and whose word is no word."""

    status = 700
    error = '"}\r\n\u0141'


class Accepting(RequestRejected):
    """A refusal that says that all is well."""

    status = 200
    error = "fine"


class Unnamed(RequestRejected):
    """A refusal that does not call the constructor above it."""

    def __init__(self) -> None:
        """Set nothing."""


ERRORS: dict[str, Callable[[], BaseException]] = {
    "a failure without attributes": Unprepared,
    "a failure of status 200": lambda: Successful("x"),
    "a failure of status 700": lambda: Beyond("x"),
    "a failure with a list as code": lambda: DeliveryFailed(["x"]),  # type: ignore[arg-type]
    "a refusal of status 200": lambda: Accepting("x"),
    "a refusal without attributes": Unnamed,
    "a refusal with a list as code": lambda: AuthenticationFailed(["x"]),  # type: ignore[arg-type]
    "a refusal with a line feed": lambda: AuthenticationFailed(
        "x", www_authenticate="Bearer\r\nSet-Cookie: a=b"
    ),
    "a refusal outside of latin-1": lambda: AuthenticationFailed(
        "x", www_authenticate="\u0141"
    ),
    "a refusal with a quote": lambda: AuthenticationFailed("x", error='"}'),
    "no memory": MemoryError,
    "a recursion": RecursionError,
    "the end of an iteration": StopIteration,
}


class Raising:
    """An authenticator that raises."""

    def __init__(self, build: Callable[[], BaseException]) -> None:
        self._build = build

    def authenticate(self, request: Request) -> Principal:
        """Raise it."""
        raise self._build()


@pytest.mark.parametrize("name", ERRORS)
def test_no_error_of_a_users_own_becomes_a_success_or_escapes(name: str) -> None:
    """What escapes is logged by the server with its text, a patient's data."""

    def handler(_: Transmission) -> None:
        raise ERRORS[name]()

    settings: list[tuple[Any, dict[str, Any]]] = [
        (handler, {"verification_token": TOKEN}),
        (print, {"authenticator": Raising(ERRORS[name])}),
        (print, {"authenticator": AnyOf(Raising(ERRORS[name]))}),
    ]
    for handle, gate in settings:
        application = RedoxMiddleware(
            NotFound(), {"/redox": Destination(handle, **gate)}
        )

        reply = send(
            application, body=NOTIFICATION, headers={"verification-token": TOKEN}
        )

        assert 400 <= reply.status < 600
        assert reply.status >= 500 or handle is print
        assert list(json.loads(reply.body)) == ["error"]


REPLIES: dict[str, Callable[[], Any]] = {
    "headers of three parts": lambda: Response(headers=(("X", "a", "b"),)),  # type: ignore[arg-type]
    "headers as a mapping": lambda: Response(headers={"X-A": "b"}),  # type: ignore[arg-type]
    "headers as lists": lambda: Response(headers=[["X", "a"]]),  # type: ignore[arg-type]
    "a header name with a blank": lambda: Response(headers=(("X Y", "a"),)),
    "an empty header name": lambda: Response(headers=(("", "a"),)),
    "a header that is a number": lambda: Response(headers=(("X", 1),)),  # type: ignore[arg-type]
    "a header with a line feed": lambda: Response(headers=(("X", "a\r\nb: c"),)),
    "a status with a fraction": lambda: Response(status=200.5),  # type: ignore[arg-type]
    "a status as text": lambda: Response(status="200"),  # type: ignore[arg-type]
    "a body of text": lambda: Response("text"),  # type: ignore[arg-type]
    "half a surrogate pair": lambda: "\ud83d",
    "bytes that can change": lambda: bytearray(b"x"),
    "a number": lambda: 200,
    "no number": lambda: {"x": float("nan")},
    "a key that is no text": lambda: {("a",): 1},
}


@pytest.mark.parametrize("name", REPLIES)
def test_no_reply_of_a_handler_makes_an_answer_that_is_no_http(name: str) -> None:
    """The server would drop it, after the handler has done its work."""
    destination = Destination(lambda _: REPLIES[name](), verification_token=TOKEN)
    application = RedoxMiddleware(NotFound(), {"/redox": destination})

    for body in (NOTIFICATION, QUERY):
        reply = send(application, body=body, headers={"verification-token": TOKEN})

        assert reply.status in (200, 500)


# The envelope.


@many
@given(body=odd_bodies())
@example(b'{"Meta":{},"x":' + b"9" * 5000 + b"}")
@example(b'{"Meta":{},"x":' + b"[" * 5000 + b"]" * 5000 + b"}")
@example(b'{"Meta":{"Source":{"ID":1e999}}}')
def test_any_body_makes_a_transmission_of_which_all_can_be_asked(body: bytes) -> None:
    """No property raises: what a body lacks is absent, never an error."""
    transmission = Transmission(body, received_at=NOW)

    for name in dir(Transmission):
        if isinstance(getattr(Transmission, name), property):
            getattr(transmission, name)
    for name in ("event_datetime", "is_test", "destination_ids", "fields"):
        getattr(transmission.meta, name)
    assert re.fullmatch("[0-9a-f]{64}", transmission.identity)
    assert transmission.format != "unknown" or transmission.meta.fields == {}
    assert (
        repr(transmission)
        == f"<Transmission: {transmission.format}, {len(body)} bytes>"
    )


def as_text(value: object) -> str | None:
    """Return what a text field holds after decoding."""
    return value if isinstance(value, str) else None


def as_id(value: object) -> str | None:
    """Return what an ID is as text: from a string or a number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else as_text(value)


def member(value: object, name: str) -> object:
    """Return a member of an object, None of anything else."""
    return value.get(name) if isinstance(value, dict) else None


_ids = st.one_of(
    json_values,
    st.builds(lambda id_, more: {**more, "ID": id_}, json_scalars, json_objects),
)
_logs = st.one_of(
    _ids, st.fixed_dictionaries({}, optional={"ID": _ids, "AttemptID": _ids})
)
metas = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries(
        {},
        optional={
            "DataModel": st.one_of(json_text, json_values),
            "EventType": st.one_of(json_text, json_values),
            "EventDateTime": st.one_of(
                json_values,
                st.datetimes().map(datetime.isoformat),
                st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
            ),
            "Test": json_values,
            "Source": _ids,
            "Destinations": st.one_of(json_values, st.lists(_ids, max_size=3)),
            "Logs": st.one_of(json_values, st.lists(_logs, max_size=3)),
            "Message": _ids,
            "Transmission": _ids,
            "FacilityCode": st.one_of(json_text, json_values),
        },
    ),
    json_objects,
)


@many
@given(fields=metas, payload=json_objects, compact=st.booleans())
def test_any_fields_of_a_meta_are_judged_one_by_one(
    fields: dict[str, Any], payload: dict[str, Any], compact: bool
) -> None:
    """One of a wrong type is None and takes no other with it."""
    body = encode_value({**payload, "Meta": fields}, compact=compact)

    format_, meta = read_meta(body)

    logs = fields.get("Logs")
    log = logs[0] if isinstance(logs, list) and logs else None
    destinations = fields.get("Destinations")
    ids = [
        as_id(member(destination, "ID"))
        for destination in (destinations if isinstance(destinations, list) else [])
    ]
    assert format_ == "data-model"
    assert meta.data_model == as_text(fields.get("DataModel"))
    assert meta.event_type == as_text(fields.get("EventType"))
    assert meta.facility_code == as_text(fields.get("FacilityCode"))
    assert meta.is_test is (fields.get("Test") is True)
    assert meta.source_id == as_id(member(fields.get("Source"), "ID"))
    assert meta.message_id == as_id(member(fields.get("Message"), "ID"))
    assert meta.transmission_id == as_id(member(fields.get("Transmission"), "ID"))
    assert meta.destination_ids == tuple(id_ for id_ in ids if id_ is not None)
    assert meta.log_id == as_id(member(log, "ID"))
    assert meta.attempt_id == as_id(member(log, "AttemptID"))
    moment = meta.event_datetime
    assert moment is None or moment.utcoffset() is not None


_offsets = st.integers(-1439, 1439).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@few
@given(moment=st.datetimes(timezones=_offsets))
def test_any_aware_date_time_is_read_back(moment: datetime) -> None:
    """Whatever the offset, the moment is the same."""
    fields = {"EventDateTime": moment.isoformat(), "DataModel": 5}

    _, meta = read_meta(encode_value({"Meta": fields}))

    assert meta.event_datetime == moment


# The identity.


def identify(body: bytes) -> str:
    """Return the identity of a body."""
    transmission = Transmission(body, received_at=NOW)
    assert transmission.format == "data-model"
    return transmission.identity


def attempt_again(payload: Payload, values: list[str]) -> Payload:
    """Return the payload with other attempt IDs, and all else to the letter."""
    numbered = iter(range(100))
    return replace(
        payload,
        logs=tuple(
            tuple(
                (name, values[next(numbered) % len(values)])
                if payload.is_attempt(name, value)
                else (name, value)
                for name, value in log
            )
            for log in payload.logs
        ),
    )


@few
@given(
    payload=payloads,
    values=st.lists(scalar_spellings, min_size=1, max_size=4),
    has_copy=st.booleans(),
)
def test_any_change_of_attempt_ids_keeps_the_identity(
    payload: Payload, values: list[str], has_copy: bool
) -> None:
    """A retry is believed to differ in nothing else, a copy of the first included."""
    if has_copy:
        copy = ('"Copy"', payload.spell_logs())
        payload = replace(payload, after=(*payload.after, copy))
    retry = attempt_again(payload, values)
    # The one exception, documented: the same list, letter by letter, before it.
    assume(not payload.has_earlier_copy() and not retry.has_earlier_copy())

    assert identify(payload.spell()) == identify(retry.spell())


@st.composite
def _changed(draw: st.DrawFn, payload: Payload) -> Payload:
    """Draw a payload that may differ from another one in a single part."""
    part = draw(
        st.sampled_from(["before", "meta", "after", "logs", "blank", "swap", "log"])
    )
    if part == "blank":
        return replace(payload, blank=draw(st.sampled_from(["", " ", "\t"])))
    if part == "log":
        log = draw(log_spellings)
        return replace(payload, logs=(log, *payload.logs[1:]))
    if part == "swap":
        return replace(payload, before=payload.after, after=payload.before)
    if part == "logs":
        return replace(payload, logs=payload.logs[:1] * draw(st.integers(1, 3)))
    other = draw(payloads)
    return replace(payload, **{part: getattr(other, part)})


@few
@given(data=st.data(), payload=payloads)
def test_any_other_change_changes_the_identity(
    data: st.DataObject, payload: Payload
) -> None:
    """Nothing that differs in anything else is ever taken for a repeat."""
    other = data.draw(_changed(payload))
    assume(payload.spell(with_attempts=False) != other.spell(with_attempts=False))

    assert identify(payload.spell()) != identify(other.spell())


@few
@given(
    payload=payloads,
    copies=st.lists(scalar_spellings, min_size=2, max_size=2, unique=True),
    attempts=st.lists(scalar_spellings, min_size=2, max_size=2),
    name=st.sampled_from(['"Logs"', '"x"', '"Copy"']),
    is_meta=st.booleans(),
)
def test_no_copy_of_the_logs_elsewhere_hides_a_difference(
    payload: Payload,
    copies: list[str],
    attempts: list[str],
    name: str,
    is_meta: bool,
) -> None:
    """The list may stand letter by letter before its place; there it is content."""
    spelled = []
    for copied, attempt in zip(copies, attempts, strict=True):
        copy = f'[{{"AttemptID":{copied}}}]'
        if is_meta:
            copy = f'{{"Meta":{{"Logs":{copy}}}}}'
        sent = replace(
            payload,
            before=((name, copy), *payload.before),
            logs=((('"AttemptID"', attempt),),),
            blank="",
        )
        spelled.append(sent.spell())

    assert identify(spelled[0]) != identify(spelled[1])


@many
@given(members=st.lists(st.tuples(json_text, value_spellings), max_size=4))
@example([])
@example([("Meta", "{}")])
def test_any_payload_has_an_identity_of_its_own(members: list[tuple[str, str]]) -> None:
    """Without logs, or with a ``Meta`` twice, it is the hash of all that is there."""
    inner = [*((json.dumps(name), value) for name, value in members), ('"Meta"', "{}")]
    body = ("{" + ",".join(f"{name}:{value}" for name, value in inner) + "}").encode()
    longer = body[:-1] + b" }"

    assert identify(body) != identify(longer)
    assert identify(body) == hash_content(body)


def test_the_identity_is_the_same_however_deep_in_the_stack_it_is_asked_for() -> None:
    """A handler behind many frames has less left for lists in lists in lists."""

    def ask_below(frames: int, transmission: Transmission) -> str:
        if frames == 0:
            return transmission.identity
        return ask_below(frames - 1, transmission)

    body = b'{"Meta":{"Logs":[{"AttemptID":"1"}]},"x":' + b"[" * 300 + b"]" * 300 + b"}"
    frames = sys.getrecursionlimit() - len(inspect.stack(0)) - 150

    below = ask_below(frames, Transmission(body, received_at=NOW))

    assert below == identify(body)


# Answers.


@few
@given(
    data_model=json_text,
    event_type=json_text,
    case=st.sampled_from(["Query", "query", "QUERY", "Que ry"]),
    fields=metas,
    payload=json_objects,
    own=st.one_of(st.none(), json_objects),
)
def test_any_reply_is_encodable(
    *,
    data_model: str,
    event_type: str,
    case: str,
    fields: dict[str, Any],
    payload: dict[str, Any],
    own: dict[str, Any] | None,
) -> None:
    """Whatever the query said, its answer is JSON with the right ``Meta``."""
    names = {"DataModel": data_model, "EventType": event_type + case}
    body = encode_value({"Meta": {**fields, **names}})
    query = Transmission(body, received_at=NOW)

    reply = query.reply({**payload, "Meta": own})
    errors = query.reply_errors("first", "second")

    decoded = json.loads(json.dumps(reply, allow_nan=False).encode("ascii"))
    meta = {"DataModel": data_model, "EventType": query.response_event_type}
    assert {**meta, **(own or {})}.items() <= decoded["Meta"].items()
    assert {k: v for k, v in decoded.items() if k != "Meta"} == {
        k: v for k, v in payload.items() if k != "Meta"
    }
    assert [e["ID"] for e in json.loads(json.dumps(errors))["Meta"]["Errors"]] == [1, 2]


@few
@given(event_type=json_text, data_model=json_text)
def test_any_query_is_answered_even_if_nobody_handles_it(
    event_type: str, data_model: str
) -> None:
    """The asker reads why; no name of an event makes a 5xx of it."""
    receiver = Receiver("one token")
    meta = {"DataModel": data_model, "EventType": event_type + "Query"}
    body = encode_value({"Meta": meta})

    reply = receiver.answer(
        {
            "HTTP_VERIFICATION_TOKEN": TOKEN,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }
    )

    check_form(reply)
    assert reply.headers["content-type"] == "application/json"


# Queries, verification and headers.

_query_text = st.one_of(
    latin1_text,
    st.lists(
        st.one_of(
            st.sampled_from(["challenge", "%63hallenge", "&challenge="]),
            st.sampled_from(["verification-token", "VERIFICATION%2dToken"]),
            st.sampled_from(["=", "&", "%", "+", "a", "%zz", "\xff", ";", "#", "?"]),
        ),
        max_size=12,
    ).map("".join),
)


@st.composite
def _token_pairs(draw: st.DrawFn) -> list[tuple[str, bool]]:
    """Draw parameters, and for each whether it is a token."""
    pairs = []
    for is_token in draw(st.lists(st.booleans(), min_size=1, max_size=5)):
        if not is_token:
            pair = draw(st.text("abc=%20+;-", max_size=12))
            pairs.append((pair, False))
            continue
        name = "".join(
            draw(
                st.sampled_from(
                    [c, c.upper(), f"%{ord(c):02x}", f"%{ord(c.upper()):02X}"]
                )
            )
            for c in "verification-token"
        )
        value = draw(st.text(st.characters(codec="latin-1", exclude_characters="&")))
        pairs.append((f"{name}=s3cr3t{value}", True))
    return pairs


@many
@given(pairs=_token_pairs())
def test_no_value_of_a_token_survives_in_a_blanked_query(
    pairs: list[tuple[str, bool]],
) -> None:
    """However its name is written; what is no token stays to the letter."""
    blanked = blank_tokens("&".join(pair for pair, _ in pairs))

    assert "s3cr3t" not in blanked
    for (pair, is_token), left in zip(pairs, blanked.split("&"), strict=True):
        assert left == (pair.partition("=")[0] + "=***" if is_token else pair)


@many
@given(query=_query_text)
def test_any_blanked_query_says_the_same_but_for_the_tokens(query: str) -> None:
    """Names and order stay, and it can be done twice."""
    blanked = blank_tokens(query)

    assert blank_tokens(blanked) == blanked
    for name, value in parse_qsl(blanked, keep_blank_values=True):
        assert name.lower() != "verification-token" or value == "***"
    rest = [
        pair
        for pair in parse_qsl(query, keep_blank_values=True)
        if pair[0].lower() != "verification-token"
    ]
    assert rest == [
        pair
        for pair in parse_qsl(blanked, keep_blank_values=True)
        if pair[0].lower() != "verification-token"
    ]


@many
@given(query=_query_text)
def test_any_query_is_read_as_the_standard_library_reads_it(query: str) -> None:
    """A token is kept in every form in which it may be meant."""
    pairs = parse_qsl(query, keep_blank_values=True)
    challenges = [value for name, value in pairs if name == "challenge"]
    tokens = [value for name, value in pairs if name == "verification-token"]

    verification = parse_query(query)

    if verification is None:
        assert challenges == []
        return
    assert verification.challenge == " ".join(challenges)
    assert len(verification.tokens) == len(tokens)
    for forms, token in zip(verification.tokens, tokens, strict=True):
        assert token in {unquote_plus(forms[0]), *forms}


_challenge_bodies = st.builds(
    lambda known, more: {**more, **known},
    st.fixed_dictionaries(
        {},
        optional={
            "challenge": st.one_of(json_text, json_values),
            "verification-token": st.one_of(json_text, json_scalars),
            "Meta": json_values,
            "resourceType": json_values,
        },
    ),
    json_objects,
)


@many
@given(value=st.one_of(_challenge_bodies, json_values), compact=st.booleans())
def test_any_json_is_a_verification_only_if_it_is_a_bare_challenge(
    value: Any, compact: bool
) -> None:
    """With a ``Meta`` or a ``resourceType`` of whatever value it is a transmission."""
    body = encode_value(value, compact=compact)
    # Half a surrogate pair is no challenge and no token that anybody sends.
    assume(rb"\ud" not in body)

    verification = parse_body(body)

    is_bare = (
        isinstance(value, dict)
        and isinstance(value.get("challenge"), str)
        and not {"Meta", "resourceType"} & set(value)
    )
    assert (verification is not None) == is_bare
    if verification is not None:
        assert verification.challenge == value["challenge"]
        assert len(verification.tokens) == ("verification-token" in value)


@many
@given(body=odd_bodies(), at=st.integers(0, 60))
def test_no_bytes_make_the_reading_of_a_challenge_raise(body: bytes, at: int) -> None:
    """A stranger's body is read here, before anybody is proved."""
    for sent in (body, b'{"challenge":' + body + b"}", body[:at] + b'"challenge"'):
        verification = parse_body(sent)

        if verification is not None:
            assert b"challenge" in sent or b"\\u" in sent
            assert len(sent) <= 4096


@many
@given(value=st.one_of(latin1_text, latin1_text.map("bearer {}".format)))
def test_any_authorization_is_a_word_or_nothing_or_refused(value: str) -> None:
    """Nothing else comes of it, and no other exception."""
    request = Request(build_environ(headers={"authorization": value}))

    token = refusal = None
    try:
        token = request.bearer_token()
    except AuthenticationFailed as error:
        refusal = error.code

    assert refusal in (None, "malformed-credentials")
    assert refusal is None or value.lower().startswith("bearer")
    assert token is None or re.fullmatch(r"[!-+\--~]+", token)
    assert token is None or value.endswith(token)


@few
@given(
    token=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))),
    scheme=st.sampled_from(["Bearer", "bearer", "BEARER", "bEARer"]),
    blanks=st.integers(1, 9),
)
def test_any_bearer_token_is_read_back(token: str, scheme: str, blanks: int) -> None:
    """The scheme in any case, then one blank or more."""
    assume(token and "," not in token)
    value = scheme + " " * blanks + token

    assert (
        Request(build_environ(headers={"authorization": value})).bearer_token() == token
    )


def test_the_key_is_no_verification_token() -> None:
    """Otherwise the labels above would say nothing."""
    assert len({KEY, TOKEN, OLD_TOKEN}) == 3

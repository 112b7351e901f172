"""A destination: what must not be built, and what is not seen on the wire.

The decision table itself is in ``test_contract.py``.
"""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from typing import Any

import pytest

from redox_wsgi import (
    AllOf,
    AnyOf,
    AuthenticationFailed,
    ConfigurationError,
    DeliveryFailed,
    Destination,
    HandlerFailed,
    InsufficientScope,
    MalformedRequest,
    Outcome,
    Principal,
    Request,
    Response,
    Transmission,
    VerificationToken,
)
from tests.support.builders import (
    NOTIFICATION,
    OLD_TOKEN,
    TOKEN,
    Received,
    build_application,
)
from tests.support.wsgi import build_environ, send

HEADERS = {"verification-token": TOKEN}


class Refusing:
    """An authenticator whose refusal bears a status of its own."""

    def __init__(self, status: int) -> None:
        self.status = status

    def authenticate(self, request: Request) -> Principal:
        """Refuse."""
        failure = AuthenticationFailed("odd", error='a "word"')
        failure.status = self.status
        raise failure


class Proved:
    """An authenticator that accepts everything, for what comes after it."""

    def authenticate(self, request: Request) -> Principal:
        """Accept."""
        return Principal("proved", "anyone")


@pytest.mark.parametrize(
    ("settings", "cure"),
    [
        ({}, "at least one of them"),
        ({"verification_token": None}, "at least one of them"),
        ({"verification_token": ""}, "empty"),
        ({"verification_token": "   "}, "white space"),
        ({"verification_token": "a,b"}, "comma"),
        ({"verification_token": []}, "No verification token"),
        ({"verification_token": [TOKEN, ""]}, "index 1"),
        ({"authenticator": TOKEN}, "authenticate"),
        ({"authenticator": VerificationToken}, "object"),
        ({"handler": "receive"}, "callable"),
        ({"name": "a|b"}, "'|'"),
        ({"name": "a*"}, "'*'"),
        ({"name": "\ud800"}, "visible text"),
        ({"name": ""}, "visible text"),
        ({"name": "a b"}, "visible text"),
        ({"name": 5}, "visible text"),
        ({"require_https": "no"}, "True or False"),
        ({"now": "x"}, "callable"),
        ({"max_body_bytes": 4095}, "4096"),
        ({"max_body_bytes": "1"}, "4096"),
        ({"max_body_bytes": True}, "4096"),
        ({"observer": 3}, "Outcome"),
        (
            {
                "authenticator": AnyOf(
                    VerificationToken(TOKEN), VerificationToken(OLD_TOKEN)
                )
            },
            "list of all tokens",
        ),
    ],
)
def test_a_wrong_setting_stops_at_construction(settings: Any, cure: str) -> None:
    """With a sentence that says how to mend it; never for a request at night."""
    default = (
        {"verification_token": TOKEN}
        if len(settings)
        and not ({"verification_token", "authenticator"} & set(settings))
        else {}
    )
    arguments = {"handler": print, **default, **settings}

    with pytest.raises(ConfigurationError, match=cure.replace("|", r"\|")):
        Destination(**arguments)


def test_the_smallest_limit_holds_a_verification() -> None:
    """Below it, the destination could not even be verified."""
    assert Destination(print, verification_token=TOKEN, max_body_bytes=4096)


def test_the_default_limit_takes_the_largest_file_of_redox() -> None:
    """30 MB as base64."""
    destination = Destination(print, verification_token=TOKEN)

    assert destination.max_body_bytes == 50 * 1024 * 1024


def test_a_transmission_has_what_the_request_had(received: Received) -> None:
    """The inbox stores all of it, so that a worker sees what a handler sees."""
    moment = datetime(2026, 1, 31, tzinfo=UTC)
    application = build_application(received, now=lambda: moment)

    send(
        application,
        body=NOTIFICATION,
        headers={**HEADERS, "content-type": "application/fhir+json"},
    )

    [transmission] = received
    assert transmission.body == NOTIFICATION
    assert transmission.content_type == "application/fhir+json"
    assert transmission.received_at == moment
    assert transmission.principal == Principal("verification-token", "0")
    assert transmission.destination == "/redox"


def test_the_time_of_arrival_is_aware_and_in_utc(received: Received) -> None:
    """A naive time would mean another moment on another machine."""
    send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert received[0].received_at.tzinfo is UTC


def test_a_name_replaces_the_path(received: Received) -> None:
    """A path may change; a subscription's name must not."""
    application = build_application(received, name="ward-east")

    send(application, body=NOTIFICATION, headers=HEADERS)

    assert received[0].subscription.startswith("ward-east|")


def test_a_destination_without_a_middleware_has_a_name() -> None:
    """It can be asked directly, without WSGI around it."""
    received = Received()
    destination = Destination(received, verification_token=TOKEN)
    request = Request(build_environ(body=NOTIFICATION, headers=HEADERS))

    answer = destination.respond(request)

    assert isinstance(answer, Response)
    assert received[0].destination == "-"


def test_with_name_leaves_the_original_alone() -> None:
    """One destination may stand in two mappings."""
    destination = Destination(print, verification_token=TOKEN)

    named = destination.with_name("/here")

    assert (destination.name, named.name) == (None, "/here")


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("x"),
        AuthenticationFailed("x"),
        MalformedRequest("x"),
        ConfigurationError("x"),
        RecursionError(),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "x"),
        HandlerFailed("x"),
    ],
    ids=repr,
)
def test_whatever_a_handler_raises_is_our_failure(
    received: Received, raised: Exception
) -> None:
    """Even what means "the sender erred" elsewhere: after authentication nobody did."""
    received.reply = raised

    reply = send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert (reply.status, reply.body) == (500, b'{"error":"handler_failed"}')
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_process_ends_it(
    received: Received, raised: type[BaseException]
) -> None:
    """Gunicorn stops a worker that hangs by SystemExit."""
    received.reply = raised()

    with pytest.raises(raised):
        send(build_application(received), body=NOTIFICATION, headers=HEADERS)


@pytest.mark.parametrize("status", [200, 302, 404, 600])
def test_a_failure_of_the_users_own_is_a_server_error(
    received: Received, status: int
) -> None:
    """A subclass must not turn a lost transmission into a 200."""

    class Odd(DeliveryFailed):
        pass

    Odd.status = status
    received.reply = Odd("odd")

    reply = send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert reply.status == 503


@pytest.mark.parametrize(
    ("status", "answered"),
    [(200, 401), (302, 401), (399, 401), (400, 400), (499, 499), (500, 401)],
)
def test_a_refusal_of_the_users_own_is_a_client_error(
    received: Received, status: int, answered: int
) -> None:
    """A subclass must not turn a refusal into a 200, nor blame ourselves."""
    application = build_application(received, authenticator=Refusing(status))

    reply = send(application, body=NOTIFICATION)

    assert (reply.status, reply.body) == (answered, b'{"error":"a \\"word\\""}')
    assert received == []


def test_a_failure_of_the_users_own_may_choose_its_status(received: Received) -> None:
    """Redox treats every 5xx alike; people may not."""

    class Full(DeliveryFailed):
        status = 507
        error = "full"

    received.reply = Full()

    reply = send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert (reply.status, reply.body) == (507, b'{"error":"full"}')


def test_a_refused_body_is_not_read() -> None:
    """Strangers feed no parser and fill no memory."""
    for headers, length in (({"verification-token": "x"}, 0), ({}, 5000)):
        environ = build_environ(body=b"x" * (length or 100), headers=headers)

        Destination(print, verification_token=TOKEN).respond(Request(environ))

        assert environ["wsgi.input"].tell() == 0


def test_a_stranger_is_read_to_the_limit_of_a_verification_only() -> None:
    """Chunked, so that nothing announces the length."""
    environ = build_environ(headers={"transfer-encoding": "chunked"})
    environ["wsgi.input_terminated"] = True
    environ["wsgi.input"].write(b"x" * 1_000_000)
    environ["wsgi.input"].seek(0)

    answer = Destination(print, verification_token=TOKEN).respond(Request(environ))

    assert isinstance(answer, Response)
    assert answer.status == 401
    assert environ["wsgi.input"].tell() <= 4097


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": f"Bearer {OLD_TOKEN}"}, 200),
        ({"authorization": f"Bearer {TOKEN}"}, 401),
        ({"verification-token": TOKEN}, 401),
        ({"verification-token": OLD_TOKEN}, 401),
        ({}, 401),
    ],
)
def test_an_authenticator_decides_even_if_it_is_of_the_same_kind(
    received: Received, headers: dict[str, str], status: int
) -> None:
    """The token beside it may be absent, but does not stand in for it."""
    application = build_application(
        received, authenticator=VerificationToken(OLD_TOKEN)
    )

    reply = send(application, body=NOTIFICATION, headers=headers)

    assert (reply.status, len(received)) == (status, int(status == 200))


def test_guard_mode_returns_the_transmission() -> None:
    """The wrapped application answers it."""
    destination = Destination(None, verification_token=TOKEN)
    request = Request(build_environ(body=NOTIFICATION, headers=HEADERS))

    assert isinstance(destination.respond(request), Transmission)


def test_an_authenticator_that_reads_the_body_shares_it(received: Received) -> None:
    """A signature covers it; wsgi.input can be read once."""

    class Signed:
        def authenticate(self, request: Request) -> Principal:
            return Principal("signed", str(len(request.body())))

    application = build_application(received, authenticator=Signed())

    assert send(application, body=NOTIFICATION).status == 200
    assert received[0].body == NOTIFICATION


def test_a_lone_verification_token_is_the_verification_token(
    received: Received,
) -> None:
    """Given either way, both headers must be right."""
    application = build_application(
        received,
        verification_token=None,
        authenticator=VerificationToken(TOKEN),
    )
    headers = {"verification-token": TOKEN, "authorization": "Bearer wrong"}

    assert send(application, body=NOTIFICATION, headers=headers).status == 401
    assert send(application, body=NOTIFICATION, headers=HEADERS).status == 200


def test_a_token_beside_a_combination_is_checked_in_its_header(
    received: Received,
) -> None:
    """Present and wrong is refused, whatever the credential says."""
    application = build_application(
        received, verification_token=None, authenticator=AllOf(Proved())
    )
    guarded = build_application(received, authenticator=AllOf(Proved()))

    wrong = {"verification-token": "wrong"}
    assert send(application, body=NOTIFICATION, headers=wrong).status == 200
    assert send(guarded, body=NOTIFICATION, headers=wrong).status == 401
    assert send(guarded, body=NOTIFICATION).status == 200


def test_https_is_required_and_enough(received: Received) -> None:
    """As the server judges it, whatever a header says."""
    application = build_application(received, require_https=True)

    for scheme, forwarded in (("http", "https"), ("https", "http")):
        send(
            application,
            body=NOTIFICATION,
            headers={**HEADERS, "x-forwarded-proto": forwarded},
            **{"wsgi.url_scheme": scheme},
        )

    assert len(received) == 1


def test_a_destination_with_a_name_is_reported_by_it(received: Received) -> None:
    """Whether it stands in a mapping or is asked directly."""
    outcomes: list[Outcome] = []
    named = build_application(received, name="ward-east", observer=outcomes.append)
    unnamed = Destination(received, verification_token=TOKEN, observer=outcomes.append)

    send(named, body=NOTIFICATION, headers=HEADERS)
    unnamed.respond(Request(build_environ(body=NOTIFICATION, headers=HEADERS)))

    assert [outcome.destination for outcome in outcomes] == ["ward-east", "-"]


@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_a_request_that_failed_leaves_nothing_in_memory(token: str) -> None:
    """An exception and its frames hold each other, and with them a patient's body."""

    def fail(transmission: Transmission) -> None:
        raise ValueError

    destination = Destination(fail, verification_token=TOKEN)
    headers = {"verification-token": token}
    gc.collect()
    gc.disable()
    try:
        destination.respond(Request(build_environ(body=NOTIFICATION, headers=headers)))

        assert gc.collect() == 0
    finally:
        gc.enable()


class Unscoped:
    """An authenticator to whom every scope is too little."""

    def __init__(self, scope: str | None) -> None:
        self.scope = scope

    def authenticate(self, request: Request) -> Principal:
        """Refuse."""
        raise InsufficientScope("missing-scope", scope=self.scope)


@pytest.mark.parametrize(
    ("scope", "challenge"),
    [
        (None, None),
        (
            "read write",
            'Bearer realm="redox", error="insufficient_scope", scope="read write"',
        ),
    ],
)
def test_who_lacks_a_scope_is_told_which_if_it_has_a_name(
    scope: str | None, challenge: str | None
) -> None:
    """Other auth strategies than Bearer tokens have no challenge to offer."""
    received = Received()
    application = build_application(
        received, verification_token=None, authenticator=Unscoped(scope)
    )
    reply = send(application, body=NOTIFICATION)

    assert (reply.status, reply.body) == (403, b'{"error":"insufficient_scope"}')
    assert reply.headers.get("www-authenticate") == challenge
    assert received == []


@pytest.mark.parametrize(
    "scope", ["", " ", "a  b", " a", "a ", 'a"b', "a\\b", "a\r\nX: y", "\xe9", 7, ["a"]]
)
def test_a_scope_that_cannot_stand_in_a_header_is_refused(scope: Any) -> None:
    """It could end the quoted text, or the header."""
    with pytest.raises(ValueError, match="single spaces"):
        InsufficientScope("missing-scope", scope=scope)

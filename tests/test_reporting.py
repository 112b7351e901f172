"""The log line and the outcome of a request."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from redox_wsgi import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    ConfigurationError,
    DeliveryFailed,
    Destination,
    Outcome,
    Principal,
    Response,
    Transmission,
)
from redox_wsgi.reporting import Reporter, describe_exception, loggable
from tests.support.builders import (
    LOG_ID,
    NOTIFICATION,
    QUERY,
    SOURCE_ID,
    TOKEN,
    Received,
    build_application,
    build_payload,
    encode,
)
from tests.support.wsgi import send

HEADERS = {"verification-token": TOKEN}
VERIFICATION = encode({"verification-token": TOKEN, "challenge": "c"})


@pytest.fixture
def outcomes() -> list[Outcome]:
    """What an observer was told."""
    return []


@pytest.fixture
def observed(received: Received, outcomes: list[Outcome]) -> Any:
    """An application with an observer."""
    return build_application(received, observer=outcomes.append)


def test_a_notification_is_reported(observed: Any, outcomes: list[Outcome]) -> None:
    """One outcome has all that may be said of it."""
    send(observed, body=NOTIFICATION, headers=HEADERS)

    [outcome] = outcomes
    assert outcome.seconds >= 0
    assert dataclasses.replace(outcome, seconds=0.0) == Outcome(
        word="received",
        status=200,
        destination="/redox",
        code=None,
        principal="verification-token:0",
        data_model="PatientAdmin",
        event_type="Arrival",
        source_id=SOURCE_ID,
        log_id=LOG_ID,
        body_bytes=len(NOTIFICATION),
        seconds=0.0,
    )


@pytest.mark.parametrize(
    ("asked", "reply", "expected"),
    [
        (
            {"method": "GET", "query": "challenge=c", "headers": HEADERS},
            None,
            ("verified", 200, None),
        ),
        ({"body": VERIFICATION}, None, ("verified", 200, None)),
        ({"body": VERIFICATION, "headers": HEADERS}, None, ("verified", 200, None)),
        ({"body": QUERY, "headers": HEADERS}, None, ("answered", 200, None)),
        ({"body": NOTIFICATION}, None, ("refused", 401, NO_CREDENTIALS)),
        (
            {"body": NOTIFICATION, "headers": {"verification-token": "x"}},
            None,
            ("refused", 401, "wrong-verification-token"),
        ),
        ({"method": "PUT"}, None, ("refused", 405, "method-not-allowed")),
        (
            {"body": NOTIFICATION, "headers": HEADERS},
            ValueError(),
            ("failed", 500, "handler-raised"),
        ),
        (
            {"body": NOTIFICATION, "headers": HEADERS},
            DeliveryFailed("disk-full"),
            ("failed", 503, "disk-full"),
        ),
        (
            {"body": NOTIFICATION, "headers": HEADERS},
            DeliveryFailed("Zoë was not stored"),
            ("failed", 503, "other"),
        ),
        (
            {"body": NOTIFICATION, "headers": HEADERS},
            DeliveryFailed(3),  # type: ignore[arg-type]
            ("failed", 503, "other"),
        ),
    ],
)
def test_each_outcome_has_its_word(
    asked: Any, reply: Any, expected: tuple[str, int, str | None]
) -> None:
    """Metrics hang on it; a word that is not ours becomes "other"."""
    outcomes: list[Outcome] = []
    received = Received()
    received.reply = reply

    send(build_application(received, observer=outcomes.append), **asked)

    [outcome] = outcomes
    assert (outcome.word, outcome.status, outcome.code) == expected


@pytest.mark.parametrize(
    ("status", "word", "level"),
    [(200, "received", "INFO"), (400, "failed", "ERROR"), (503, "failed", "ERROR")],
)
def test_a_refusal_by_the_handler_is_no_reception(
    status: int, word: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Redox pauses the subscription: who watches for "received" must notice."""
    caplog.set_level(logging.INFO, logger="redox_wsgi")
    outcomes: list[Outcome] = []
    received = Received()
    received.reply = Response(status=status)
    application = build_application(received, observer=outcomes.append)

    send(application, body=NOTIFICATION, headers=HEADERS)

    assert (outcomes[0].word, outcomes[0].code) == (word, None)
    assert caplog.records[0].levelname == level


def test_a_refusal_of_plain_http_has_its_word() -> None:
    """It is the first thing to look for behind a new proxy."""
    outcomes: list[Outcome] = []
    application = build_application(
        Received(), observer=outcomes.append, require_https=True
    )

    send(application, body=NOTIFICATION, headers=HEADERS)

    assert (outcomes[0].word, outcomes[0].code) == ("refused", "https-required")


def test_guard_mode_leaves_the_status_to_the_application(
    outcomes: list[Outcome],
) -> None:
    """It is not known yet when the transmission is handed on."""
    application = build_application(None, observer=outcomes.append)

    send(application, body=NOTIFICATION, headers=HEADERS)

    assert (outcomes[0].word, outcomes[0].status) == ("handed-on", None)


def test_names_that_are_not_harmless_are_not_repeated(
    observed: Any, outcomes: list[Outcome]
) -> None:
    """They come out of a body, where anything may stand."""
    payload = build_payload("Zoë", "New\nroot logged in")
    payload["Meta"]["Source"] = {"ID": "x" * 65}
    payload["Meta"]["Logs"] = []

    send(observed, body=encode(payload), headers=HEADERS)

    [outcome] = outcomes
    assert (outcome.data_model, outcome.event_type) == ("other", "other")
    assert (outcome.source_id, outcome.log_id) == ("other", None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Clinical Summary", "Clinical Summary"),
        ("FHIR.Event.Order", "FHIR.Event.Order"),
        ("a:b_c-9", "a:b_c-9"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "other"),
        ("", "other"),
        ("a\n", "other"),
        ("é", "other"),
        ("a=b", "other"),
        (None, None),
    ],
)
def test_a_name_is_loggable_if_it_is_short_and_plain(
    text: str | None, shown: str | None
) -> None:
    """No line can be forged, no field can be faked."""
    assert loggable(text) == shown


def test_the_log_line_says_what_happened(
    observed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One line that can be searched, at a level that can be filtered."""
    caplog.set_level(logging.INFO, logger="redox_wsgi")
    body = encode(build_payload("Clinical Summary", "PatientPush"))

    send(observed, body=body, headers=HEADERS)

    [record] = caplog.records
    line, milliseconds = record.getMessage().rsplit("=", 1)
    assert record.levelno == logging.INFO
    assert line == (
        "received 200 destination=/redox principal=verification-token:0 "
        'data_model="Clinical Summary" event_type=PatientPush '
        f"source_id={SOURCE_ID} log_id={LOG_ID} body_bytes={len(body)} milliseconds"
    )
    assert float(milliseconds) >= 0


def test_nothing_is_built_for_a_log_that_nobody_reads(
    received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    """The default level of Python's logging is WARNING."""
    caplog.set_level(logging.WARNING, logger="redox_wsgi")

    send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert caplog.records == []
    assert len(received) == 1


def test_a_handler_that_raised_is_named_by_type_and_place(
    observed: Any, received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text quotes what was wrong: a patient's data."""
    received.reply = ValueError("Zoë Łukasiewicz, 101-01-0001")

    send(observed, body=NOTIFICATION, headers=HEADERS)

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is None
    message = record.getMessage()
    assert message.startswith("failed 500 handler-raised destination=/redox")
    assert 'raised="builtins.ValueError < ' in message
    assert "builders.py:" in message
    assert "__call__" in message
    assert "Zoë" not in message


def test_the_cause_of_a_delivery_that_failed_is_named(
    observed: Any, received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    """That is what the person on call wants to know."""

    def fail(_: Any) -> None:
        try:
            raise OSError(28, "canary")
        except OSError as error:
            raise DeliveryFailed("disk-full") from error

    received.reply = fail

    send(observed, body=NOTIFICATION, headers=HEADERS)

    assert "failed 503 disk-full" in caplog.text
    assert "builtins.OSError" in caplog.text
    assert "canary" not in caplog.text


def test_a_deep_traceback_is_cut_to_its_innermost_frames() -> None:
    """A recursion would fill the log."""

    def dive(depth: int) -> None:
        if depth == 0:
            raise KeyError
        dive(depth - 1)

    with pytest.raises(KeyError) as caught:
        dive(50)

    places = describe_exception(caught.value).split(" < ")
    assert places[0] == "builtins.KeyError"
    assert len(places) == 11
    assert {place.rsplit(" ", 1)[1] for place in places[1:]} == {"dive"}


def test_a_traceback_begins_where_the_users_code_does(
    received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever reads it at night looks for a line of their own."""

    def fail(transmission: Transmission) -> None:
        raise KeyError

    received.reply = fail
    send(build_application(received), body=NOTIFICATION, headers=HEADERS)

    assert "reporting.py:" in caplog.text
    assert "destination.py:" not in caplog.text


def test_a_traceback_of_this_package_alone_is_whole() -> None:
    """What fails here must be found here."""
    with pytest.raises(ConfigurationError) as caught:
        Destination(None)
    error = caught.value.with_traceback(caught.tb.tb_next)

    assert describe_exception(error).endswith(" __init__")


def test_an_observer_that_raises_changes_no_answer(
    received: Received, caplog: pytest.LogCaptureFixture
) -> None:
    """It watches; it must not stop a feed."""

    def observe(outcome: Outcome) -> None:
        raise ValueError("canary")

    application = build_application(received, observer=observe)

    assert send(application, body=NOTIFICATION, headers=HEADERS).status == 200
    assert "The observer raised builtins.ValueError" in caplog.text
    assert "canary" not in caplog.text


def refuse(reporter: Reporter, code: str, principal: Principal | None = None) -> None:
    """Report a refusal."""
    progress = reporter.begin()
    progress.principal = principal
    reporter.end(progress, 401, AuthenticationFailed(code))


def test_a_stranger_cannot_fill_the_log_with_warnings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One warning of each kind in ten seconds; the rest is INFO, one line each."""
    caplog.set_level(logging.INFO, logger="redox_wsgi")
    clock = [0.0]
    reporter = Reporter("/redox", None, timer=lambda: clock[0])

    for now in (0.0, 0.1, 9.9, 10.0, 10.1):
        clock[0] = now
        refuse(reporter, "wrong-verification-token")
    refuse(reporter, NO_CREDENTIALS)

    assert [record.levelname for record in caplog.records] == [
        "WARNING",
        "INFO",
        "INFO",
        "WARNING",
        "INFO",
        "WARNING",
    ]


def test_kinds_of_refusals_take_bounded_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An authenticator of the user's own may raise any word."""
    reporter = Reporter("/redox", None, timer=lambda: 0.0)

    for number in range(250):
        refuse(reporter, f"code-{number}")

    assert len(caplog.records) == 250
    assert len(reporter._quiet_until) <= 100


def test_a_known_sender_is_always_heard(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal after authentication stops a feed: each one is a warning."""
    reporter = Reporter("/redox", None, timer=lambda: 0.0)

    for _ in range(3):
        refuse(reporter, "body-too-large", Principal("verification-token", "0"))

    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_the_subject_of_another_credential_is_not_logged(
    outcomes: list[Outcome],
) -> None:
    """It is text out of a token; the label of a verification token is ours."""

    class Credential:
        def authenticate(self, request: Any) -> Principal:
            return Principal("jwt", "canary")

    application = build_application(
        Received(), observer=outcomes.append, authenticator=Credential()
    )

    send(application, body=NOTIFICATION)

    assert outcomes[0].principal == "jwt"

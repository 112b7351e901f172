"""A handler that uses Django's database outside of Django's request cycle."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django import conf
from django.db import connection, connections

from redox_wsgi import ConfigurationError, Destination, RedoxMiddleware, Transmission
from redox_wsgi.contrib.django import with_database_connections
from tests.support.builders import NOTIFICATION, TOKEN, Received
from tests.support.django_app import build_django
from tests.support.wsgi import send

HEADERS = {"verification-token": TOKEN}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[None]:
    """A database file behind Django's default connection."""
    build_django()
    before = {**connection.settings_dict}
    connection.close()
    connection.settings_dict.update(NAME=str(tmp_path / "db.sqlite3"), CONN_MAX_AGE=0)
    yield
    connection.close()
    connection.settings_dict.update(before)


def wrap(handler: Any) -> Any:
    """Put a handler in front of Django."""
    destination = Destination(
        with_database_connections(handler), verification_token=TOKEN
    )
    return RedoxMiddleware(build_django(), {"/redox": destination})


def write(transmission: Transmission) -> None:
    """Use the database, as a model does."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS seen (event TEXT)")
        cursor.execute("INSERT INTO seen VALUES (%s)", [transmission.event_type])


@pytest.mark.usefixtures("database")
def test_a_connection_is_closed_after_the_handler() -> None:
    """Django's signals do so around its own requests only."""
    application = wrap(write)

    assert send(application, body=NOTIFICATION, headers=HEADERS).status == 200

    assert connection.connection is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT event FROM seen")
        assert cursor.fetchall() == [("Arrival",)]


@pytest.mark.usefixtures("database")
def test_a_connection_is_closed_after_a_handler_that_raised() -> None:
    """A broken one would fail every later transmission of this worker."""

    def fail(transmission: Transmission) -> None:
        write(transmission)
        raise ValueError

    assert send(wrap(fail), body=NOTIFICATION, headers=HEADERS).status == 500
    assert connection.connection is None


@pytest.mark.usefixtures("database")
def test_an_old_connection_is_replaced_before_the_handler() -> None:
    """It may have been cut by the server hours ago."""
    connection.ensure_connection()
    old = connection.connection
    connection.close_at = 0
    seen: list[Any] = []

    def look(transmission: Transmission) -> None:
        write(transmission)
        seen.append(connection.connection)

    send(wrap(look), body=NOTIFICATION, headers=HEADERS)

    assert seen[0] is not old


@pytest.mark.usefixtures("database")
def test_queries_are_not_collected_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """With DEBUG on, Django keeps them until its next request starts."""
    monkeypatch.setattr(conf.settings, "DEBUG", True)
    connection.ensure_connection()
    connections["default"].queries_log.append({"sql": "SELECT 'old'", "time": "0"})
    counts: list[int] = []

    def count(transmission: Transmission) -> None:
        counts.append(len(connection.queries_log))

    send(wrap(count), body=NOTIFICATION, headers=HEADERS)

    assert counts == [0]


@pytest.mark.usefixtures("database")
def test_the_wrapped_handler_is_given_the_transmission_and_answers() -> None:
    """A router or any other object that can be called may be wrapped."""
    received = Received()
    received.reply = {"seen": 1}

    reply = send(wrap(received), body=NOTIFICATION, headers=HEADERS)

    assert (reply.status, reply.body) == (200, b'{"seen": 1}')
    assert received[0].body == NOTIFICATION


def test_only_a_handler_is_wrapped() -> None:
    """Or the mistake would show for the first transmission only."""

    async def receive(transmission: Transmission) -> None:
        """Never run."""

    wrong: list[Any] = [None, receive]
    for handler in wrong:
        with pytest.raises(ConfigurationError, match="handler"):
            with_database_connections(handler)


def test_without_django_the_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is no dependency of the package."""
    monkeypatch.setitem(sys.modules, "django.db", None)

    with pytest.raises(ConfigurationError, match="pip install django"):
        with_database_connections(print)

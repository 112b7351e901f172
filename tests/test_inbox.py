"""The inbox as the handler of a destination: 200 means kept, on every store."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import (
    ConfigurationError,
    Destination,
    InboxUnavailable,
    Principal,
    Router,
    Transmission,
)
from redox_wsgi.inbox import Inbox, Selection, State
from redox_wsgi.inbox.encryption import Sealer, build_encryption_key
from redox_wsgi.inbox.entry import Arrival
from redox_wsgi.inbox.lane import build_label
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.meta import Meta
from tests.support.builders import (
    LOG_ID,
    NOTIFICATION,
    QUERY,
    SOURCE_ID,
    TOKEN,
    build_application,
    build_payload,
    encode,
)
from tests.support.leaks import build_patient, find
from tests.support.stores import utc_now
from tests.support.wsgi import Reply, send

HEADERS = {"verification-token": TOKEN}


@pytest.fixture
def inbox(inbox_url: str) -> Iterator[Inbox]:
    inbox = Inbox(inbox_url)
    yield inbox
    inbox.close()


def post(handler: Any, body: bytes = NOTIFICATION, **settings: Any) -> Reply:
    return send(build_application(handler, **settings), body=body, headers=HEADERS)


def build_transmission(body: bytes = NOTIFICATION, **more: Any) -> Transmission:
    return Transmission(body, received_at=utc_now(), **more)


def claim_and_read(inbox: Inbox) -> Transmission:
    claim = inbox.store.claim(secrets.token_hex(8), 60.0)
    assert claim is not None
    return inbox.read(claim)


def test_a_notification_is_kept_and_answered_200(inbox: Inbox) -> None:
    """Redox sends the next one; ours is in the store."""
    reply = post(inbox)

    assert (reply.status, reply.body) == (200, b"")
    (record,) = inbox.store.find_entries(Selection())
    assert record.lane == f"/redox|{SOURCE_ID}|patientadmin"
    assert (record.data_model, record.event_type) == ("PatientAdmin", "Arrival")
    assert record.log_id == LOG_ID
    assert record.state is State.WAITING


def test_a_repeat_with_a_new_attempt_id_is_kept_once(inbox: Inbox) -> None:
    """Redox's retry differs in nothing else; it is a quiet 200."""
    payload = build_payload()
    post(inbox, encode(payload))
    payload["Meta"]["Logs"][0]["AttemptID"] = "another"

    assert post(inbox, encode(payload)).status == 200
    (record,) = inbox.store.find_entries(Selection())
    assert record.repeats == 1


@pytest.mark.parametrize(
    "body",
    [
        NOTIFICATION,
        b"",
        b"\xff\x00 no JSON",
        b'{"resourceType": "Bundle"}',
        encode(build_payload("Clinical Summary", "PatientPush")),
        encode(build_payload("Zo\u00eb's model|\u0000", "\u0000")),
        b'{"Meta": {"DataModel": "\\ud83d", "EventType": "\\u0000", '
        b'"Source": {"ID": "a|b\\u0000\\ud83d"}, "Logs": [{"ID": "\\u0000"}]}}',
        b'{"Meta": {"DataModel": "%b", "EventType": "x"}}' % (b"x" * 100_000),
    ],
    ids=[
        "Redox",
        "empty",
        "noise",
        "FHIR",
        "blanks",
        "signs",
        "half a surrogate pair and NUL",
        "long",
    ],
)
def test_what_a_worker_reads_equals_what_was_put(inbox: Inbox, body: bytes) -> None:
    """Whatever it is: content is no reason to refuse, nor to change it."""
    principal = Principal("jwt", "client-\u00eb", frozenset({"b", "a"}))
    put = build_transmission(
        body,
        content_type="application/json; charset=utf-8",
        principal=principal,
        destination="/r\u00ebdox",
    )
    assert inbox(put) is None

    read = claim_and_read(inbox)
    assert read.body == put.body
    assert read.identity == put.identity
    assert read.subscription == put.subscription
    assert read.content_type == put.content_type
    assert read.principal == put.principal
    assert read.destination == put.destination
    # PostgreSQL and SQLite keep a moment to the millisecond or better.
    assert abs((read.received_at - put.received_at).total_seconds()) < 0.0011
    assert (read.entry, read.attempt) == (None, 1)


def test_an_entry_is_read_by_its_number(inbox: Inbox) -> None:
    """Whoever it was handed on to needs no body in a message of a broker."""
    inbox(build_transmission())
    (record,) = inbox.store.find_entries(Selection())

    assert inbox.read_entry(record.id).body == NOTIFICATION


def test_an_entry_without_a_body_is_not_read(inbox: Inbox) -> None:
    """It never was, or it is pruned: both are said in one way."""
    inbox(build_transmission())
    claim = inbox.store.claim("token", 60.0)
    assert claim is not None
    inbox.store.complete(claim)
    inbox.store.prune(State.DONE, utc_now() + timedelta(days=1))

    for number in (claim.entry_id, 10**9):
        with pytest.raises(BodyDamaged, match="body-missing"):
            inbox.read_entry(number)


def test_a_transmission_without_a_principal_is_read_without_one(inbox: Inbox) -> None:
    """As a test may build it."""
    inbox(build_transmission())

    read = claim_and_read(inbox)
    assert (read.principal, read.content_type) == (None, None)


@pytest.mark.parametrize("content_type", ["x" * 300, "text/\u00ebxample", "a\nb", ""])
def test_a_strange_content_type_is_not_kept(inbox: Inbox, content_type: str) -> None:
    """No header is kept but this one, and only if it looks like one."""
    inbox(build_transmission(content_type=content_type))

    assert claim_and_read(inbox).content_type is None


def test_two_sources_are_two_lanes(inbox: Inbox) -> None:
    """Order is promised within a subscription, and only there."""
    for source in ("a", "b"):
        payload = build_payload()
        payload["Meta"]["Source"]["ID"] = source
        post(inbox, encode(payload))

    lanes = [lane.key for lane in inbox.stats().lanes]
    assert sorted(lanes) == ["/redox|a|patientadmin", "/redox|b|patientadmin"]


@pytest.mark.parametrize("name", ["Source", "DataModel", "EventType"])
def test_a_name_without_end_takes_no_memory_for_long(name: str) -> None:
    """What is remembered of a few subscriptions shall not be somebody's megabytes."""

    def label(number: int) -> None:
        text = f"{number:09}" * 1_000
        value = {"ID": text} if name == "Source" else text
        build_label("/redox", Meta({name: value}))

    label(0)
    tracemalloc.start()
    try:
        for number in range(1, 300):
            label(number)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 1_000_000


def test_a_query_is_kept_dead_and_its_asker_told(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty 200 would be taken for an answer; a refusal would stop a feed."""
    with caplog.at_level(logging.INFO):
        reply = post(inbox, QUERY)

    assert reply.status == 200
    meta = json.loads(reply.body)["Meta"]
    assert meta["EventType"] == "Response"
    assert meta["Errors"][0]["Text"]
    (record,) = inbox.store.find_entries(Selection())
    assert (record.state, record.error) == (State.DEAD, "unanswered query")
    errors = [line for line in caplog.records if line.levelno == logging.ERROR]
    assert "Router" in errors[0].getMessage()


def test_behind_a_router_only_what_nobody_answers_is_kept(inbox: Inbox) -> None:
    """The form to wire it: one URL receives notifications and queries."""
    router = Router()
    router.on("PatientSearch", "Query")(lambda query: query.reply({"Patient": {}}))
    router.otherwise(inbox)

    assert b"Patient" in post(router, QUERY).body
    assert post(router, NOTIFICATION).body == b""
    assert inbox.stats().waiting == 1
    assert inbox.stats().dead == 0


class _Broken:
    def put(self, arrival: Arrival) -> None:
        raise InboxUnavailable("disk-full")


def test_a_store_that_fails_is_a_503(caplog: pytest.LogCaptureFixture) -> None:
    """Not kept, so Redox shall send it again."""
    inbox = Inbox("memory://")
    inbox.store = _Broken()  # type: ignore[assignment]
    reply = post(inbox)

    assert reply.status == 503
    assert reply.headers["retry-after"] == "10"
    assert json.loads(reply.body) == {"error": "temporarily_unavailable"}
    assert "disk-full" in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "inbox.db",
        "mysql://host/db",
        "sqlite://",
        "sqlite:///",
        "sqlite://inbox.db",
        "sqlite:///inbox.db?mode=ro",
        "sqlite:///in\0box.db",
        None,
        7,
    ],
)
def test_a_url_that_names_no_store_is_a_configuration_error(url: Any) -> None:
    """When the application starts, not when the first transmission comes."""
    with pytest.raises(ConfigurationError, match="inbox"):
        Inbox(url)


def test_only_postgresql_notifies() -> None:
    """Elsewhere there is nobody who could."""
    with pytest.raises(ConfigurationError, match="notify"):
        Inbox("memory://", notify=True)


@pytest.mark.postgres
def test_postgresql_notifies_on_request(postgresql_url: str) -> None:
    """A worker that waits is woken by the put of another process."""
    inbox, other = (
        Inbox(postgresql_url, notify=True),
        Inbox(postgresql_url, notify=True),
    )
    inbox.store.wait(0.01)
    putting = threading.Timer(0.2, other, [build_transmission()])
    putting.start()
    # Far longer than the test may take: only the notification ends it.
    inbox.store.wait(600.0)
    putting.join()

    assert claim_and_read(inbox).body == NOTIFICATION
    inbox.close()
    other.close()


def test_its_repr_shows_no_url() -> None:
    """A URL may hold a password."""
    inbox = Inbox("postgresql://user:pa55word-canary@127.0.0.1:1/database")

    assert "pa55word" not in repr(inbox)
    assert "Inbox" in repr(inbox)


class TestEncryption:
    @pytest.fixture
    def keys(self) -> list[str]:
        return [build_encryption_key()]

    def test_what_is_stored_is_unreadable(self, inbox_url: str, keys: Any) -> None:
        """And what a worker reads is what was put."""
        inbox = Inbox(inbox_url, encryption_keys=keys)
        inbox(build_transmission(build_patient()))
        (record,) = inbox.store.find_entries(Selection())
        stored = inbox.store.read_body(record.id)

        assert find(stored, record) == []
        assert len(stored) > len(build_patient())
        assert inbox.read(record).body == build_patient()
        inbox.close()

    def test_a_large_body_is_unreadable_too(self, inbox_url: str, keys: Any) -> None:
        """It stands in a file of its own in some stores."""
        body = build_patient() + b" " * (3 << 20)
        inbox = Inbox(inbox_url, encryption_keys=keys)
        inbox(build_transmission(body))
        (record,) = inbox.store.find_entries(Selection())

        assert b"Kanarienvogel" not in inbox.store.read_body(record.id)
        assert inbox.read(record).body == body
        inbox.close()

    def test_a_repeat_is_recognised_though_it_is_sealed_anew(
        self, inbox_url: str, keys: Any
    ) -> None:
        """The identity is that of the content."""
        inbox = Inbox(inbox_url, encryption_keys=keys)
        inbox(build_transmission())
        inbox(build_transmission())

        assert inbox.stats().repeats == 1
        inbox.close()

    def test_any_flipped_bit_is_detected(self, keys: Any) -> None:
        """In the head, the nonce, the text or the tag."""
        sealer = Sealer(keys)
        sealed = sealer.seal(b"body", b"entry")
        for position in range(len(sealed) * 8):
            changed = bytearray(sealed)
            changed[position // 8] ^= 1 << position % 8

            with pytest.raises(BodyDamaged):
                sealer.open(bytes(changed), b"entry")
        assert sealer.open(sealed, b"entry") == b"body"

    @pytest.mark.parametrize("length", [0, 1, 6, 7, 14, 15, 26, 27, 42])
    def test_a_cut_one_is_detected(self, keys: Any, length: int) -> None:
        """Wherever it was cut."""
        sealed = Sealer(keys).seal(b"body", b"entry")

        with pytest.raises(BodyDamaged):
            Sealer(keys).open(sealed[:length], b"entry")

    def test_the_body_of_another_entry_is_detected(self, keys: Any) -> None:
        """Two rows were exchanged by somebody who can write to the store."""
        sealer = Sealer(keys)

        with pytest.raises(BodyDamaged):
            sealer.open(sealer.seal(b"body", b"entry"), b"another entry")

    def test_keys_are_rotated_without_a_gap(self) -> None:
        """The new one in front seals, the old one still opens."""
        old, new = build_encryption_key(), build_encryption_key()
        before = Sealer([old]).seal(b"body", b"entry")
        rotated = Sealer([new, old])
        after = rotated.seal(b"body", b"entry")

        assert rotated.open(before, b"entry") == b"body"
        assert Sealer([new]).open(after, b"entry") == b"body"
        with pytest.raises(BodyDamaged, match="unknown-key"):
            Sealer([new]).open(before, b"entry")

    def test_a_body_that_was_never_sealed_is_refused(self, keys: Any) -> None:
        """Somebody else may have put it there."""
        with pytest.raises(BodyDamaged, match="not-sealed"):
            Sealer(keys).open(b"{}", b"entry")

    def test_a_reader_without_keys_is_given_nothing(
        self, tmp_path: Path, keys: Any
    ) -> None:
        """A handler would take sealed bytes for noise, and the entry would be done."""
        url = f"sqlite:///{tmp_path / 'inbox.db'}"
        writer = Inbox(url, encryption_keys=keys)
        writer(build_transmission())
        writer.close()
        reader = Inbox(url)

        with pytest.raises(BodyDamaged, match="no-key"):
            claim_and_read(reader)
        reader.close()

    def test_plain_bodies_are_read_on_request(self, keys: Any) -> None:
        """While an inbox from before the keys is emptied."""
        sealer = Sealer([*keys, "plain"])

        assert sealer.open(b"{}", b"entry") == b"{}"
        assert sealer.open(sealer.seal(b"{}", b"entry"), b"entry") == b"{}"

    @pytest.mark.parametrize(
        "keys",
        [
            [],
            ["plain"],
            [""],
            ["c2hvcnQ="],
            ["no base64 \u00eb"],
            [None],
            [b"x"],
            ["plain", "c2hvcnQ="],
            "a string",
            7,
        ],
    )
    def test_a_malformed_key_is_a_configuration_error(self, keys: Any) -> None:
        """When the application starts, without a word of the key."""
        with pytest.raises(ConfigurationError) as caught:
            Inbox("memory://", encryption_keys=keys)
        assert "c2hvcnQ" not in str(caught.value)

    def test_keys_are_shown_nowhere(self, keys: Any) -> None:
        """Neither by repr nor by pickle."""
        sealer = Sealer(keys)

        assert keys[0] not in repr(sealer)
        with pytest.raises(TypeError, match="pickled"):
            sealer.__reduce__()

    def test_two_sealed_bodies_never_look_alike(self, keys: Any) -> None:
        """A nonce is never used twice."""
        sealer = Sealer(keys)

        assert len({sealer.seal(b"body", b"entry") for _ in range(1000)}) == 1000

    def test_without_the_extra_the_error_names_it(
        self, keys: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who reads it knows what to install."""
        monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)

        with pytest.raises(ConfigurationError, match=r"redox_wsgi\[encryption\]"):
            Sealer(keys)


def test_nothing_of_a_patient_is_in_what_an_operator_lists(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the body holds it."""
    with caplog.at_level(logging.DEBUG):
        post(inbox, build_patient())
        post(inbox, build_patient())
    records = inbox.store.find_entries(Selection())

    assert records
    assert find(records, inbox.stats(), repr(inbox), *caplog.messages) == []


def test_a_destination_takes_an_inbox_as_its_handler() -> None:
    """It is callable with one transmission, as any other."""
    assert Destination(Inbox("memory://"), verification_token=TOKEN)

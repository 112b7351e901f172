"""What a store in PostgreSQL adds to the contract of every store."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.rows import dict_row

from redox_wsgi import ConfigurationError, InboxUnavailable, LostLease
from redox_wsgi.inbox import Inbox
from redox_wsgi.inbox.entry import Receipt, State
from redox_wsgi.inbox.postgresql import PostgresqlStore
from redox_wsgi.inbox.postgresql.schema import NEWEST
from redox_wsgi.inbox.store import BodyDamaged
from tests.support.arrivals import build_arrival
from tests.support.django_app import build_django
from tests.support.postgresql import open_database, run_postgresql, wait_for_a_lock

pytestmark = pytest.mark.postgres

HOUR = 3600.0
EFFECT = "CREATE TABLE effect (entry bigint)"


@pytest.fixture
def store(postgresql_url: str) -> Iterator[PostgresqlStore]:
    """A store in an empty database."""
    store = PostgresqlStore(postgresql_url)
    yield store
    store.close()


@pytest.fixture
def mine(postgresql_url: str) -> Iterator[psycopg.Connection]:
    """A connection of the handler's own, to a database with a table of its own."""
    with psycopg.connect(postgresql_url) as connection:
        connection.execute(EFFECT)
        connection.commit()
        yield connection


def count_effects(connection: psycopg.Connection) -> int:
    return len(connection.execute("SELECT FROM effect").fetchall())


def alter_database(url: str, setting: str) -> None:
    name = urlsplit(url).path[1:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET {setting}'.encode())


class TestConfiguration:
    @pytest.mark.parametrize(
        "url", ["postgresql://user:s3cret@[::1/database", "postgresql://h/d?nonsense=1"]
    )
    def test_malformed_url_is_refused_without_its_password(self, url):
        """The driver's own message would quote it."""
        with pytest.raises(ConfigurationError) as caught:
            PostgresqlStore(url)

        assert "s3cret" not in f"{caught.value!r} {caught.value}"
        assert caught.value.__suppress_context__

    def test_missing_driver_is_named_with_its_extra(self, monkeypatch):
        """The core does without it, so it may well not be there."""
        monkeypatch.setitem(sys.modules, "psycopg", None)

        with pytest.raises(ConfigurationError, match=r"redox_wsgi\[postgresql\]"):
            PostgresqlStore("postgresql:///anything")

    def test_package_is_imported_without_the_driver(self, monkeypatch):
        """Only the one who builds a store needs it."""
        monkeypatch.setitem(sys.modules, "psycopg", None)
        for name in [n for n in sys.modules if n.startswith("redox_wsgi.inbox.postg")]:
            monkeypatch.delitem(sys.modules, name)

        package = importlib.import_module("redox_wsgi.inbox.postgresql")

        assert package.PostgresqlStore is not PostgresqlStore

    def test_nothing_is_opened_before_the_first_use(self):
        """The application is built before its server forks."""
        inbox = Inbox("postgresql://nobody@/nowhere?host=/nonexistent")

        assert isinstance(inbox.store, PostgresqlStore)
        with pytest.raises(InboxUnavailable) as caught:
            inbox.stats()
        assert caught.value.code == "cannot-connect"


class TestSchema:
    def test_first_use_by_many_at_once_makes_the_tables_once(self, postgresql_url):
        """All workers of a deployment start at the same moment."""
        stores = [PostgresqlStore(postgresql_url) for _ in range(6)]
        with ThreadPoolExecutor(6) as threads:
            puts = [
                threads.submit(store.put, build_arrival(number))
                for number, store in enumerate(stores)
            ]
            receipts = [put.result() for put in puts]
        for store in stores:
            store.close()

        assert receipts == [Receipt.STORED] * 6

    def test_tables_of_a_newer_release_are_refused(self, postgresql_url, store):
        """This release does not know what their columns mean."""
        store.put(build_arrival())
        store.close()
        with psycopg.connect(postgresql_url) as connection:
            connection.execute("INSERT INTO redox_schema VALUES (%s)", [NEWEST + 1])

        with pytest.raises(ConfigurationError, match=str(NEWEST + 1)):
            store.put(build_arrival(2))

    def test_role_without_the_right_to_create_tables_can_use_them(
        self,
        postgresql_url,
        store,
    ):
        """What answers the internet needs no more rights than its statements."""
        store.put(build_arrival())
        role = f"web_{urlsplit(postgresql_url).path[1:]}"
        tables = "redox_lane, redox_entry, redox_schema"
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN".encode())
            try:
                granted = f"GRANT SELECT, INSERT, UPDATE ON {tables} TO {role}"
                connection.execute(granted.encode())
                web = PostgresqlStore(postgresql_url.replace("postgres@", f"{role}@"))
                receipt = web.put(build_arrival(2))
                web.close()
            finally:
                connection.execute(f"DROP OWNED BY {role}".encode())
                connection.execute(f"DROP ROLE {role}".encode())

        assert receipt is Receipt.STORED

    def test_tables_lie_in_the_schema_of_the_search_path(self, postgresql_url):
        """An application keeps its tables where it likes."""
        with psycopg.connect(postgresql_url) as connection:
            connection.execute("CREATE SCHEMA inbox")
        store = PostgresqlStore(f"{postgresql_url}&options=-csearch_path%3Dinbox")
        store.put(build_arrival())
        store.close()

        with psycopg.connect(postgresql_url) as connection:
            count = connection.execute("SELECT count(*) FROM inbox.redox_entry")
            assert count.fetchall() == [(1,)]


class TestDurability:
    def test_put_is_durable_though_the_server_commits_asynchronously(self):
        """An operator may have switched it off for other tables' sake."""
        settings = ("synchronous_commit=off", "wal_writer_delay=10s")
        with run_postgresql(*settings) as server, open_database(server.url) as url:
            store = PostgresqlStore(url)
            for number in range(20):
                store.put(build_arrival(number))
            server.crash()

            assert store.stats().waiting == 20
            store.close()

    def test_server_without_fsync_is_refused(self):
        """It would forget at a power cut what was answered with 200."""
        with run_postgresql("fsync=off") as server, open_database(server.url) as url:
            store = PostgresqlStore(url)

            with pytest.raises(InboxUnavailable) as caught:
                store.put(build_arrival())

            assert caught.value.code == "fsync-is-off"
            assert store.find_entry(1) is None
            advice = {name: advice for name, _, advice in store.diagnose()}
            assert "fsync = on" in (advice["fsync"] or "")
            store.close()

    def test_isolation_level_of_the_role_does_not_matter(self, postgresql_url):
        """Under REPEATABLE READ a put fails beside another one in its lane."""
        alter_database(postgresql_url, "default_transaction_isolation = 'serializable'")
        store = PostgresqlStore(postgresql_url)
        store.put(build_arrival())
        with psycopg.connect(postgresql_url) as other, ThreadPoolExecutor(1) as threads:
            other.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            other.execute("UPDATE redox_lane SET attempts = attempts")
            put = threads.submit(store.put, build_arrival(2))
            wait_for_a_lock(postgresql_url)
            other.commit()

            assert put.result() is Receipt.STORED
        store.close()

    def test_body_of_40_mb_comes_back_as_it_was(self, store):
        """Redox sends files of 30 MB, in base64."""
        body = bytes(range(256)) * 156_250

        store.put(build_arrival(body=body))

        claim = store.claim("token", HOUR)
        assert claim is not None
        assert store.read_body(claim.entry_id) == body

    def test_bodies_are_not_compressed(self, store, mine):
        """To try it on 40 MB costs a second, under the lock of the lane."""
        store.put(build_arrival())

        storage = mine.execute(
            "SELECT attstorage FROM pg_attribute "
            "WHERE attrelid = 'redox_entry'::regclass AND attname = 'body'"
        ).fetchone()
        assert storage in [("e",), (b"e",)]

    def test_body_of_another_length_is_damaged(self, store, mine):
        """Somebody wrote into the table."""
        store.put(build_arrival(body=b"0123456789"))
        mine.execute("UPDATE redox_entry SET body = '01234'")
        mine.commit()

        with pytest.raises(BodyDamaged):
            store.read_body(1)

    def test_body_that_the_server_cannot_read_is_damaged(self, store, mine):
        """The lane must halt: to try again would not help."""
        store.put(build_arrival(body=b"0" * 100_000))
        toast = mine.execute(
            "SELECT reltoastrelid::regclass::text FROM pg_class "
            "WHERE oid = 'redox_entry'::regclass"
        ).fetchall()[0][0]
        # It lets nobody delete from what holds long values, whatever it is called.
        change = "UPDATE pg_class SET relkind = %s WHERE oid = %s::regclass"
        mine.execute(change, ["r", toast])
        delete = f"DELETE FROM {toast}"  # noqa: S608 - a name of PostgreSQL's own
        mine.execute(delete.encode())
        mine.execute(change, ["t", toast])
        mine.commit()

        with pytest.raises(BodyDamaged):
            store.read_body(1)

    def test_body_is_not_called_damaged_while_the_tables_are_away(self, store, mine):
        """What may be better later is no reason to halt a lane."""
        store.put(build_arrival())
        mine.execute("ALTER TABLE redox_entry RENAME TO redox_entry_moved")
        mine.commit()

        with pytest.raises(InboxUnavailable) as caught:
            store.read_body(1)

        assert caught.value.code == "sqlstate-42p01"

    def test_lanes_due_too_late_are_repaired(self, store, mine):
        """A standby that took over may have an earlier clock than its server had."""
        store.put(build_arrival())
        mine.execute("UPDATE redox_lane SET due_at = now() + interval '1 day'")
        mine.commit()

        assert store.claim("first", HOUR) is None
        assert store.repair_clock(HOUR) == 1
        assert store.claim("second", HOUR) is not None

    def test_clock_of_the_client_does_not_decide_what_is_due(self, store):
        """The web process may live in another year than the server."""
        store.put(build_arrival(received_at=build_arrival().received_at.replace(2999)))

        assert store.claim("token", HOUR) is not None


class TestCallersTransaction:
    def claim(self, store):
        store.put(build_arrival())
        claim = store.claim("token", HOUR)
        assert claim is not None
        return claim

    def test_entry_is_done_if_the_transaction_is_committed(self, store, mine):
        """The effect and its entry are kept together."""
        claim = self.claim(store)
        mine.execute("INSERT INTO effect VALUES (1)")

        store.complete(claim, connection=mine)

        assert store.stats().done == 0
        mine.commit()
        assert (store.stats().done, count_effects(mine)) == (1, 1)

    def test_entry_waits_if_the_transaction_is_rolled_back(self, store, mine):
        """Neither the effect nor the completion happened."""
        claim = self.claim(store)
        mine.execute("INSERT INTO effect VALUES (1)")

        store.complete(claim, connection=mine)
        mine.rollback()

        assert (store.stats().waiting, count_effects(mine)) == (1, 0)
        store.complete(claim)

    def test_callers_durability_is_left_as_it_is(self, store, mine):
        """To switch it off would take the caller's own effects with it."""
        claim = self.claim(store)

        store.complete(claim, connection=mine)

        assert mine.execute("SHOW synchronous_commit").fetchone() == ("on",)

    def test_callers_rows_may_be_dictionaries(self, store, postgresql_url):
        """The handler's connection is set up as the handler likes."""
        claim = self.claim(store)
        with psycopg.connect(
            postgresql_url, row_factory=dict_row, cursor_factory=psycopg.ClientCursor
        ) as mine:
            store.complete(claim, connection=mine)

        assert store.stats().done == 1

    def test_lost_lease_writes_nothing(self, store, mine):
        """Somebody else has the entry, and will do it."""
        claim = self.claim(store)
        store.release(claim)

        with pytest.raises(LostLease):
            store.complete(claim, connection=mine)

        mine.commit()
        assert store.stats().waiting == 1

    def test_lost_lease_is_noticed_in_a_pipeline_too(self, store, mine):
        """There an answer is waited for only where it is read."""
        claim = self.claim(store)
        store.release(claim)

        with mine.pipeline(), pytest.raises(LostLease):
            store.complete(claim, connection=mine)

    def test_other_isolation_level_is_refused(self, store, mine):
        """Such a transaction cannot lock a lane whose lease was renewed meanwhile."""
        claim = self.claim(store)
        mine.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

        with pytest.raises(ConfigurationError, match="REPEATABLE READ"):
            store.complete(claim, connection=mine)

    def test_connection_outside_of_a_transaction_is_refused(self, store, mine):
        """Each statement would be committed by itself."""
        claim = self.claim(store)
        mine.autocommit = True

        with pytest.raises(ConfigurationError, match="begin"):
            store.complete(claim, connection=mine)

        with mine.transaction():
            store.complete(claim, connection=mine)
        assert store.stats().done == 1

    @pytest.mark.parametrize("connection", ["postgresql://", object()])
    def test_what_is_no_psycopg_connection_is_refused(self, store, connection):
        """Django and SQLAlchemy wrap it; the message says where it is."""
        claim = self.claim(store)

        with pytest.raises(ConfigurationError, match=r"connection\.connection"):
            store.complete(claim, connection=connection)

    def test_transaction_that_has_failed_already_is_unavailable(self, store, mine):
        """What the handler broke cannot keep anything any more."""
        claim = self.claim(store)
        with pytest.raises(psycopg.Error):
            mine.execute("SELECT 1/0")

        with pytest.raises(InboxUnavailable) as caught:
            store.complete(claim, connection=mine)

        assert caught.value.code == "sqlstate-25p02"

    def test_transaction_of_django_completes_the_entry(self, store, mine):
        """Below Django's connection lies psycopg's, with cursors of Django's own."""
        from django.db.backends.postgresql.base import DatabaseWrapper  # noqa: PLC0415

        build_django()
        claim = self.claim(store)
        django = DatabaseWrapper(build_django_settings(mine.info), alias="default")
        try:
            django.set_autocommit(False)
            with django.cursor() as cursor:
                cursor.execute("INSERT INTO effect VALUES (1)")
            store.complete(claim, connection=django.connection)
            assert store.stats().done == 0
            django.commit()
        finally:
            django.close()

        assert (store.stats().done, count_effects(mine)) == (1, 1)


def build_django_settings(info: Any) -> dict[str, Any]:
    return {
        "NAME": info.dbname,
        "USER": info.user,
        "PASSWORD": info.password,
        "HOST": info.host,
        "PORT": str(info.port),
        "AUTOCOMMIT": True,
        "ATOMIC_REQUESTS": False,
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": False,
        "DISABLE_SERVER_SIDE_CURSORS": False,
        "OPTIONS": {},
        "TIME_ZONE": None,
        "TEST": {},
    }


class TestDiagnosis:
    def test_sound_server_has_no_complaint(self, store):
        """The doctor is silent about what is well."""
        store.put(build_arrival())

        findings = list(store.diagnose())

        assert [name for name, _, advice in findings if advice] == []
        assert {name for name, _, _ in findings} >= {
            "version",
            "fsync",
            "synchronous_commit",
            "full_page_writes",
            "isolation",
            "lanes",
            "autovacuum",
            "clock",
            "pooler",
        }

    def test_asynchronous_commit_is_named(self, postgresql_url):
        """Each put corrects it, and the operator should know."""
        alter_database(postgresql_url, "synchronous_commit = off")
        store = PostgresqlStore(postgresql_url)

        complaints = [name for name, _, advice in store.diagnose() if advice]
        store.close()

        assert complaints == ["synchronous_commit"]

    def test_clock_that_differs_is_named(self, store, monkeypatch):
        """Times of arrival are this machine's."""
        from redox_wsgi.inbox.postgresql import diagnosis  # noqa: PLC0415

        class Late(datetime):
            @classmethod
            def now(cls, tz=None):
                return super().now(tz).replace(year=2000)

        monkeypatch.setattr(diagnosis, "datetime", Late)

        complaints = [name for name, _, advice in store.diagnose() if advice]

        assert complaints == ["clock"]


def test_pruned_entries_leave_no_body_behind(store, mine):
    """What is emptied is emptied in the table, not only in the answer."""
    store.put(build_arrival())
    claim = store.claim("token", HOUR)
    assert claim is not None
    store.complete(claim)

    store.prune(State.DONE, build_arrival().received_at.replace(2999))

    row = mine.execute("SELECT body, head FROM redox_entry").fetchone()
    assert row == (None, "")

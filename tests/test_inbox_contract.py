"""What every store of an inbox does: one contract, however the entries are kept.

Leases and backoffs are 0 s where they shall be over, and an hour where they shall not:
no store's clock is asked to move.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from redox_wsgi import ConfigurationError, LostLease
from redox_wsgi.inbox.entry import (
    UNANSWERED_QUERY,
    Arrival,
    Claim,
    Receipt,
    Selection,
    State,
)
from redox_wsgi.inbox.store import BodyDamaged, Store

HOUR = 3600.0
RECEIVED_AT = datetime(2026, 1, 31, 8, 30, 0, 123000, tzinfo=UTC)
LATER = datetime(2100, 1, 1, tzinfo=UTC)
ALL = Selection()


def arrival(number: int = 1, lane: str = "/redox|source|order", **change) -> Arrival:
    built = Arrival(
        lane=lane,
        identity=f"{number:064x}",
        received_at=RECEIVED_AT + timedelta(seconds=number),
        body=b'{"number": %d}' % number,
        head='{"destination":"/redox"}',
        data_model="Order",
        event_type="New",
        log_id=f"log-{number}",
    )
    return replace(built, **change)


def claim(store: Store, lease_seconds: float = HOUR) -> Claim:
    claimed = try_claim(store, lease_seconds)
    assert claimed is not None
    return claimed


def try_claim(store: Store, lease_seconds: float = HOUR) -> Claim | None:
    return store.claim(secrets.token_hex(8), lease_seconds)


def finish(store: Store, count: int) -> list[int]:
    """Complete so many entries; return their numbers in the order of completion."""
    done = []
    for _ in range(count):
        claimed = claim(store)
        store.complete(claimed)
        done.append(claimed.entry_id)
    return done


def claim_and_skip(store: Store) -> Claim:
    """Claim the first of two entries, which an operator skips meanwhile."""
    store.put(arrival(1))
    store.put(arrival(2))
    claimed = claim(store)
    store.halt_lane(claimed.lane)
    store.skip_head(claimed.lane)
    return claimed


def states(store: Store) -> list[State]:
    return [record.state for record in store.find_entries(ALL)]


class TestPut:
    def test_what_is_put_is_there(self, store: Store) -> None:
        """Every fact of it comes back as it was."""
        assert store.put(arrival(7)) is Receipt.STORED

        (record,) = store.find_entries(ALL)
        assert record == store.find_entry(record.id)
        assert record.lane == "/redox|source|order"
        assert record.identity == f"{7:064x}"
        assert record.state is State.WAITING
        assert record.received_at == RECEIVED_AT + timedelta(seconds=7)
        assert (record.finished_at, record.error) == (None, None)
        assert (record.repeats, record.body_bytes) == (0, len(b'{"number": 7}'))
        assert record.data_model == "Order"
        assert record.event_type == "New"
        assert record.log_id == "log-7"
        assert record.head == '{"destination":"/redox"}'
        assert store.read_body(record.id) == b'{"number": 7}'

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00\xff\xfe", bytes(range(256)) * 8, b"x" * (3 << 20)],
        ids=["empty", "no text", "every byte", "3 MB"],
    )
    def test_any_bytes_are_kept(self, store: Store, body: bytes) -> None:
        """A body may be anything: nobody judged it."""
        store.put(arrival(body=body))

        assert store.read_body(claim(store).entry_id) == body

    def test_absent_names_stay_absent(self, store: Store) -> None:
        """A body without a Meta has no data model, no event type and no log ID."""
        store.put(arrival(data_model=None, event_type=None, log_id=None))

        (record,) = store.find_entries(ALL)
        names = record.data_model, record.event_type, record.log_id
        assert names == (None, None, None)

    def test_a_repeat_of_what_waits_is_counted_only(self, store: Store) -> None:
        """Redox delivers at least once."""
        store.put(arrival())

        assert store.put(arrival()) is Receipt.REPEATED
        (record,) = store.find_entries(ALL)
        assert (record.repeats, record.state) == (1, State.WAITING)

    def test_a_repeat_of_what_is_done_is_counted_only(self, store: Store) -> None:
        """The answer to the first delivery may have been lost after it was handled."""
        store.put(arrival())
        finish(store, 1)

        assert store.put(arrival()) is Receipt.REPEATED
        assert states(store) == [State.DONE]
        assert try_claim(store) is None

    def test_a_repeat_of_what_is_dead_revives_it(self, store: Store) -> None:
        """A resubmission from Redox's dashboard is meant to be tried again."""
        store.put(arrival())
        store.bury(claim(store), "ValueError")

        assert store.put(arrival()) is Receipt.REVIVED
        (record,) = store.find_entries(ALL)
        assert (record.state, record.error) == (State.WAITING, None)
        assert record.finished_at is None
        assert claim(store).entry_id == record.id

    def test_a_repeat_of_what_is_emptied_is_counted_only(self, store: Store) -> None:
        """The identity outlives the body, until the horizon of dedupe."""
        store.put(arrival())
        finish(store, 1)
        store.prune(State.DONE, LATER)

        assert store.put(arrival()) is Receipt.REPEATED
        assert states(store) == [State.EMPTIED]
        assert try_claim(store) is None

    def test_a_query_is_stored_dead_and_stays_dead(self, store: Store) -> None:
        """Nobody waits for its answer any more, however often it comes."""
        query = arrival(state=State.DEAD, error=UNANSWERED_QUERY)

        assert store.put(query) is Receipt.STORED
        assert store.put(query) is Receipt.REPEATED
        (record,) = store.find_entries(ALL)
        assert (record.state, record.error) == (State.DEAD, UNANSWERED_QUERY)
        assert record.finished_at is not None
        assert try_claim(store) is None

    def test_a_dead_query_does_not_stop_its_lane(self, store: Store) -> None:
        """It is dead; what comes after it waits for nobody."""
        store.put(arrival(1, state=State.DEAD, error=UNANSWERED_QUERY))
        store.put(arrival(2))

        assert claim(store).identity == f"{2:064x}"

    def test_one_identity_in_two_lanes_is_two_entries(self, store: Store) -> None:
        """The same content may rightly reach two destinations that share a store."""
        store.put(arrival(1, lane="/a|s|order"))

        assert store.put(arrival(1, lane="/b|s|order")) is Receipt.STORED
        assert len(store.find_entries(ALL)) == 2

    def test_many_threads_put_one_identity_once(self, store: Store) -> None:
        """Nobody checks first and inserts afterwards."""
        receipts: list[Receipt] = []
        ready = threading.Barrier(8)

        def put() -> None:
            ready.wait()
            receipts.append(store.put(arrival()))

        threads = [threading.Thread(target=put) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(receipts) == [Receipt.STORED] + [Receipt.REPEATED] * 7
        assert store.find_entries(ALL)[0].repeats == 7

    def test_many_threads_put_many(self, store: Store) -> None:
        """Each is stored once, whatever stands beside it."""
        receipts: list[Receipt] = []

        def put(first: int) -> None:
            for number in range(first, first + 10):
                lane = f"/redox|{number % 3}|order"
                receipts.append(store.put(arrival(number, lane)))

        threads = [threading.Thread(target=put, args=(n * 10,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert receipts == [Receipt.STORED] * 80
        records = store.find_entries(ALL)
        assert {record.identity for record in records} == {
            f"{number:064x}" for number in range(80)
        }
        for record in records:
            assert store.read_body(record.id) == arrival(int(record.identity, 16)).body


class TestOrder:
    def test_a_lane_is_handled_in_order_of_arrival(self, store: Store) -> None:
        """Whatever Redox's IDs and times say."""
        for number in (5, 3, 9, 1):
            store.put(arrival(number))

        identities = []
        for _ in range(4):
            claimed = claim(store)
            identities.append(int(claimed.identity, 16))
            store.complete(claimed)
        assert identities == [5, 3, 9, 1]

    def test_a_claimed_lane_is_nobody_elses(self, store: Store) -> None:
        """One entry of a lane is handled at a time."""
        store.put(arrival(1))
        store.put(arrival(2))
        claim(store)

        assert try_claim(store) is None

    def test_lanes_do_not_wait_for_each_other(self, store: Store) -> None:
        """A claimed one and one in its backoff hold up nobody."""
        for lane in ("/redox|a|order", "/redox|b|order", "/redox|c|order"):
            store.put(arrival(1, lane))
        store.retry(claim(store), "ValueError", HOUR)
        claim(store)

        assert claim(store).lane == "/redox|c|order"
        assert try_claim(store) is None

    def test_lanes_take_turns(self, store: Store) -> None:
        """A full lane starves nobody."""
        for number in range(4):
            store.put(arrival(number, "/redox|full|order"))
        store.put(arrival(9, "/redox|other|order"))

        lanes = []
        for _ in range(3):
            claimed = claim(store)
            lanes.append(claimed.lane)
            store.complete(claimed)
        assert "/redox|other|order" in lanes[:2]

    def test_a_claim_says_what_a_handler_must_know(self, store: Store) -> None:
        """It is the entry as it was put, with its turn."""
        store.put(arrival(4))

        claimed = claim(store)
        assert (claimed.lane, claimed.attempt) == ("/redox|source|order", 1)
        assert claimed.received_at == RECEIVED_AT + timedelta(seconds=4)
        assert claimed.head == '{"destination":"/redox"}'
        assert claimed.entry_id == store.find_entries(ALL)[0].id

    def test_nothing_to_claim_is_none(self, store: Store) -> None:
        """An empty store has no lane."""
        assert try_claim(store) is None

    def test_a_lane_without_waiting_entries_is_not_claimed(self, store: Store) -> None:
        """Also when a repeat woke it in vain."""
        store.put(arrival())
        finish(store, 1)
        store.put(arrival())

        assert try_claim(store) is None
        assert try_claim(store) is None
        store.put(arrival(2))
        assert claim(store).identity == f"{2:064x}"

    def test_a_lane_woken_in_vain_holds_up_no_other(self, store: Store) -> None:
        """The same claim finds the next lane."""
        store.put(arrival(1, "/redox|a|order"))
        finish(store, 1)
        store.put(arrival(2, "/redox|b|order"))
        store.put(arrival(1, "/redox|a|order"))

        assert claim(store).lane == "/redox|b|order"


class TestLease:
    def test_a_lease_that_ended_is_taken_over(self, store: Store) -> None:
        """A dead worker loses nothing; the attempt counts all the same."""
        store.put(arrival())
        first = claim(store, 0.0)

        second = claim(store)
        assert second.entry_id == first.entry_id
        assert (second.attempt, second.fence) == (2, first.fence + 1)

    @pytest.mark.parametrize(
        "action", ["complete", "bury", "retry", "halt", "release", "renew"]
    )
    def test_who_lost_the_lease_changes_nothing(
        self, store: Store, action: str
    ) -> None:
        """A worker that was paused must not finish what another one has."""
        store.put(arrival())
        late = claim(store, 0.0)
        holder = claim(store)

        with pytest.raises(LostLease):
            act(store, action, late)
        assert states(store) == [State.WAITING]
        store.complete(holder)
        assert states(store) == [State.DONE]

    @pytest.mark.parametrize(
        "action", ["complete", "bury", "retry", "halt", "release", "renew"]
    )
    def test_a_finished_claim_is_over(self, store: Store, action: str) -> None:
        """Nothing can be done twice."""
        store.put(arrival(1))
        store.put(arrival(2))
        claimed = claim(store)
        store.complete(claimed)

        with pytest.raises(LostLease):
            act(store, action, claimed)
        assert states(store) == [State.DONE, State.WAITING]

    def test_the_token_counts_and_not_the_fence_alone(self, store: Store) -> None:
        """After a crash a fence number may come again."""
        store.put(arrival())
        claimed = claim(store)

        with pytest.raises(LostLease):
            store.complete(replace(claimed, token="another"))
        with pytest.raises(LostLease):
            store.complete(replace(claimed, fence=claimed.fence + 1))
        store.complete(claimed)

    def test_a_renewed_lease_holds(self, store: Store) -> None:
        """The heartbeat of a long handler."""
        store.put(arrival())
        claimed = claim(store, 0.0)
        store.renew(claimed, HOUR)

        assert try_claim(store) is None
        store.complete(claimed)

    def test_a_lease_that_ended_unnoticed_still_completes(self, store: Store) -> None:
        """Nobody took it over, so nothing was done twice."""
        store.put(arrival())
        late = claim(store, 0.0)
        store.complete(late)

        assert states(store) == [State.DONE]


def act(store: Store, action: str, claimed: Claim) -> None:
    if action in ("bury", "halt"):
        getattr(store, action)(claimed, "ValueError")
    elif action == "retry":
        store.retry(claimed, "ValueError", 0.0)
    elif action == "renew":
        store.renew(claimed, HOUR)
    else:
        getattr(store, action)(claimed)


class TestFailure:
    def test_a_retry_is_the_same_entry_again(self, store: Store) -> None:
        """Order is kept: the next one waits."""
        store.put(arrival(1))
        store.put(arrival(2))
        first = claim(store)
        store.retry(first, "ValueError", 0.0)

        again = claim(store)
        assert (again.entry_id, again.attempt) == (first.entry_id, 2)

    def test_a_backoff_keeps_the_lane_away(self, store: Store) -> None:
        """Until it is over."""
        store.put(arrival())
        store.retry(claim(store), "ValueError", HOUR)

        assert try_claim(store) is None
        (lane,) = store.stats().lanes
        assert (lane.attempts, lane.last_error) == (1, "ValueError")
        assert lane.due_at > store.stats().at + timedelta(minutes=50)
        assert not lane.is_claimed

    def test_attempts_begin_anew_with_the_next_entry(self, store: Store) -> None:
        """They are counted for one entry."""
        store.put(arrival(1))
        store.put(arrival(2))
        store.retry(claim(store), "ValueError", 0.0)
        store.complete(claim(store))

        assert claim(store).attempt == 1

    def test_what_is_buried_lets_the_next_one_go(self, store: Store) -> None:
        """The dead letters."""
        store.put(arrival(1))
        store.put(arrival(2))
        store.bury(claim(store), "ValueError at handler.py:3")

        assert claim(store).identity == f"{2:064x}"
        dead, _ = store.find_entries(ALL)
        assert (dead.state, dead.error) == (State.DEAD, "ValueError at handler.py:3")
        assert dead.finished_at is not None

    def test_a_halted_lane_is_not_claimed(self, store: Store) -> None:
        """It takes entries, and wakes for none of them."""
        store.put(arrival(1))
        store.halt(claim(store), "ValueError")
        store.put(arrival(2))
        store.put(arrival(1))

        assert try_claim(store) is None
        (lane,) = store.stats().lanes
        assert (lane.is_halted, lane.waiting) == (True, 2)
        assert lane.last_error == "ValueError"

    def test_a_release_is_no_attempt(self, store: Store) -> None:
        """A worker that stops has not failed."""
        store.put(arrival())
        store.release(claim(store))

        assert claim(store).attempt == 1

    def test_a_success_clears_the_last_error(self, store: Store) -> None:
        """What an operator sees is about now."""
        store.put(arrival(1))
        store.put(arrival(2))
        store.retry(claim(store), "ValueError", 0.0)
        store.complete(claim(store))

        assert [lane.last_error for lane in store.stats().lanes] == [None]


class TestOperator:
    def test_halt_and_resume(self, store: Store) -> None:
        """By hand, with nothing wrong."""
        store.put(arrival())

        assert store.halt_lane("/redox|source|order")
        assert try_claim(store) is None
        assert store.resume_lane("/redox|source|order")
        assert claim(store).attempt == 1

    def test_a_claim_in_flight_ends_normally_in_a_halted_lane(
        self, store: Store
    ) -> None:
        """Halting stops the lane, not the handler."""
        store.put(arrival(1))
        store.put(arrival(2))
        claimed = claim(store)
        store.halt_lane(claimed.lane)
        store.complete(claimed)

        assert states(store) == [State.DONE, State.WAITING]
        assert try_claim(store) is None

    def test_a_resumed_lane_leaves_a_claim_in_flight_alone(self, store: Store) -> None:
        """Halted and resumed while a handler runs: nobody else gets its entry."""
        store.put(arrival())
        claimed = claim(store)
        store.halt_lane(claimed.lane)
        store.resume_lane(claimed.lane)

        assert try_claim(store) is None
        store.complete(claimed)

    def test_a_resumed_lane_has_all_its_attempts(self, store: Store) -> None:
        """The fault was mended."""
        store.put(arrival())
        store.retry(claim(store), "ValueError", 0.0)
        store.halt(claim(store), "ValueError")
        store.resume_lane("/redox|source|order")

        assert claim(store).attempt == 1

    def test_skip_buries_the_head_and_goes_on(self, store: Store) -> None:
        """The way on when one entry cannot be mended."""
        store.put(arrival(1))
        store.put(arrival(2))
        halted = claim(store)
        store.halt(halted, "ValueError")

        assert store.skip_head(halted.lane) == halted.entry_id
        skipped, _ = store.find_entries(ALL)
        assert (skipped.state, skipped.error) == (State.DEAD, "skipped")
        assert claim(store).identity == f"{2:064x}"

    def test_only_a_halted_lane_is_skipped_or_resumed(self, store: Store) -> None:
        """A head that may be in somebody's hands is not taken away."""
        store.put(arrival())

        assert store.skip_head("/redox|source|order") is None
        assert not store.resume_lane("/redox|source|order")
        assert states(store) == [State.WAITING]

    def test_an_empty_halted_lane_has_no_head(self, store: Store) -> None:
        """Nothing is skipped, and it stays halted."""
        store.put(arrival())
        finish(store, 1)
        store.halt_lane("/redox|source|order")

        assert store.skip_head("/redox|source|order") is None
        assert [lane.is_halted for lane in store.stats().lanes] == [True]

    def test_a_lane_that_does_not_exist(self, store: Store) -> None:
        """A mistyped key changes nothing and says so."""
        assert not store.halt_lane("no|such|lane")
        assert not store.resume_lane("no|such|lane")
        assert store.skip_head("no|such|lane") is None

    def test_what_is_done_can_be_replayed_before_newer_ones(self, store: Store) -> None:
        """It keeps its number, and so its place."""
        store.put(arrival(1))
        (old,) = finish(store, 1)
        store.put(arrival(2))

        assert store.replay(old)
        again = claim(store)
        assert (again.entry_id, again.attempt) == (old, 1)
        store.complete(again)
        assert claim(store).identity == f"{2:064x}"

    def test_what_is_dead_can_be_replayed(self, store: Store) -> None:
        """After its handler was mended."""
        store.put(arrival())
        claimed = claim(store)
        store.bury(claimed, "ValueError")

        assert store.replay(claimed.entry_id)
        (record,) = store.find_entries(ALL)
        assert (record.state, record.error) == (State.WAITING, None)
        assert record.finished_at is None
        assert claim(store).entry_id == claimed.entry_id

    def test_what_waits_or_is_gone_is_not_replayed(self, store: Store) -> None:
        """It is to be handled already, or there is nothing to handle."""
        store.put(arrival(1))
        (record,) = store.find_entries(ALL)
        assert not store.replay(record.id)
        finish(store, 1)
        store.prune(State.DONE, LATER)

        assert not store.replay(record.id)
        assert not store.replay(10**9)

    def test_a_skipped_entry_stays_dead_though_its_handler_ends(
        self, store: Store
    ) -> None:
        """The operator's word counts; the lane is given back all the same."""
        claimed = claim_and_skip(store)
        store.complete(claimed)

        assert states(store) == [State.DEAD, State.WAITING]
        assert claim(store).identity == f"{2:064x}"

    @pytest.mark.parametrize("is_pruned", [False, True])
    @pytest.mark.parametrize("is_last", [False, True])
    def test_a_skipped_entry_neither_halts_nor_delays_its_lane(
        self, store: Store, is_last: bool, is_pruned: bool
    ) -> None:
        """The operator was told that the lane goes on, and may sleep by now."""
        claimed = claim_and_skip(store)
        if is_pruned:
            store.prune(State.DEAD, LATER)
        if is_last:
            store.halt(claimed, "ValueError")
        else:
            store.retry(claimed, "ValueError", 3600.0)

        following = claim(store)
        assert (following.identity, following.attempt) == (f"{2:064x}", 1)

    def test_a_lane_that_was_resumed_waits_for_no_backoff(self, store: Store) -> None:
        """The attempt under way may be the tenth, and its backoff an hour."""
        store.put(arrival())
        claimed = claim(store)
        store.halt_lane(claimed.lane)
        store.resume_lane(claimed.lane)
        store.retry(claimed, "ValueError", 3600.0)

        assert claim(store).attempt == 1

    @pytest.mark.parametrize("action", ["complete", "bury"])
    def test_a_skipped_entry_may_be_gone_before_its_handler_ends(
        self, store: Store, action: str
    ) -> None:
        """Pruned by the operator too: the lane is given back all the same."""
        claimed = claim_and_skip(store)
        store.prune(State.DEAD, LATER)
        act(store, action, claimed)

        assert states(store) == [State.WAITING]
        assert claim(store).identity == f"{2:064x}"


class TestPrune:
    def test_done_bodies_go_and_identities_stay(self, store: Store) -> None:
        """What was handled need not be kept, only recognised."""
        store.put(arrival(1, body=b"x" * (2 << 20)))
        store.put(arrival(2))
        first, _ = finish(store, 2)
        store.put(arrival(3))

        assert store.prune(State.DONE, LATER) == 2
        assert states(store) == [State.EMPTIED, State.EMPTIED, State.WAITING]
        record = store.find_entry(first)
        assert record is not None
        assert (record.body_bytes, record.head) == (0, "")
        with pytest.raises(BodyDamaged):
            store.read_body(first)

    def test_what_is_not_old_enough_stays(self, store: Store) -> None:
        """By when it was finished, not by when it came."""
        store.put(arrival())
        finish(store, 1)

        assert store.prune(State.DONE, RECEIVED_AT + timedelta(days=1)) == 0
        assert states(store) == [State.DONE]

    def test_emptied_ones_go_wholly(self, store: Store) -> None:
        """After the horizon of dedupe they are new again."""
        store.put(arrival())
        finish(store, 1)
        store.prune(State.DONE, LATER)

        assert store.prune(State.EMPTIED, LATER) == 1
        assert states(store) == []
        assert store.put(arrival()) is Receipt.STORED

    def test_dead_ones_go_wholly(self, store: Store) -> None:
        """Only a delivery that is new can be handled: nothing is left to revive."""
        store.put(arrival())
        store.bury(claim(store), "ValueError")

        assert store.prune(State.DEAD, LATER) == 1
        assert states(store) == []
        assert store.put(arrival()) is Receipt.STORED
        assert claim(store).identity == f"{1:064x}"

    def test_a_page_at_a_time(self, store: Store) -> None:
        """Nobody waits long for it."""
        for number in range(5):
            store.put(arrival(number))
        finish(store, 5)

        assert store.prune(State.DONE, LATER, limit=3) == 3
        assert store.prune(State.DONE, LATER, limit=3) == 2
        assert store.prune(State.DONE, LATER, limit=3) == 0

    def test_what_waits_is_never_pruned(self, store: Store) -> None:
        """It was promised to be handled."""
        store.put(arrival())

        with pytest.raises(ValueError, match="waits"):
            store.prune(State.WAITING, LATER)

    def test_numbers_do_not_come_again(self, store: Store) -> None:
        """Order is by number: a pruned one must not be given to a newer entry."""
        store.put(arrival(1))
        (first,) = finish(store, 1)
        store.prune(State.DONE, LATER)
        store.prune(State.EMPTIED, LATER)
        store.put(arrival(2))

        assert store.find_entries(ALL)[0].id > first

    def test_sweeping_a_sound_store_removes_nothing(self, store: Store) -> None:
        """Whatever belongs to an entry stays."""
        store.put(arrival(body=b"x" * (2 << 20)))

        assert store.sweep() == 0
        assert len(store.read_body(claim(store).entry_id)) == 2 << 20


class TestSight:
    def test_stats_count_every_state(self, store: Store) -> None:
        """What is hidden behind a 200 must be seen here."""
        for number in range(5):
            store.put(arrival(number))
        store.put(arrival(0))
        store.bury(claim(store), "ValueError")
        finish(store, 2)
        store.prune(State.DONE, LATER, limit=1)

        stats = store.stats()
        assert (stats.waiting, stats.done, stats.dead, stats.emptied) == (2, 1, 1, 1)
        assert (stats.repeats, stats.halted) == (1, 0)
        (lane,) = stats.lanes
        assert (lane.key, lane.waiting, lane.dead) == ("/redox|source|order", 2, 1)
        assert lane.oldest_at == RECEIVED_AT + timedelta(seconds=3)
        assert stats.oldest_waiting_seconds > 0

    def test_an_empty_store_has_nothing_to_show(self, store: Store) -> None:
        """And no age."""
        stats = store.stats()

        assert (stats.waiting, stats.lanes) == (0, ())
        assert stats.oldest_waiting_seconds == 0.0

    def test_the_lane_that_waits_longest_comes_first(self, store: Store) -> None:
        """That is the one to look at; one without work and trouble is not shown."""
        store.put(arrival(1, "/redox|idle|order"))
        finish(store, 1)
        store.put(arrival(9, "/redox|young|order"))
        store.put(arrival(3, "/redox|old|order"))

        keys = [lane.key for lane in store.stats().lanes]
        assert keys == ["/redox|old|order", "/redox|young|order"]

    def test_a_claimed_lane_is_shown_as_such(self, store: Store) -> None:
        """Somebody works on it."""
        store.put(arrival())
        claim(store)

        assert [lane.is_claimed for lane in store.stats().lanes] == [True]

    def test_entries_are_selected(self, store: Store) -> None:
        """By lane, state, data model and time."""
        store.put(arrival(1, "/redox|a|order"))
        store.put(arrival(2, "/redox|b|order"))
        store.put(arrival(3, "/other|a|results", data_model="Clinical Summary"))
        (done,) = finish(store, 1)

        def select(**how) -> list[int]:
            found = store.find_entries(Selection(**how))
            return [int(record.identity, 16) for record in found]

        assert select() == [1, 2, 3]
        assert select(lane="/redox|b|order") == [2]
        assert select(lane="/redox|*") == [1, 2]
        assert select(lane="*|a|*") == [1, 3]
        assert select(lane="/redox|?|order") == []
        assert select(lane="") == []
        assert select(states=frozenset([State.WAITING])) == [2, 3]
        assert select(states=frozenset([State.DONE, State.DEAD])) == [1]
        assert select(states=frozenset()) == []
        assert select(data_model="clinicalsummary") == [3]
        assert select(since=RECEIVED_AT + timedelta(seconds=2)) == [2, 3]
        assert select(before=RECEIVED_AT + timedelta(seconds=2)) == [1]
        assert store.find_entry(done) == store.find_entries(ALL)[0]

    @pytest.mark.parametrize("sign", ["%", "_", "[", "\\", "'", "?"])
    def test_only_the_star_is_special_in_a_lane(self, store: Store, sign: str) -> None:
        """Whatever a store's own patterns mean by the others."""
        store.put(arrival(1, f"/a{sign}b|s|order"))
        store.put(arrival(2, "/aXb|s|order"))

        (found,) = store.find_entries(Selection(lane=f"/a{sign}*"))
        assert found.identity == f"{1:064x}"

    def test_entries_come_a_page_at_a_time(self, store: Store) -> None:
        """A long inbox does not fill the memory."""
        for number in range(5):
            store.put(arrival(number))
        first = store.find_entries(ALL, limit=3)
        second = store.find_entries(ALL, after_id=first[-1].id, limit=3)

        assert [len(first), len(second)] == [3, 2]
        assert store.find_entries(ALL, after_id=second[-1].id) == []

    def test_an_entry_that_is_not_there(self, store: Store) -> None:
        """It has no record and no body."""
        assert store.find_entry(12345) is None
        with pytest.raises(BodyDamaged):
            store.read_body(12345)

    def test_every_finding_has_a_name_and_a_value(self, store: Store) -> None:
        """The doctor says what was looked at."""
        findings = list(store.diagnose())

        assert findings
        for name, found, advice in findings:
            assert name
            assert found
            assert advice is None or advice.endswith(".")


class TestRest:
    def test_the_clock_repair_leaves_sound_lanes_alone(self, store: Store) -> None:
        """A lease and a backoff within their bounds stand."""
        store.put(arrival(1, "/redox|a|order"))
        store.put(arrival(2, "/redox|b|order"))
        claim(store)
        store.retry(claim(store), "ValueError", HOUR)

        assert store.repair_clock(2 * HOUR) == 0
        assert try_claim(store) is None

    def test_waiting_ends(self, store: Store) -> None:
        """Whether or not anything came."""
        store.wait(0.01)

        assert try_claim(store) is None

    def test_only_a_shared_database_takes_a_callers_connection(
        self, store: Store
    ) -> None:
        """Anything else would promise an effect that is not there."""
        store.put(arrival())
        claimed = claim(store)

        with pytest.raises(ConfigurationError):
            store.complete(claimed, connection=object())
        assert states(store) == [State.WAITING]

    def test_a_closed_store_opens_again(self, store: Store) -> None:
        """What it kept is still there."""
        store.put(arrival())
        store.close()

        assert states(store) == [State.WAITING]

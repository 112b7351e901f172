"""Pauses between attempts, and what follows from the last."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi.inbox.worker.backoff import Backoff
from redox_wsgi.inbox.worker.failure_policy import (
    Consequence,
    Failure,
    FailurePolicy,
)

BROKEN = Failure("builtins.ValueError")
FINAL = Failure("no-such-patient", is_permanent=True)
DAMAGED = Failure("body-missing", is_permanent=True, keeps_order=True)


def test_each_pause_is_twice_the_one_before_up_to_a_limit() -> None:
    """What fails for long is tried seldom, but never given up for hours."""
    backoff = Backoff(random=lambda: 0.0)

    delays = [backoff.delay_seconds(attempt) for attempt in range(1, 11)]

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]


def test_a_fifth_of_a_pause_is_left_to_chance() -> None:
    """What failed together must not come again together."""
    assert Backoff(10, 100, lambda: 1.0).delay_seconds(1) == pytest.approx(8.0)
    assert Backoff(10, 100, lambda: 0.5).delay_seconds(1) == pytest.approx(9.0)


@given(
    attempt=st.integers(-5, 10**9),
    luck=st.floats(0, 1),
    longest=st.floats(1, 1e6),
)
def test_no_pause_is_longer_than_the_longest(
    attempt: int, luck: float, longest: float
) -> None:
    """Whatever is later than that is a wrong clock, and is mended."""
    delay = Backoff(1.0, longest, lambda: luck).delay_seconds(attempt)

    assert 0.79 <= delay <= longest


@pytest.mark.parametrize(
    ("attempt", "failure", "expected"),
    [
        (1, BROKEN, Consequence.RETRY),
        (2, BROKEN, Consequence.RETRY),
        (3, BROKEN, Consequence.HALT),
        (4, BROKEN, Consequence.HALT),
        (1, FINAL, Consequence.HALT),
        (1, DAMAGED, Consequence.HALT),
    ],
)
def test_a_lane_halts_after_the_last_attempt(
    attempt: int, failure: Failure, expected: Consequence
) -> None:
    """Order is the promise, so a person decides; a permanent failure needs no more."""
    assert FailurePolicy(3, Backoff()).decide("/redox|s|order", attempt, failure) is (
        expected
    )


@pytest.mark.parametrize(
    ("pattern", "is_buried"),
    [
        ("*", True),
        ("*|order", True),
        ("/redox|s|order", True),
        ("/redox*order", True),
        ("*|inventory", False),
        ("*|ORDER", False),
        ("/redox|?|order", False),
        ("/redox|.|order", False),
        ("", False),
        ("order", False),
    ],
)
def test_in_some_lanes_an_entry_is_given_up_instead(
    pattern: str, is_buried: bool
) -> None:
    """Only the star has a meaning: a lane may hold any other sign."""
    policy = FailurePolicy(3, Backoff(), ["nothing", pattern])

    consequence = policy.decide("/redox|s|order", 3, BROKEN)

    assert (consequence is Consequence.BURY) is is_buried
    assert policy.decide("/redox|s|order", 2, BROKEN) is Consequence.RETRY


def test_what_could_not_be_read_is_never_given_up() -> None:
    """Its content is not to blame, and nobody has seen it."""
    policy = FailurePolicy(3, Backoff(), ["*"])

    assert policy.decide("/redox|s|order", 9, DAMAGED) is Consequence.HALT

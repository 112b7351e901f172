"""Does the time of an answer tell how much of a guessed token was right?

Pairs of requests are timed that differ only in how near they are to the configured
token. Each block builds fresh tokens, times a short batch of every request in random
order and takes the differences, so that whatever slows the machine for longer than a
block drops out. The first pair, two guesses that are equally wrong, shows how much
noise is left; the last, a comparison that stops at the first wrong character, shows
that this measurement would find a leak.

Tokens of a pair are equally long: how long it takes to hash what was sent depends on
its length, which tells the sender nothing that it does not know.
"""

from __future__ import annotations

import gc
import math
import random
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.contenders import passed_on
from benchmarks.measure import Effort, logging_to_null_device, wsgi_batch
from benchmarks.table import print_table
from benchmarks.traffic import PATH, TOKEN, build_body, posts
from redox_wsgi import Destination, RedoxMiddleware

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_CALLS = 20
_CALLS_TO_WARM_UP = 3
_ALPHABET = string.ascii_letters + string.digits
_OTHERS = ["other-token-aaaaaaaaaaaaaaaaaaaa", "other-token-bbbbbbbbbbbbbbbbbbbb"]
_NANOSECONDS = 1e9


@dataclass(frozen=True, slots=True)
class Pair:
    """Two requests whose times should not differ.

    Attributes:
        what: What is compared, and with what.
        sides: For each side the application, and a maker of tokens.
        is_guess: Whether both sides are wrong, and refused by us.
    """

    what: str
    sides: tuple[tuple[WSGIApplication, Callable[[], str]], ...]
    is_guess: bool = True


def report(effort: Effort) -> None:
    """Print the differences, and what follows from them."""
    pairs = list(_build_pairs())
    random.seed(0)
    body = build_body()
    differences: list[list[float]] = [[] for _ in pairs]
    with logging_to_null_device(), _collecting_between_blocks():
        for _ in range(effort.timing_blocks):
            gc.collect()
            for into, pair in zip(differences, pairs, strict=True):
                into.append(_time_difference(pair, body))
    results = [_interval(one) for one in differences]

    print("\n### Does the time tell how much of a token was right?\n")
    print_table(
        ("compared", "difference", "99 % interval", "tells apart"),
        [
            (pair.what, f"{middle:+.1f} ns", f"{low:+.1f} to {high:+.1f} ns", verdict)
            for pair, (low, middle, high) in zip(pairs, results, strict=True)
            for verdict in ("no" if low <= 0 <= high else "YES",)
        ],
        right_aligned=(1, 2),
    )
    guesses = [
        result for pair, result in zip(pairs, results, strict=True) if pair.is_guess
    ]
    found = sum(not low <= 0 <= high for low, _, high in guesses)
    widest = max(max(-low, high) for low, _, high in guesses)
    print(
        f"\n{found} of {len(guesses)} pairs of guesses differ beyond the noise of this "
        f"run; what may hide in it is below {widest:.1f} ns.\nOne pair in a hundred "
        "seems to differ by chance: repeat the run before believing it."
    )


def _build_pairs() -> Iterator[Pair]:
    ours = _guard([TOKEN])
    length, half = len(TOKEN), len(TOKEN) // 2
    guess = (ours, _guesses(0, length))
    yield Pair("noise: nothing right, twice", (guess, (ours, _guesses(0, length))))
    yield Pair("half right, nothing right", ((ours, _guesses(half, length)), guess))
    yield Pair(
        "all but the last right, nothing right",
        ((ours, _guesses(length - 1, length)), guess),
    )
    for what, other in (("one less", length - 1), ("one more", length + 1)):
        yield Pair(
            f"{what} than the right one, nothing right",
            ((ours, _guesses(length, other)), (ours, _guesses(0, other))),
        )
    yield Pair(
        "right as first of three, as last",
        (
            (_guard([TOKEN, *_OTHERS]), _guesses(length, length)),
            (_guard([*_OTHERS, TOKEN]), _guesses(length, length)),
        ),
        is_guess=False,
    )
    yield Pair(
        "a leak on purpose: half right, nothing right",
        tuple((_leaking, _guesses(shared, length)) for shared in (half, 0)),
        is_guess=False,
    )


def _guard(tokens: list[str]) -> WSGIApplication:
    destination = Destination(lambda transmission: None, verification_token=tokens)
    return RedoxMiddleware(passed_on, {PATH: destination})


def _guesses(shared: int, length: int) -> Callable[[], str]:
    """Return a maker of tokens of which the first ``shared`` characters are right."""

    def build_guess() -> str:
        right = TOKEN[: min(shared, length)]
        wrong = random.choices(_ALPHABET, k=length - len(right))  # noqa: S311
        # The first wrong character is surely wrong.
        if wrong and len(right) < len(TOKEN) and wrong[0] == TOKEN[len(right)]:
            wrong[0] = "_"
        return right + "".join(wrong)

    return build_guess


def _leaking(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Compare as nobody should: character by character, up to the first difference."""
    for sent, right in zip(environ["HTTP_VERIFICATION_TOKEN"], TOKEN, strict=False):
        if sent != right:
            break
    start_response("401 Unauthorized", [])
    return [b""]


@contextmanager
def _collecting_between_blocks() -> Iterator[None]:
    # The collector comes after a number of objects, so it may always hit one side.
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.enable()


def _time_difference(pair: Pair, body: bytes) -> float:
    """Time both sides of a pair once, in random order; return ns per call."""
    batches = [
        wsgi_batch(application, posts(body, build_token()))
        for application, build_token in pair.sides
    ]
    for batch in batches:
        batch(_CALLS_TO_WARM_UP)
    seconds = [0.0, 0.0]
    for side in random.sample((0, 1), 2):
        seconds[side] = batches[side](_CALLS) / _CALLS
    return (seconds[0] - seconds[1]) * _NANOSECONDS


def _interval(differences: list[float]) -> tuple[float, float, float]:
    """Return the median between the bounds of its 99 % confidence interval.

    The bounds are two of the sorted differences: as many of them lie below the true
    median as heads fall in that many tosses of a coin. No shape of the noise is
    assumed.
    """
    ordered = sorted(differences)
    reach = 2.576 * math.sqrt(len(ordered)) / 2
    low = max(0, math.floor(len(ordered) / 2 - reach))
    return ordered[low], median(ordered), ordered[-1 - low]

"""Does the time of an answer tell how much of a guess was right?

Pairs of requests are timed that differ only in how near they are to the configured
token or, at the token endpoint, to a registered client and its secret. Each block
builds fresh tokens, times a short batch of every request in random order and takes the
differences, so that whatever slows the machine for longer than a block drops out. The
first pair of each kind, two guesses that are equally wrong, shows how much noise is
left; a comparison that stops at the first wrong character shows that this measurement
would find a leak.

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
from benchmarks.traffic import PATH, TOKEN, asks, build_body, posts
from redox_wsgi import Destination, RedoxMiddleware
from redox_wsgi.oauth import (
    Client,
    Clients,
    TokenEndpoint,
    TokenService,
    hash_secret,
)

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_CALLS = 20
_CALLS_TO_WARM_UP = 3
_ALPHABET = string.ascii_letters + string.digits
_OTHERS = ["other-token-aaaaaaaaaaaaaaaaaaaa", "other-token-bbbbbbbbbbbbbbbbbbbb"]
_NANOSECONDS = 1e9
_BODY = build_body()

# Of one length, as are the secrets that are guessed.
_CLIENT, _STRANGER = "redox-1", "redox-2"


def _transmits(token: str) -> Callable[[], WSGIEnvironment]:
    return posts(_BODY, token)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two requests whose times should not differ.

    Attributes:
        what: What is compared, and with what.
        sides: For each side the application, and a maker of tokens.
        is_guess: Whether both sides are wrong, and refused by us.
        build: Returns a maker of requests with a token.
    """

    what: str
    sides: tuple[tuple[WSGIApplication, Callable[[], str]], ...]
    is_guess: bool = True
    build: Callable[[str], Callable[[], WSGIEnvironment]] = _transmits


def report(effort: Effort) -> None:
    """Print the differences, and what follows from them."""
    pairs = [*_build_pairs(), *_build_client_pairs()]
    random.seed(0)
    differences: list[list[float]] = [[] for _ in pairs]
    with logging_to_null_device(), _collecting_between_blocks():
        for _ in range(effort.timing_blocks):
            gc.collect()
            for into, pair in zip(differences, pairs, strict=True):
                into.append(_time_difference(pair))
    results = [_interval(one) for one in differences]

    print("\n### Does the time tell how much of a guess was right?\n")
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


def _build_client_pairs() -> Iterator[Pair]:
    clients = Clients(
        [Client(client_id=_CLIENT, secret_hashes=(hash_secret(TOKEN),))],
    )
    tokens = TokenService(TOKEN, audience=PATH, clients=clients)
    endpoint = TokenEndpoint(clients, tokens)

    def guesses(client_id: str, shared: int) -> Callable[[], str]:
        guess = _guesses(shared, len(TOKEN))
        return lambda: f"{client_id}:{guess()}"

    stranger = (endpoint, guesses(_STRANGER, 0))
    wrong = (endpoint, guesses(_CLIENT, 0))
    half = (endpoint, guesses(_CLIENT, len(TOKEN) // 2))
    again = (endpoint, guesses(_STRANGER, 0))
    yield Pair("noise: unknown client, twice", (stranger, again), build=asks)
    yield Pair("known client, unknown client", (wrong, stranger), build=asks)
    yield Pair("half of its secret right, nothing right", (half, wrong), build=asks)


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


def _time_difference(pair: Pair) -> float:
    """Time both sides of a pair once, in random order; return ns per call."""
    batches = [
        wsgi_batch(application, pair.build(build_token()))
        for application, build_token in pair.sides
    ]
    for batch in batches:
        batch(_CALLS_TO_WARM_UP)
    seconds = [0.0, 0.0]
    # Each as often before the other as after it: to be first costs, whoever it is.
    first, second = random.sample((0, 1), 2)
    for side in (first, second, second, first):
        seconds[side] += batches[side](_CALLS // 2) / _CALLS
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

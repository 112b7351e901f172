"""What another server said of tokens, kept for a short while.

Do not keep a token here: its SHA-256 is enough to know it again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import TypeAlias

from redox_wsgi.authentication.jose.json_web_token import MAX_TOKEN_CHARACTERS
from redox_wsgi.authentication.settings import check_clock, check_seconds
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    InsufficientScope,
    RequestRejected,
)
from redox_wsgi.principal import Principal
from redox_wsgi.request import Request

# How long a refusal is remembered at most: long enough for a flood of one token, too
# short to matter to a sender whose token becomes valid a moment later.
_LONGEST_REFUSAL = timedelta(seconds=5)

# Each of them some hundred bytes; one sender has a handful of tokens.
_MAX_VERDICTS = 1024

_MAX_CACHE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Accepted:
    """A token that proves somebody, until it expires."""

    principal: Principal
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that proves nobody; ``build`` makes the error, a new one every time."""

    build: Callable[[], RequestRejected]


Verdict: TypeAlias = Accepted | Refused


def lacks_scopes(wanted: tuple[str, ...]) -> Refused:
    """Build the refusal of a token that is right, but does not allow what is wanted."""
    scope = " ".join(wanted)
    return Refused(partial(InsufficientScope, "missing-scope", scope=scope))


class _Question:
    """One token that is being asked about; several requests may wait for the answer."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.verdict: Verdict | None = None
        self.fault: AuthenticatorUnavailable | None = None


class Verdicts:
    """Asks about each token once, however many requests bear it.

    Args:
        ask: Asks the other server about a token; what it raises is not kept.
        cache_seconds: How long a principal is kept, in seconds: that long a revoked
            token is still accepted. A refusal is kept for 5 at most; 0 keeps neither.
        wait_seconds: The longest that ``ask`` takes, in seconds.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: ``cache_seconds`` is not 0 to 3600, or ``now`` no clock.
    """

    def __init__(
        self,
        ask: Callable[[str], Verdict],
        *,
        cache_seconds: float,
        wait_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        check_seconds("cache_seconds", cache_seconds, 0, _MAX_CACHE_SECONDS)
        check_clock(now)
        self._ask = ask
        self._kept_for = timedelta(seconds=cache_seconds)
        self._wait_seconds = wait_seconds
        self._now = now
        # Apart, so that a stranger's junk cannot push out what is good.
        self._accepted = _Cache()
        self._refused = _Cache()
        self._asked: dict[tuple[int, bytes], _Question] = {}

    def find(self, request: Request) -> Principal:
        """Return who sent the Bearer token of a request.

        Raises:
            AuthenticationFailed: There is none (code ``NO_CREDENTIALS``), it is
                malformed, or the other server does not know it.
            InsufficientScope: It does not allow this.
            AuthenticatorUnavailable: The other server did not tell.
        """
        token = request.bearer_token()
        if token is None:
            raise AuthenticationFailed(NO_CREDENTIALS)
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise AuthenticationFailed("malformed-token")
        digest = sha256(token.encode("ascii")).digest()
        verdict = self._look_up(digest) or self._ask_once(token, digest)
        if isinstance(verdict, Refused):
            raise verdict.build()
        return verdict.principal

    def _look_up(self, digest: bytes) -> Verdict | None:
        now = self._now()
        return self._accepted.find(digest, now) or self._refused.find(digest, now)

    def _ask_once(self, token: str, digest: bytes) -> Verdict:
        # Without a lock: setdefault lets one of several threads win. The process, since
        # a question of the parent would never end in a forked child.
        mine = _Question()
        name = (os.getpid(), digest)
        question = self._asked.setdefault(name, mine)
        if question is mine:
            try:
                # It may have been answered between the look-up and the line above.
                question.verdict = self._look_up(digest) or self._ask_now(token, digest)
            except AuthenticatorUnavailable as fault:
                question.fault = fault
                raise
            finally:
                del self._asked[name]
                question.done.set()
            return question.verdict
        question.done.wait(self._wait_seconds)
        if question.verdict is not None:
            return question.verdict
        code = "verdict-timed-out" if question.fault is None else question.fault.code
        raise AuthenticatorUnavailable(code)

    def _ask_now(self, token: str, digest: bytes) -> Verdict:
        verdict = self._ask(token)
        now = self._now()
        if isinstance(verdict, Refused):
            until = now + min(self._kept_for, _LONGEST_REFUSAL)
            self._refused.keep(digest, now, until, verdict)
        else:
            until = now + self._kept_for
            until = min(until, verdict.expires_at or until)
            self._accepted.keep(digest, now, until, verdict)
        return verdict


class _Cache:
    """A bounded dictionary whose entries have an end. No lock, whatever interleaves."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[datetime, datetime, Verdict]] = {}

    def find(self, digest: bytes, now: datetime) -> Verdict | None:
        entry = self._entries.get(digest)
        # Both bounds: a clock that was set back must not prolong anything.
        if entry is None or not entry[0] <= now < entry[1]:
            return None
        return entry[2]

    def keep(
        self, digest: bytes, now: datetime, until: datetime, verdict: Verdict
    ) -> None:
        if len(self._entries) >= _MAX_VERDICTS:
            # The oldest quarter: list() is one step, iterating beside others is not.
            for old in list(self._entries)[: _MAX_VERDICTS // 4]:
                self._entries.pop(old, None)
        self._entries[digest] = (now, until, verdict)

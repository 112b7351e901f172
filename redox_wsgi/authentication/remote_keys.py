"""The public keys that an issuer publishes at an address, kept and renewed.

One rule stands behind everything here: a known key is answered from an immutable
snapshot, without a lock, and one thread at a time fetches the next one. Do not take the
address out of a token (``jku``): whoever chooses it chooses the keys.
"""

from __future__ import annotations

import logging
import math
import os
import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from redox_wsgi.authentication.keys import (
    VerificationKey,
    check_jwt_is_installed,
    check_rsa_algorithm,
    parse_key_set,
)
from redox_wsgi.authentication.outgoing.fetching import DEFAULT_TIMEOUT_SECONDS, Fetcher
from redox_wsgi.authentication.outgoing.snapshot import (
    MIN_LIFETIME,
    Snapshot,
    read_lifetime,
)
from redox_wsgi.authentication.settings import check_clock, check_seconds
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import AuthenticationFailed, AuthenticatorUnavailable

if TYPE_CHECKING:
    import ssl

_MAX_BYTES = 256 * 1024

# Anybody can name a key that does not exist: so often may that cause a fetch.
_UNKNOWN_KEY_PAUSE_SECONDS = 30

_MAX_STALE_SECONDS = 30 * 24 * 3600

# Where no set may outlive what its server says, that is taken at its word, down to
# what those need who wait for a fetch.
_MIN_STRICT_LIFETIME = timedelta(seconds=5)

# After the first failure, and never more; both less what chance takes off.
_FIRST_PAUSE_SECONDS = 5
_MAX_PAUSE_SECONDS = 300

# Redox comes again at once and then after 10 s.
_MIN_RETRY_AFTER_SECONDS = 10

_OK = 200

_logger = logging.getLogger("redox_wsgi")


class RemoteKeySet:
    """Public keys out of a JWK set that is fetched when it is needed.

    Nothing is fetched while it is built, so it may be built before a server forks: each
    process fetches at its first request. While the server of the set cannot be reached,
    the last set stays in use.

    Args:
        url: Where the set is, an ``https`` address (``http`` on this host only).
        rsa_algorithm: What RSA keys without ``alg`` serve.
        stale_if_error_seconds: How long beyond its lifetime a set is used if no newer
            one can be had, in seconds; 0 for the keys of a client that registers here,
            which are then kept no longer than their server says.
        timeout_seconds: The longest that one fetch takes, in seconds, and the longest
            that a request waits for one.
        proxy: The address of a proxy for the way out; see ``Fetcher``.
        tls: Trusts something else than the certificates of this system.
        now: The clock: aware, in UTC.
        random: Returns a number from 0 to 1, for what should differ between processes.

    Raises:
        ConfigurationError: A setting is wrong, or PyJWT is not installed.

    Spec:
        https://www.rfc-editor.org/rfc/rfc7517#section-5
    """

    def __init__(
        self,
        url: str,
        *,
        rsa_algorithm: str = "RS256",
        stale_if_error_seconds: float = 24 * 3600,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        proxy: str | None = None,
        tls: ssl.SSLContext | None = None,
        now: Callable[[], datetime] = utc_now,
        random: Callable[[], float] = random.random,
    ) -> None:
        check_jwt_is_installed()
        check_rsa_algorithm(rsa_algorithm)
        check_seconds(
            "stale_if_error_seconds", stale_if_error_seconds, 0, _MAX_STALE_SECONDS
        )
        check_clock(now)
        self._fetcher = Fetcher(
            url,
            "key-set",
            max_bytes=_MAX_BYTES,
            timeout_seconds=timeout_seconds,
            proxy=proxy,
            tls=tls,
        )
        self._rsa_algorithm = rsa_algorithm
        self._stale_if_error = timedelta(seconds=stale_if_error_seconds)
        self._min_lifetime = (
            MIN_LIFETIME if self._stale_if_error else _MIN_STRICT_LIFETIME
        )
        self._now = now
        self._random = random
        self._snapshot: Snapshot | None = None
        self._processes: dict[int, _Process] = {}

    def get(self, key_id: str | None) -> VerificationKey:
        """Return the key with this ID; see ``KeySet``.

        A known key is returned at once, save in three cases: nothing was fetched yet;
        nobody has asked for so long that a whole lifetime has passed since the set
        should have been renewed; or it may not be used longer without being renewed.

        Raises:
            AuthenticationFailed: The set has no such key (code ``unknown-key``), and
                another look would come too early to be allowed.
            AuthenticatorUnavailable: The set cannot be had; or it is an old one without
                that key, and no newer one can be had.
        """
        snapshot = self._snapshot
        now = self._now()
        if snapshot is not None and snapshot.is_fresh(now):
            key = snapshot.keys.get(key_id)
            if key is not None:
                return key
        return self._find(key_id, now)

    def load(self) -> None:
        """Fetch the set unless there is one, and wait for it.

        For a server's hook that runs after the fork, so that no request has to wait.

        Raises:
            AuthenticatorUnavailable: The set cannot be had.
        """
        if self._usable(self._now()) is None:
            process = self._process()
            self._wait(self._start(process, 0))
            if self._usable(self._now()) is None:
                raise self._unavailable(process)

    def _find(self, key_id: str | None, now: datetime) -> VerificationKey:
        process = self._process()
        snapshot = self._usable(now)
        pause = 0
        if snapshot is not None:
            key = snapshot.keys.get(key_id)
            if key is None:
                pause = _UNKNOWN_KEY_PAUSE_SECONDS
            elif now < snapshot.overdue_at or process.failures:
                self._start(process, 0)
                return key
        is_settled = self._wait(self._start(process, pause))
        snapshot = self._usable(self._now())
        key = None if snapshot is None else snapshot.keys.get(key_id)
        if key is not None:
            return key
        # Only the newest set can tell that a key does not exist.
        if snapshot is not None and is_settled and not process.failures:
            raise AuthenticationFailed("unknown-key")
        raise self._unavailable(process)

    def _usable(self, now: datetime) -> Snapshot | None:
        snapshot = self._snapshot
        return None if snapshot is None or now >= snapshot.unusable_at else snapshot

    def _process(self) -> _Process:
        # A lock or a running fetch of the parent would never end in a forked child.
        process = self._processes.get(os.getpid())
        return process or self._processes.setdefault(os.getpid(), _Process())

    def _start(self, process: _Process, pause_seconds: float) -> threading.Event | None:
        """Return the end of the fetch that runs, begun if need be.

        None if the last one is not long enough ago: by ``pause_seconds``, or because it
        failed, or because what it brought is fresh.
        """
        with process.lock:
            if process.running is not None:
                return process.running
            # Looked at again: while this thread came here, another may have fetched.
            now, snapshot = self._now(), self._snapshot
            if snapshot is not None and snapshot.is_fresh(now):
                pause_seconds = _UNKNOWN_KEY_PAUSE_SECONDS
            pause = timedelta(seconds=max(pause_seconds, process.pause_seconds))
            # Both bounds: a clock that was set back must not stop the fetching.
            if process.tried_at is not None and (
                process.tried_at <= now < process.tried_at + pause
            ):
                return None
            done = process.running = threading.Event()
        # Not in the thread of the request: it has a known key and need not wait.
        thread = threading.Thread(
            target=self._renew, args=(process, done), daemon=True, name="redox-key-set"
        )
        try:
            thread.start()
        except RuntimeError:
            self._end(process, done, "key-set-no-thread")
        return done

    def _wait(self, done: threading.Event | None) -> bool:
        return done is None or done.wait(self._fetcher.timeout_seconds)

    def _renew(self, process: _Process, done: threading.Event) -> None:
        code: str | None = "key-set-malformed"
        try:
            self._snapshot = self._fetch()
            code = None
        except AuthenticatorUnavailable as failure:
            code = failure.code
        # Whatever two libraries make of a stranger's bytes: the old set stays.
        except Exception as error:
            _logger.debug("A key set cannot be parsed: %s", type(error).__name__)
        finally:
            self._end(process, done, code)

    def _end(self, process: _Process, done: threading.Event, code: str | None) -> None:
        with process.lock:
            process.tried_at = self._now()
            process.failures = 0 if code is None else process.failures + 1
            process.pause_seconds = self._pause_after(process.failures)
            process.code = code or process.code
            process.running = None
        done.set()
        if code is not None:
            _logger.warning(
                "A key set could not be fetched (%s), %d times in a row; the next try "
                "is in %d s.",
                code,
                process.failures,
                process.pause_seconds,
            )

    def _pause_after(self, failures: int) -> float:
        if not failures:
            return 0
        # Bounded before the power is taken: an outage may last for days.
        doubled = _FIRST_PAUSE_SECONDS << min(failures - 1, 10)
        return min(doubled, _MAX_PAUSE_SECONDS) * (1 - self._random() / 2)

    def _fetch(self) -> Snapshot:
        answer = self._fetcher.get()
        if answer.status != _OK:
            raise self._fetcher.fault("bad-status")
        keys = parse_key_set(answer.body, rsa_algorithm=self._rsa_algorithm)
        return Snapshot.build(
            keys,
            self._now(),
            read_lifetime(answer.headers, self._min_lifetime),
            stale_if_error=self._stale_if_error,
            random=self._random,
        )

    def _unavailable(self, process: _Process) -> AuthenticatorUnavailable:
        return AuthenticatorUnavailable(
            process.code,
            retry_after_seconds=max(
                _MIN_RETRY_AFTER_SECONDS, math.ceil(process.pause_seconds)
            ),
        )


class _Process:
    """What one process knows of its fetches."""

    def __init__(self) -> None:
        # Held for a few instructions, never while something is fetched.
        self.lock = threading.Lock()
        self.running: threading.Event | None = None
        self.tried_at: datetime | None = None
        self.failures = 0
        self.pause_seconds: float = 0
        self.code = "key-set-timed-out"

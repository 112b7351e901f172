"""One key set as it was fetched, and until when it serves for what."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from redox_wsgi.authentication.keys import VerificationKey

# How long a set is used if its server does not say so, and the bounds of what it says:
# shorter would ask without need, longer would trust a withdrawn key for a day.
_DEFAULT_LIFETIME = timedelta(seconds=300)
MIN_LIFETIME = timedelta(seconds=60)
_MAX_LIFETIME = timedelta(seconds=3600)

# A set is renewed in the last tenth of its lifetime, so that processes that began at
# one moment do not ask at one moment.
_JITTER = 0.1

_MAX_AGE = re.compile(r'(?:^|[\s,])max-age="?([0-9]{1,9})', re.IGNORECASE)
_NOT_KEPT = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,])", re.IGNORECASE)
_AGE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The keys of one fetch; nothing of it ever changes.

    Attributes:
        keys: By ``kid``; under None what a token without one gets, the only key or
            None.
        fetched_at: When it came.
        renewed_at: From when on a newer one is fetched, while this one serves.
        overdue_at: From when on a request waits for the newer one.
        unusable_at: From when on this one serves no more, whatever happens.
    """

    keys: Mapping[str | None, VerificationKey | None]
    fetched_at: datetime
    renewed_at: datetime
    overdue_at: datetime
    unusable_at: datetime

    @classmethod
    def build(
        cls,
        keys: Mapping[str | None, VerificationKey],
        fetched_at: datetime,
        lifetime: timedelta,
        *,
        stale_if_error: timedelta,
        random: Callable[[], float],
    ) -> Self:
        """Build the snapshot of a set that came just now.

        Args:
            keys: As ``parse_key_set`` returns them.
            fetched_at: Now.
            lifetime: How long its server lets it be used.
            stale_if_error: How much longer it is used if no newer one can be had.
            random: Returns a number from 0 to 1.
        """
        only = next(iter(keys.values())) if len(keys) == 1 else None
        expires_at = fetched_at + lifetime
        return cls(
            {**keys, None: only},
            fetched_at,
            expires_at - _JITTER * random() * lifetime,
            expires_at + min(lifetime, stale_if_error),
            expires_at + stale_if_error,
        )

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether no newer one is due; not so if the clock was set back."""
        return self.fetched_at <= now < self.renewed_at


def read_lifetime(
    headers: Mapping[str, str], least: timedelta = MIN_LIFETIME
) -> timedelta:
    """Read for how long an answer may be used, within our bounds.

    Args:
        headers: By name in lower case.
        least: The shortest time returned, for an answer too that may not be kept.

    Spec:
        https://www.rfc-editor.org/rfc/rfc9111#section-4.2

    Example:
        >>> str(read_lifetime({"cache-control": "public, max-age=600", "age": "60"}))
        '0:09:00'
    """
    cache_control = headers.get("cache-control", "")
    if _NOT_KEPT.search(cache_control):
        return least
    announced = _MAX_AGE.search(cache_control)
    if announced is None:
        return _DEFAULT_LIFETIME
    age = headers.get("age", "")
    spent = int(age) if _AGE.fullmatch(age) else 0
    remaining = timedelta(seconds=int(announced[1]) - spent)
    return max(least, min(remaining, _MAX_LIFETIME))

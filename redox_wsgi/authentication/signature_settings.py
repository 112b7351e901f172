"""The settings that all signatures by a shared secret have, checked while building.

Do not put a refused secret into a sentence: it may be the real one, with a blank pasted
behind.
"""

from __future__ import annotations

import logging
import re
from datetime import timedelta

from redox_wsgi.errors import ConfigurationError

# Pasted white space is a known cause of failed verifications.
_VISIBLE_ASCII = re.compile(r"[!-~]+")

# RFC 2104 section 3: less than the length of the hash makes an HMAC weaker. Redox
# makes up some of these secrets, so a short one is no reason to refuse to start.
_SHORT_BYTES = 32

# AWS itself allows 5 minutes for most services and 15 for the family of S3.
_LONGEST_SKEW_SECONDS = 900

_logger = logging.getLogger("redox_wsgi")


def read_secret(secret: object, name: str) -> bytes:
    """Check a secret and return its bytes; a short one warns.

    Args:
        secret: Visible ASCII text, or any bytes.
        name: What a sentence calls it, such as "The secret with index 0".

    Raises:
        ConfigurationError: It is empty, neither text nor bytes, or text with white
            space, a control character or one outside ASCII.
    """
    if isinstance(secret, str) and _VISIBLE_ASCII.fullmatch(secret):
        key = secret.encode("ascii")
    elif isinstance(secret, bytes) and secret:
        key = secret
    else:
        raise ConfigurationError(
            f"{name} is empty, or holds white space or a character outside ASCII: give "
            "visible ASCII text, or bytes."
        )
    if len(key) < _SHORT_BYTES:
        _logger.warning(
            "%s has fewer than %d bytes: too easy to guess for whoever sees one "
            "signature.",
            name,
            _SHORT_BYTES,
        )
    return key


def read_max_skew(seconds: object) -> timedelta:
    """Return how far a clock may be away.

    Raises:
        ConfigurationError: It is no number of seconds from 1 to 900.
    """
    if isinstance(seconds, bool) or not (
        isinstance(seconds, int) and 1 <= seconds <= _LONGEST_SKEW_SECONDS
    ):
        raise ConfigurationError(
            f"max_skew is a number of seconds from 1 to {_LONGEST_SKEW_SECONDS}."
        )
    return timedelta(seconds=seconds)

"""Who was proved to have sent a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Principal:
    """Who was proved to have sent a request, and how.

    Attributes:
        scheme: The auth strategy, such as ``verification-token``.
        subject: Whom it proved: a client ID, or the label of a verification token.
        scopes: What the credentials allow.
        claims: What else the credentials say.
    """

    scheme: str
    subject: str = field(repr=False)
    scopes: frozenset[str] = field(default=frozenset(), repr=False)
    claims: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}), repr=False
    )

"""Who may send: one file a strategy, all behind one protocol."""

from __future__ import annotations

from redox_wsgi.authentication.authenticator import Authenticator
from redox_wsgi.authentication.combined import AllOf, AnyOf
from redox_wsgi.authentication.verification_token import VerificationToken
from redox_wsgi.principal import Principal

__all__ = ["AllOf", "AnyOf", "Authenticator", "Principal", "VerificationToken"]

"""Bad at telling who sends."""

from __future__ import annotations

import hmac
from typing import Any

from tests.gallery.right import LIMIT_BYTES, Answer, RightEndpoint


class ChecksTheChallengeOnly(RightEndpoint):
    """Pitfall 2: the token is asked for once, and never again."""

    FAILS = (
        "token-wrong",
        "token-none",
        "token-empty",
        "token-case",
        "token-non-ascii",
        "token-very-long",
        "token-doubled",
        "token-in-query",
    )
    WARNS = ("token-one-wrong",)

    verification_bytes = LIMIT_BYTES

    def may_send(self, tokens: list[str]) -> bool:
        """Let everybody."""
        return True


class OpenWhileUnset(RightEndpoint):
    """Pitfall 3: ``headers.get(T, "") != environ.get(T, "")`` without the variable."""

    FAILS = (
        "verification-by-post",
        "verification-by-get",
        "verification-by-old-get",
        "verification-reordered",
        "challenge-no-token",
        "challenge-empty-token",
        "token-both",
        "token-header-only",
        "token-none",
        "token-empty",
        "token-in-query",
    )
    WARNS = ("token-bearer-only",)

    token = ""

    def read_tokens(self, environ: Any) -> list[str]:
        """An absent token is an empty one."""
        return super().read_tokens(environ) or [""]


class ComparesText(RightEndpoint):
    """Pitfall 5: ``compare_digest`` raises on text beyond ASCII: a 500."""

    FAILS = ("token-non-ascii",)

    def is_right(self, token: str) -> bool:
        """Compare as the example in the manual does."""
        return hmac.compare_digest(token, self.token)


class IgnoresCase(RightEndpoint):
    """Header values compared as header names are."""

    FAILS = (
        "token-case",
        "challenge-token-case",
    )

    def is_right(self, token: str) -> bool:
        """Compare in lower case."""
        return token.lower() == self.token.lower()


class ComparesPrefixes(RightEndpoint):
    """A proxy's ``~ "^token"``: what begins rightly is right."""

    FAILS = (
        "token-wrong",
        "token-doubled",
    )

    def is_right(self, token: str) -> bool:
        """Look at the beginning."""
        return token.startswith(self.token)


class TakesTheFirstOfTwo(RightEndpoint):
    """Pitfall of proxies: one judges by the first header, one by the last."""

    FAILS = ("token-doubled",)

    def read_tokens(self, environ: Any) -> list[str]:
        """Cut what the server joined."""
        return [token.split(",")[0] for token in super().read_tokens(environ)]


class TakesTheLastOfTwo(RightEndpoint):
    """The same, for the one who judges by the last."""

    FAILS = ("token-doubled",)

    def read_tokens(self, environ: Any) -> list[str]:
        """Cut what the server joined."""
        return [token.split(",")[-1] for token in super().read_tokens(environ)]


class TakesTheTokenFromTheQuery(RightEndpoint):
    """Pitfall 7: a token that stands in every access log."""

    FAILS = ("token-in-query",)

    def read_tokens(self, environ: Any) -> list[str]:
        """Look into the query too."""
        query = self.read_query(environ)
        is_sent = "verification-token" in query and "challenge" not in query
        more = [query["verification-token"]] if is_sent else []
        return [*super().read_tokens(environ), *more]


class DemandsASignature(RightEndpoint):
    """Pitfall 10: invented authentication refuses every real transmission."""

    FAILS = (
        "token-both",
        "token-header-only",
    )
    WARNS = (
        "verification-by-post",
        "token-bearer-only",
    )

    def may_send(self, tokens: list[str]) -> bool:
        """Wait for ``X-Redox-Signature``."""
        return False


class OverlooksBearer(RightEndpoint):
    """No fault that stops anything: the older of two headers alone."""

    WARNS = (
        "token-bearer-only",
        "token-one-wrong",
    )

    def read_tokens(self, environ: Any) -> list[str]:
        """Read the one header."""
        header = environ.get("HTTP_VERIFICATION_TOKEN")
        return [] if header is None else [header]


class SendsStrangersToTheLogin(RightEndpoint):
    """A framework's ``login_required`` in front of everything: 302, never 401."""

    FAILS = (
        "challenge-wrong-token",
        "challenge-no-token",
        "challenge-empty-token",
        "challenge-token-case",
        "token-one-wrong",
        "token-wrong",
        "token-none",
        "token-empty",
        "token-case",
        "token-non-ascii",
        "token-very-long",
        "token-doubled",
        "token-in-query",
        "body-limit",
    )

    def refuse(self, environ: Any) -> Answer:
        """Ask for a password."""
        return Answer(302, b"", {"Location": "/login"})

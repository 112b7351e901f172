"""Bad at being verified."""

from __future__ import annotations

from typing import Any

from tests.gallery.right import Answer, RightEndpoint, read_json


class EchoesWithoutChecking(RightEndpoint):
    """Pitfall 1: anybody "verifies"."""

    FAILS = (
        "challenge-wrong-token",
        "challenge-no-token",
        "challenge-empty-token",
        "challenge-token-case",
    )

    def verify(self, tokens: list[str], request: Any, environ: Any) -> Answer:
        """Check nothing."""
        return self.echo(request["challenge"])


class ReflectsAPage(RightEndpoint):
    """Pitfall 1: the framework's default type makes the challenge a page."""

    FAILS = ("challenge-as-html",)
    WARNS = (
        "challenge-content-type",
        "challenge-nosniff",
    )

    def echo(self, challenge: str) -> Answer:
        """Answer as ``return request.args["challenge"]`` does."""
        return Answer(200, challenge.encode(), {"Content-Type": "text/html"})


class KnowsTheOldGetOnly(RightEndpoint):
    """Pitfall 11: neither POST, Redox's default, nor the newer GET."""

    FAILS = (
        "verification-by-post",
        "verification-by-get",
        "verification-reordered",
    )

    def read_query(self, environ: Any) -> dict[str, str]:
        """Overlook the token."""
        query = super().read_query(environ)
        query.pop("verification-token", None)
        return query

    def is_verification(self, payload: Any) -> bool:
        """Take every POST for a transmission."""
        return False


class KnowsPostOnly(RightEndpoint):
    """Pitfall 11: neither form of GET."""

    FAILS = (
        "verification-by-get",
        "verification-by-old-get",
        "verification-reordered",
    )

    def verify_by_get(
        self, query: dict[str, str], tokens: list[str], environ: Any
    ) -> Answer:
        """Refuse the method."""
        return self.answer_other_method("GET")


class CutsTheQueryByPosition(RightEndpoint):
    """Pitfall 21: right only while the challenge comes first."""

    FAILS = ("verification-reordered",)

    def verify_by_get(
        self, query: dict[str, str], tokens: list[str], environ: Any
    ) -> Answer:
        """Take the 36 characters after ``challenge=``."""
        cut = query | {"challenge": environ["QUERY_STRING"][10:46]}
        return super().verify_by_get(cut, tokens, environ)


class TakesDataForAVerification(RightEndpoint):
    """Pitfall 14: whatever has a challenge is answered, and thrown away."""

    FAILS = ("challenge-in-payload",)

    def is_verification(self, payload: Any) -> bool:
        """Look for the key alone."""
        return isinstance(payload, dict) and "challenge" in payload


class EchoesWhatTheHeaderProved(RightEndpoint):
    """Pitfall 14: the same, where the header is asked and the body's token is not."""

    FAILS = ("challenge-in-payload",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Look for the key alone."""
        payload = read_json(body)
        if isinstance(payload, dict) and "challenge" in payload:
            return self.echo(payload["challenge"])
        return Answer(200)

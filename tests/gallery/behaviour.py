"""Bad at what happens over several requests."""

from __future__ import annotations

from typing import Any

from tests.gallery.right import Answer, RightEndpoint, read_json


class RefusesDuplicates(RightEndpoint):
    """Pitfall 16: a unique index, and a 409 that never ends."""

    FAILS = ("duplicate-delivery",)

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Look for the log ID."""
        payload = read_json(body)
        meta = payload.get("Meta", {}) if isinstance(payload, dict) else {}
        logs = meta.get("Logs") or [{"ID": None}]
        if logs[0]["ID"] in self.seen:
            return Answer(409)
        self.seen |= {log["ID"] for log in logs if log["ID"]}
        return Answer(200)


class RefusesRetries(RightEndpoint):
    """Pitfall 16: the same bytes are known, the same log in other bytes is an error."""

    FAILS = ("duplicate-delivery",)

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Compare with what came under this log ID."""
        payload = read_json(body)
        meta = payload.get("Meta", {}) if isinstance(payload, dict) else {}
        log_id = (meta.get("Logs") or [{"ID": ""}])[0]["ID"]
        known = self.bodies.setdefault(log_id, body) if log_id else body
        return Answer(200 if known == body else 409)


class KnowsOneSource(RightEndpoint):
    """Feeds after the first are not expected."""

    FAILS = ("several-subscriptions",)

    source = None

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Remember the first source."""
        payload = read_json(body)
        meta = payload.get("Meta", {}) if isinstance(payload, dict) else {}
        source = (meta.get("Source") or {}).get("ID")
        self.source = self.source or source
        return Answer(200 if source in (None, self.source) else 503)


class CrashesOnOtherMethods(RightEndpoint):
    """Pitfall 20: a slip in the branch that nobody tried."""

    FAILS = ("other-methods",)

    def answer_other_method(self, method: str) -> Answer:
        """Misspell."""
        return Answer(405 if method in ("GET", "HEAD") else 500)


class HangsUpOnOtherMethods(RightEndpoint):
    """Pitfall 20: a branch without any answer."""

    FAILS = ("other-methods",)

    def answer_other_method(self, method: str) -> Answer:
        """Answer what browsers send."""
        if method not in ("GET", "HEAD"):
            raise ConnectionAbortedError
        return Answer(405)


class Moves(RightEndpoint):
    """Another address is meant; Redox does not follow."""

    FAILS = ("no-redirect",)

    def respond(self, environ: Any) -> Answer:
        """Add a slash, as frameworks do."""
        return Answer(308, b"", {"Location": environ["PATH_INFO"] + "/"})


class ClosesWithoutAnswer(RightEndpoint):
    """Pitfall 20: no reply at all, to anybody."""

    FAILS = ("reachable",)

    def respond(self, environ: Any) -> Answer:
        """Raise what makes the server close the connection."""
        raise ConnectionAbortedError

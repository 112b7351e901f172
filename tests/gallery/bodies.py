"""Bad at reading bodies."""

from __future__ import annotations

from typing import Any

from tests.gallery.right import Answer, RightEndpoint


class ReadsByLengthAlone(RightEndpoint):
    """WSGI fact: a chunked body has no length, and so seems to be empty."""

    FAILS = ("chunked-body",)

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Take an absent length for 0."""
        environ.pop("wsgi.input_terminated", None)
        return super().read(environ, limit_bytes)


class StopsAtOneMegabyte(RightEndpoint):
    """Pitfall 19, the other way round: a proxy's default refuses the first scan."""

    FAILS = ("megabyte-body",)

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Limit to 1 MiB."""
        return super().read(environ, min(limit_bytes, 1024 * 1024))


class StopsAtTenMegabytes(RightEndpoint):
    """The limit of many a gateway: pictures pass, documents do not."""

    FAILS = ("large-body",)
    LARGE = True

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Limit to 10 MB."""
        return super().read(environ, min(limit_bytes, 10_000_000))


class HasNoLimit(RightEndpoint):
    """Pitfall 19: reads whatever is announced, from anybody."""

    FAILS = ("body-limit",)

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Read until there is no more."""
        if environ.get("wsgi.input_terminated"):
            return super().read(environ, limit_bytes)
        left = int(environ.get("CONTENT_LENGTH") or 0)
        pieces = []
        while left and (piece := environ["wsgi.input"].read(min(left, 65536))):
            pieces.append(piece)
            left -= len(piece)
        return Answer(400) if left else b"".join(pieces)


class KeepsHalves(RightEndpoint):
    """Pitfall 14: half a message is taken for a whole one."""

    FAILS = ("truncated-body",)

    def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
        """Do not count."""
        body = super().read(environ, limit_bytes)
        return b"{}" if body == Answer(400) else body

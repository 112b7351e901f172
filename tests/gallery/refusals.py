"""Bad at refusing."""

from __future__ import annotations

import io
from typing import Any

from tests.gallery.right import (
    LIMIT_BYTES,
    TOKEN,
    Answer,
    RightEndpoint,
    read_json,
)


class TellsTheToken(RightEndpoint):
    """Pitfall 6: the 401 names the expected secret."""

    FAILS = ("refusal-secret",)

    def refuse(self, environ: Any) -> Answer:
        """Help whoever debugs."""
        return Answer(401, f"expected \x1b[31m{TOKEN}\x1b[0m".encode())


class NamesTheWrongHeader(RightEndpoint):
    """Pitfall 6: the 401 says which header was wrong."""

    FAILS = ("refusal-equal",)

    def refuse(self, environ: Any) -> Answer:
        """Help whoever guesses."""
        header = environ.get("HTTP_VERIFICATION_TOKEN")
        is_header_right = header is None or self.is_right(header)
        return Answer(401, b"bad bearer" if is_header_right else b"bad header")


class TellsAbsentFromWrong(RightEndpoint):
    """Another answer without a token than with a wrong one."""

    FAILS = ("refusal-equal",)

    def refuse(self, environ: Any) -> Answer:
        """Say what is the matter."""
        is_absent = not self.read_tokens(environ)
        return Answer(401, b"no token" if is_absent else b"wrong token")


class CountsItsRefusals(RightEndpoint):
    """No fault: what differs in two answers is the number of the request."""

    count = 0

    def refuse(self, environ: Any) -> Answer:
        """Number the answer."""
        self.count += 1
        return Answer(401, f"request {self.count:08x} refused".encode())


class HidesBehindNotFound(RightEndpoint):
    """No fault that stops anything: a status that people do not look for."""

    WARNS = ("refusal-status",)

    def refuse(self, environ: Any) -> Answer:
        """Pretend to be nobody."""
        return Answer(404)


class RefusesWithSuccess(RightEndpoint):
    """Pitfall 14: an error page with status 200."""

    FAILS = (
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
    WARNS = (
        "challenge-wrong-token",
        "challenge-no-token",
        "challenge-empty-token",
        "challenge-token-case",
        "token-one-wrong",
    )

    def refuse(self, environ: Any) -> Answer:
        """Say it in words only."""
        return Answer(200, b"error: wrong token")


class HangsUpOnStrangers(RightEndpoint):
    """Pitfall 20: no ``return`` of an answer where the token is wrong."""

    FAILS = (
        "challenge-wrong-token",
        "challenge-no-token",
        "challenge-empty-token",
        "challenge-token-case",
        "challenge-as-html",
        "token-one-wrong",
        "token-wrong",
        "token-none",
        "token-empty",
        "token-case",
        "token-non-ascii",
        "token-very-long",
        "token-doubled",
        "token-in-query",
    )

    def refuse(self, environ: Any) -> Answer:
        """Raise what makes the server close the connection."""
        raise ConnectionAbortedError


class ParsesBeforeAsking(RightEndpoint):
    """Pitfall 18: a global body parser answers strangers."""

    FAILS = (
        "refusal-before-reading",
        "not-json",
    )

    def respond(self, environ: Any) -> Answer:
        """Parse first."""
        if environ.get("CONTENT_TYPE") == "application/json":
            body = self.read(environ, LIMIT_BYTES)
            if isinstance(body, Answer):
                return body
            if body and read_json(body) is None:
                return Answer(400, b"not JSON")
            environ["wsgi.input"] = io.BytesIO(body)
        return super().respond(environ)

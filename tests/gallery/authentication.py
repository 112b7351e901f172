"""Bad at verifying a linked auth credential: each in one place."""

from __future__ import annotations

import hmac
import time
from collections.abc import Set
from typing import Any, ClassVar

from jwt import PyJWK

from tests.gallery.linked import (
    HMAC_SECRET,
    AwsEndpoint,
    HmacEndpoint,
    JwtAccessTokenEndpoint,
    JwtEndpoint,
    OAuthEndpoint,
    Refused,
    SmartEndpoint,
    SmartTokens,
    Tokens,
    check_es384,
    list_public_secrets,
)
from tests.gallery.right import Answer
from tests.support.jose import decode, make_key


class RefusesTheTokenBeside(JwtEndpoint):
    """One credential or the other, never both."""

    FAILS = ("linked-and-token",)

    def check_head(self, environ: Any) -> None:
        """Insist on one."""
        if "HTTP_VERIFICATION_TOKEN" in environ:
            raise Refused
        super().check_head(environ)


class IgnoresTheTokenBeside(JwtEndpoint):
    """Wherever a credential is linked, the token is not looked at."""

    WARNS = ("linked-wrong-token",)
    FAILS = ()

    def respond_to_post(self, environ: Any, tokens: list[str]) -> Answer:
        """Forget a token beside a credential."""
        is_linked = "HTTP_AUTHORIZATION" in environ and "ey" in read_any(environ)
        return super().respond_to_post(environ, [] if is_linked else tokens)


def read_any(environ: Any) -> str:
    """Read the header, whatever it is."""
    return str(environ.get("HTTP_AUTHORIZATION", ""))


class TakesTheTokenAlone(JwtEndpoint):
    """Linked, and not demanded."""

    WARNS = ("linked-missing",)

    def check_head(self, environ: Any) -> None:
        """Take either."""
        if not self.is_right(environ.get("HTTP_VERIFICATION_TOKEN", "")):
            super().check_head(environ)


class RaisesForStrangeCharacters(JwtEndpoint):
    """Encodes what it was sent as ASCII, before it looks."""

    FAILS = ("linked-malformed", "jwt-malformed")

    def check_head(self, environ: Any) -> None:
        """Assume ASCII."""
        read_any(environ).encode("ascii")
        super().check_head(environ)


class TakesTheFirstOfTwoCredentials(JwtEndpoint):
    """Cuts what the server joined."""

    FAILS = ("linked-doubled", "linked-malformed")

    def check_head(self, environ: Any) -> None:
        """Cut."""
        super().check_head({"HTTP_AUTHORIZATION": read_any(environ).split(",")[0]})


class TakesTheAccessTokenFromTheQuery(JwtEndpoint):
    """RFC 6750 section 2.3, which nobody should use."""

    FAILS = ("linked-in-query",)

    def check_head(self, environ: Any) -> None:
        """Look into the query too."""
        token = self.read_query(environ).get("access_token")
        more = {} if token is None else {"HTTP_AUTHORIZATION": f"Bearer {token}"}
        super().check_head(environ | more)


class SaysWhatWasWrong(JwtEndpoint):
    """Tells an absent credential from a wrong one."""

    FAILS = ("linked-equal",)

    def refuse(self, environ: Any) -> Answer:
        """Help whoever guesses."""
        return Answer(401, b"wrong" if "ey" in read_any(environ) else b"missing")


class IgnoresExpiry(JwtEndpoint):
    """A library's ``verify_exp=False``."""

    FAILS = ("jwt-expired", "jwt-strange-expiry")
    WARNS = ("jwt-long-lived",)

    class tokens(Tokens):
        def check_times(self, claims: dict[str, Any]) -> None:
            if claims.get("nbf", 0) > time.time() + self.leeway:
                raise Refused


class IgnoresNotBefore(JwtEndpoint):
    """Half of the times."""

    FAILS = ("jwt-not-yet-valid",)

    class tokens(Tokens):
        def check_times(self, claims: dict[str, Any]) -> None:
            super().check_times(claims | {"nbf": 0})


class IgnoresAudience(JwtEndpoint):
    """A library's ``verify_aud=False``."""

    FAILS = ("jwt-wrong-audience",)

    class tokens(Tokens):
        def check_audience(self, claims: dict[str, Any]) -> None:
            pass


class SearchesTheAudience(JwtEndpoint):
    """``audience in claims["aud"]``, of two texts."""

    FAILS = ("jwt-wrong-audience",)

    class tokens(Tokens):
        def check_audience(self, claims: dict[str, Any]) -> None:
            if self.audience not in (claims.get("aud") or ""):
                raise Refused


class IgnoresIssuer(JwtEndpoint):
    """Any issuer that shares the key set."""

    FAILS = ("jwt-wrong-issuer",)

    class tokens(Tokens):
        def check_issuer(self, claims: dict[str, Any]) -> None:
            pass


class TakesUnsigned(JwtEndpoint):
    """The famous one."""

    FAILS = ("jwt-alg-none",)

    class tokens(Tokens):
        def is_token(self, token: str) -> bool:
            return super().is_token(token + "x" if token.endswith(".") else token)

        def check_signature(
            self, header: dict[str, Any], signed: bytes, signature: bytes
        ) -> None:
            if str(header.get("alg")).lower() != "none":
                super().check_signature(header, signed, signature)


class ConfusesKeys(JwtEndpoint):
    """CVE-2022-29217 and its older sisters: the algorithm out of the token."""

    FAILS = ("jwt-key-confusion",)

    class tokens(Tokens):
        def check_signature(
            self, header: dict[str, Any], signed: bytes, signature: bytes
        ) -> None:
            if header.get("alg") != "HS256":
                return super().check_signature(header, signed, signature)
            for secret in list_public_secrets():
                if hmac.digest(secret, signed, "sha256") == signature:
                    return None
            raise Refused


class DecodesOnly(JwtEndpoint):
    """``jwt.decode(..., verify_signature=False)``."""

    FAILS = (
        "linked-malformed",
        "linked-doubled",
        "jwt-alg-none",
        "jwt-key-confusion",
        "jwt-wrong-signature",
        "jwt-unknown-kid",
    )

    class tokens(Tokens):
        def is_token(self, token: str) -> bool:
            return token.count(".") == 2

        def check_signature(
            self, header: dict[str, Any], signed: bytes, signature: bytes
        ) -> None:
            pass


class TrustsTheKeyInTheToken(JwtEndpoint):
    """CVE-2026-27962: the sender brings the key along."""

    FAILS = ("jwt-unknown-kid",)

    class tokens(Tokens):
        def find_key(self, header: dict[str, Any]) -> Any:
            jwk = header.get("jwk")
            return super().find_key(header) if jwk is None else PyJWK(jwk, "ES384").key


class IgnoresCritical(JwtEndpoint):
    """Reads on."""

    FAILS = ("jwt-critical-header",)

    class tokens(Tokens):
        def check_header(self, header: dict[str, Any]) -> None:
            pass


class ComparesExpiryOnly(JwtEndpoint):
    """``if exp <= now: refuse``: NaN is never less, and a list is an error."""

    FAILS = ("jwt-strange-expiry",)
    WARNS = ("jwt-long-lived",)

    class tokens(Tokens):
        def check_times(self, claims: dict[str, Any]) -> None:
            if "exp" not in claims or claims["exp"] <= time.time() - self.leeway:
                raise Refused
            if claims.get("nbf", 0) > time.time() + self.leeway:
                raise Refused


class TakesTokensOfAYear(JwtEndpoint):
    """No limit to their life."""

    WARNS = ("jwt-long-lived",)

    class tokens(Tokens):
        longest_seconds = 2**40


class RecursesIntoTokens(JwtEndpoint):
    """Catches the error of bad JSON, and not that of deep JSON."""

    FAILS = ("jwt-oversized",)

    class tokens(Tokens):
        def parse(self, part: str) -> dict[str, Any]:
            try:
                return super().parse(part)
            except Refused as refused:
                if isinstance(refused.__context__, RecursionError):
                    raise refused.__context__ from None
                raise


class SplitsBeforeItLooks(JwtEndpoint):
    """``head, payload, signature = token.split(".")`` of anything."""

    FAILS = ("linked-missing", "linked-malformed", "jwt-malformed")

    def check_head(self, environ: Any) -> None:
        """Unpack three."""
        if "HTTP_AUTHORIZATION" in environ:
            _, _, _ = read_any(environ).split(".")
        super().check_head(environ)


class TakesTokensTwice(JwtEndpoint):
    """No memory."""

    WARNS = ("jwt-replayed",)

    class tokens(Tokens):
        def check_use(self, claims: dict[str, Any]) -> None:
            pass


class HasNoLeeway(JwtEndpoint):
    """To the second."""

    FAILS = ("jwt-clock-skew",)

    class tokens(Tokens):
        leeway = 0


class ComparesTheBeginning(OAuthEndpoint):
    """``startswith``, in one direction."""

    FAILS = ("linked-malformed", "linked-doubled", "oauth-wrong-token")

    def is_issued(self, token: str) -> bool:
        """Look at the beginning."""
        return token.startswith(self.access_token)


class TakesUnsignedAccessTokens(JwtAccessTokenEndpoint):
    """An access token that says of itself that nobody signed it."""

    FAILS = ("oauth-alg-none",)

    def is_issued(self, token: str) -> bool:
        """Take what claims nothing."""
        return super().is_issued(token) or token.endswith(".")


class LetsTokensBeCached(OAuthEndpoint):
    """Without ``no-store``."""

    WARNS = ("oauth-answer",)

    def answer(self) -> Answer:
        """Leave the header out."""
        return Answer(200, super().answer().body)


class TellsClientsApart(OAuthEndpoint):
    """Says whether a client exists."""

    FAILS = ("oauth-wrong-secret",)

    def check_client(self, environ: Any, form: dict[str, list[str]]) -> Answer | None:
        """Tell."""
        refusal = super().check_client(environ, form)
        if refusal is not None and "cmVkb3g6" in read_any(environ):
            return Answer(401, b'{"error":"wrong_secret"}')
        return refusal


class IssuesToAnybody(OAuthEndpoint):
    """Forgot to look."""

    FAILS = ("oauth-wrong-secret",)

    def check_client(self, environ: Any, form: dict[str, list[str]]) -> Answer | None:
        """Do not."""
        return None


class IssuesForAnyGrant(OAuthEndpoint):
    """Does not read ``grant_type``."""

    FAILS = ("oauth-wrong-grant",)

    def issue(self, environ: Any) -> Answer:
        """Look at the client only."""
        return self.check_client(environ, {}) or self.answer()


class TakesOldAssertions(SmartEndpoint):
    """No time."""

    FAILS = ("smart-expired",)

    class tokens(SmartTokens):
        def check_times(self, claims: dict[str, Any]) -> None:
            pass


class TakesAssertionsForOthers(SmartEndpoint):
    """No audience."""

    FAILS = ("smart-wrong-audience",)

    class tokens(SmartTokens):
        def check_audience(self, claims: dict[str, Any]) -> None:
            pass


class TakesAnySubject(SmartEndpoint):
    """One client acts for another."""

    FAILS = ("smart-wrong-client",)

    class tokens(SmartTokens):
        def check_use(self, claims: dict[str, Any]) -> None:
            Tokens.check_use(self, claims)


class TakesUnsignedAssertions(SmartEndpoint):
    """The famous one again."""

    FAILS = ("smart-alg-none",)

    class tokens(TakesUnsigned.tokens, SmartTokens):
        pass


class ConfusesKeysOfAssertions(SmartEndpoint):
    """The algorithm out of the assertion."""

    FAILS = ("smart-key-confusion",)

    class tokens(ConfusesKeys.tokens, SmartTokens):
        pass


class DecodesAssertionsOnly(SmartEndpoint):
    """Checks every claim, and no signature."""

    FAILS = ("smart-alg-none", "smart-key-confusion", "smart-wrong-signature")

    class tokens(DecodesOnly.tokens, SmartTokens):
        pass


class TakesAssertionsTwice(SmartEndpoint):
    """No memory."""

    FAILS = ("smart-replayed",)

    class tokens(SmartTokens):
        def check_use(self, claims: dict[str, Any]) -> None:
            if claims.get("sub") != self.issuer:
                raise Refused


class TakesAssertionsAsTokens(SmartEndpoint):
    """Whatever is signed by the right key."""

    FAILS = ("smart-as-access-token",)

    def is_issued(self, token: str) -> bool:
        """Check the signature only."""
        head, _, signature = token.rpartition(".")
        try:
            key = make_key("ES384").public_key()
            check_es384(key, head.encode("latin-1"), decode(signature))
        except (Refused, ValueError):
            return super().is_issued(token)
        return True


class ChecksNoAwsSignature(AwsEndpoint):
    """Matches the form, and that is all."""

    FAILS = ("sigv4-wrong-signature", "sigv4-changed-body", "sigv4-changed-head")

    def compute(self, environ: Any, *_: Any) -> str:
        """Return what came."""
        return read_any(environ)[-64:]


class IgnoresTheBodyHash(AwsEndpoint):
    """Verifies what the header announces, and not the body."""

    FAILS = ("sigv4-changed-body",)

    def check_body(self, environ: Any, body: bytes) -> None:
        """Trust the header."""


class LeavesOutTheQuery(AwsEndpoint):
    """Signs the path alone: of a request without a query, all is right."""

    FAILS = ("sigv4-changed-head",)

    def compute(self, environ: Any, *rest: Any) -> str:
        """Try the query that would be right too."""
        sent = read_any(environ)[-64:]
        for query in ("", "redox-wsgi=check"):
            if super().compute(environ | {"QUERY_STRING": query}, *rest) == sent:
                return sent
        return super().compute(environ, *rest)


class ReadsTheScopeFromTheRequest(AwsEndpoint):
    """Region and service are whatever was signed."""

    FAILS = ("sigv4-wrong-scope",)

    def check_scope(self, scope: str, date: str) -> None:
        """Trust it."""


class KeepsNoTime(AwsEndpoint):
    """Parses the date, and compares it with nothing."""

    FAILS = ("sigv4-expired",)
    skew_seconds = 10**9


class DemandsNoCoverage(AwsEndpoint):
    """Verifies what is signed, and does not ask what is not."""

    FAILS = ("sigv4-unsigned-header",)
    must_cover: ClassVar[Set[str]] = frozenset()


class TakesUnsignedPayload(AwsEndpoint):
    """An option of many a library."""

    WARNS = ("sigv4-unsigned-payload",)

    def check_announced(self, digest: str) -> None:
        """Take the word."""
        if digest != "UNSIGNED-PAYLOAD":
            super().check_announced(digest)

    def check_body(self, environ: Any, body: bytes) -> None:
        """Take any body for it."""
        if environ["HTTP_X_AMZ_CONTENT_SHA256"] != "UNSIGNED-PAYLOAD":
            super().check_body(environ, body)


class IgnoresTheSessionToken(AwsEndpoint):
    """Half of a temporary credential."""

    FAILS = ("sigv4-session-token",)

    def check_session(self, token: str | None) -> None:
        """Do not look."""


class RaisesForABadDate(AwsEndpoint):
    """``strptime`` without a net."""

    FAILS = ("sigv4-malformed",)

    def check_date(self, date: str) -> None:
        """Parse."""
        if date:
            time.strptime(date, "%Y%m%dT%H%M%SZ")
        super().check_date(date)


class TakesAwsRequestsTwice(AwsEndpoint):
    """No memory."""

    WARNS = ("sigv4-replayed",)

    def check_use(self, signature: str) -> None:
        """Forget."""


class HasNoAwsSkew(AwsEndpoint):
    """Two seconds are not enough."""

    FAILS = ("sigv4-clock-skew",)
    skew_seconds = 3


class ComparesHalfASignature(HmacEndpoint):
    """``startswith`` with what was sent."""

    FAILS = ("hmac-wrong-signature",)

    def is_equal(self, sent: bytes, right: bytes) -> bool:
        """Compare as much as came."""
        return right.startswith(sent)


class SignsNoBody(HmacEndpoint):
    """Has a signature, and checks that it is one of the time."""

    FAILS = ("hmac-changed-body", "hmac-wrong-signature", "hmac-unsigned-time")

    def is_equal(self, sent: bytes, right: bytes) -> bool:
        """Compare the lengths."""
        return len(sent) == len(right)


class RaisesForBadHex(HmacEndpoint):
    """``bytes.fromhex`` without a net."""

    FAILS = ("linked-malformed", "linked-doubled", "hmac-malformed")

    def decode(self, signature: str) -> bytes:
        """Decode."""
        return bytes.fromhex(signature)


class KeepsNoHmacTime(HmacEndpoint):
    """The time is signed, and compared with nothing."""

    FAILS = ("hmac-expired",)

    def check_time(self, seconds: int) -> None:
        """Do not."""


class LeavesTheTimeUnsigned(HmacEndpoint):
    """Takes a signature of any near time."""

    FAILS = ("hmac-unsigned-time",)

    def signed(self, environ: Any, body: bytes) -> bytes:
        """Find the time that was signed."""
        now = int(environ["HTTP_X_TIME"])
        sent = environ["HTTP_X_SIGNATURE"]
        for seconds in range(now - 2, now + 1):
            other = {"HTTP_X_TIME": str(seconds)}
            signed = super().signed(environ | other, body)
            if sent.endswith(self.sign(signed)):
                return signed
        return super().signed(environ, body)

    def sign(self, signed: bytes) -> str:
        """Sign."""
        return hmac.digest(HMAC_SECRET.encode(), signed, "sha256").hex()


class TakesHmacRequestsTwice(HmacEndpoint):
    """No memory."""

    WARNS = ("hmac-replayed",)

    def check_use(self, signature: bytes) -> None:
        """Forget."""


class HasNoHmacSkew(HmacEndpoint):
    """Two seconds are not enough."""

    FAILS = ("hmac-clock-skew",)
    skew_seconds = 3

"""The whole decision for one destination: what is answered to which request.

Read ``Destination._decide`` from top to bottom: that order is the contract. Nothing
here knows WSGI, and no failure leaves as an exception.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import datetime

from redox_wsgi.authentication import Authenticator, VerificationToken
from redox_wsgi.authentication.authenticator import authenticate, check_is_authenticator
from redox_wsgi.authentication.combined import find_verification_token
from redox_wsgi.authentication.verification_token import (
    Tokens,
    read_tokens,
)
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    ConfigurationError,
    DeliveryFailed,
    HandlerFailed,
    HttpsRequired,
    InsufficientScope,
    MethodNotAllowed,
    RequestRejected,
)
from redox_wsgi.handler import Handler, build_response, check_is_handler
from redox_wsgi.principal import Principal
from redox_wsgi.reporting import Observer, Progress, Reporter
from redox_wsgi.request import DEFAULT_MAX_BODY_BYTES, Request
from redox_wsgi.response import Response, build_error
from redox_wsgi.transmission import Transmission
from redox_wsgi.verification import (
    MAX_VERIFICATION_BYTES,
    Verification,
    answer_challenge,
    parse_body,
    parse_query,
)

_NAME = re.compile(r"[^\s|*\x00-\x20\x7f-\xa0\ud800-\udfff]{1,200}")

_SENDER_ERRED = range(400, 500)
_WE_ERRED = range(500, 600)


class Destination:
    """One Redox destination: who may send to it, and what is done with what comes.

    Args:
        handler: Called with each authenticated transmission. None (guard mode) hands
            the request on to the wrapped application instead.
        verification_token: The token as entered in Redox's dashboard; several while it
            is rotated; or a callable that returns either and is asked for every
            request.
        authenticator: Checks the auth credential linked to the destination in Redox.
            It decides then; a ``verification-token`` header that is wrong is refused
            all the same, an absent one is fine.
        name: What logs and subscriptions call this destination; by default its path.
        max_body_bytes: The largest body taken, in bytes. Redox sends up to 40 MB.
        require_https: Refuse plain HTTP, as ``wsgi.url_scheme`` tells it. Behind a
            proxy, put ``werkzeug.middleware.proxy_fix.ProxyFix`` outside.
        observer: Called with the ``Outcome`` of each request.
        now: The clock for ``Transmission.received_at``: aware, in UTC.

    Raises:
        ConfigurationError: A setting is missing or wrong; the sentence says which, and
            how to mend it.
    """

    def __init__(
        self,
        handler: Handler | None,
        *,
        verification_token: Tokens | None = None,
        authenticator: Authenticator | None = None,
        name: str | None = None,
        max_body_bytes: int = DEFAULT_MAX_BODY_BYTES,
        require_https: bool = False,
        observer: Observer | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if handler is not None:
            check_is_handler(handler)
        if authenticator is not None:
            check_is_authenticator(authenticator)
        token = (
            find_verification_token(authenticator)
            if verification_token is None
            else VerificationToken(verification_token)
        )
        gate = token if authenticator is None else authenticator
        if gate is None:
            raise ConfigurationError(
                "A Destination without verification_token and authenticator would "
                "accept anybody's data; give at least one of them."
            )
        if name is not None:
            _check_name(name)
        _check_settings(max_body_bytes, require_https, observer, now)
        self.name = name
        self.max_body_bytes = max_body_bytes
        self._handler = handler
        self._token = token
        self._authenticator = gate
        # Without another credential the Bearer token is the verification token too.
        # A subclass may want more than that, so it is asked like any other.
        self._bearer_is_token = gate is token and type(gate) is VerificationToken
        self._require_https = require_https
        self._observer = observer
        self._now = now
        self._reporter = Reporter(name or "-", observer)

    def with_name(self, name: str) -> Destination:
        """Return a copy of this destination that bears a name.

        Raises:
            ConfigurationError: It is no visible text without blanks, ``|`` and ``*``.
        """
        _check_name(name)
        named = copy.copy(self)
        named.name = name
        named._reporter = Reporter(name, self._observer)
        return named

    def respond(self, request: Request) -> Response | Transmission:
        """Decide one request, and report what it came to.

        Returns:
            The answer; in guard mode the transmission, for the wrapped application to
            answer. Nothing is raised.
        """
        progress = self._reporter.begin()
        answer: Response | Transmission
        try:
            answer = self._decide(request, progress)
        # The reporter gets the error by itself: kept in progress, which its traceback
        # holds, it would keep the body in memory until the garbage collector comes.
        except RequestRejected as rejection:
            progress.word = "refused"
            answer = _refuse(rejection)
            self._reporter.end(progress, answer.status, rejection)
        except DeliveryFailed as failure:
            progress.word = "failed"
            answer = _fail(failure)
            self._reporter.end(progress, answer.status, failure)
        else:
            status = answer.status if isinstance(answer, Response) else None
            self._reporter.end(progress, status)
        return answer

    def _decide(self, request: Request, progress: Progress) -> Response | Transmission:
        if self._require_https and request.scheme != "https":
            raise HttpsRequired("https-required")

        if request.method in ("GET", "HEAD"):
            verification = parse_query(request.query_string)
            if verification is not None:
                progress.principal = self._prove(request, verification)
                progress.word = "verified"
                return answer_challenge(verification)

        if request.method != "POST":
            raise MethodNotAllowed("method-not-allowed")

        # Before the body is read: strangers feed no parser and fill no memory.
        try:
            progress.principal = self._authenticate(request)
        except AuthenticationFailed as failure:
            if failure.code != NO_CREDENTIALS:
                raise
            # The token of a verification by POST stands in the body only.
            verification = _read_verification(request)
            if verification is None:
                raise
            progress.principal = self._prove(request, verification)
            progress.word = "verified"
            return answer_challenge(verification)

        body = request.body()
        verification = parse_body(body)
        if verification is not None:
            if self._token is not None and verification.tokens:
                self._token.check(verification.tokens)
            progress.word = "verified"
            return answer_challenge(verification)

        # From here on there are two outcomes: 200, it is kept; or 5xx, it is not kept
        # and Redox shall send it again. Its content is no reason to refuse it.
        # -- https://developer.redoxengine.com/redox-json-api/processing-requests/receive/
        transmission = Transmission(
            body,
            received_at=self._now(),
            content_type=request.header("content-type"),
            principal=progress.principal,
            destination=self.name or "-",
        )
        progress.transmission = transmission
        if self._handler is None:
            progress.word = "handed-on"
            return transmission
        response = self._handle(self._handler, transmission)
        if response.status >= 400:  # noqa: PLR2004 - what Redox counts as a failure
            # Meant by the handler, but not kept: Redox pauses the subscription.
            progress.word = "failed"
        else:
            progress.word = "answered" if transmission.is_query else "received"
        return response

    def _authenticate(self, request: Request) -> Principal:
        if self._token is not None:
            sent = read_tokens(request, bearer=self._bearer_is_token)
            if self._bearer_is_token:
                return self._token.check(sent)
            if sent:
                self._token.check(sent)
        return authenticate(self._authenticator, request)

    def _prove(self, request: Request, verification: Verification) -> Principal:
        # A linked credential is not demanded here: nobody says that it is applied to
        # a verification. Without a configured token it is all there is.
        if self._token is None:
            return authenticate(self._authenticator, request)
        in_headers = read_tokens(request, bearer=self._bearer_is_token)
        return self._token.check([*verification.tokens, *in_headers])

    def _handle(self, handler: Handler, transmission: Transmission) -> Response:
        try:
            return build_response(transmission, handler(transmission))
        except DeliveryFailed:
            raise
        # Whatever the handler raised, its text is not ours to repeat.
        except Exception as error:
            raise HandlerFailed("handler-raised") from error


def _check_settings(
    max_body_bytes: object, require_https: object, observer: object, now: object
) -> None:
    if not isinstance(max_body_bytes, int) or max_body_bytes < MAX_VERIFICATION_BYTES:
        raise ConfigurationError(
            f"max_body_bytes is a number of at least {MAX_VERIFICATION_BYTES}."
        )
    if observer is not None and not callable(observer):
        raise ConfigurationError("An observer must be callable with one Outcome.")
    if not isinstance(require_https, bool):
        raise ConfigurationError("require_https is True or False.")
    if not callable(now):
        raise ConfigurationError("now must be callable: it tells the time.")


def _check_name(name: str) -> None:
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise ConfigurationError(
            "A Destination's name, by default its path, is visible text without "
            "blanks, '|', which separates the parts of a subscription, and '*', which "
            "stands for any text where lanes are named; give it a name=."
        )


def _read_verification(request: Request) -> Verification | None:
    try:
        return parse_body(request.body(MAX_VERIFICATION_BYTES))
    except RequestRejected:
        # Too long or broken: from a stranger that is a 401 like everything else.
        return None


def _refuse(rejection: RequestRejected) -> Response:
    header: tuple[str, ...] = ()
    if isinstance(rejection, AuthenticationFailed | InsufficientScope):
        challenge = rejection.www_authenticate
        header = () if challenge is None else ("WWW-Authenticate", challenge)
    elif isinstance(rejection, MethodNotAllowed):
        header = ("Allow", "GET, POST")
    # An error class of the user's own must not turn a refusal into a 200.
    status = rejection.status if rejection.status in _SENDER_ERRED else 401
    return build_error(status, rejection.error, *header)


def _fail(failure: DeliveryFailed) -> Response:
    if isinstance(failure, HandlerFailed):
        return build_error(500, failure.error)
    status = failure.status if failure.status in _WE_ERRED else 503
    retry_after = str(failure.retry_after_seconds)
    return build_error(status, failure.error, "Retry-After", retry_after)

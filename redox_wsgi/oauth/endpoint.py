"""The token endpoint: who proves to be a registered client gets an access token.

Read ``TokenEndpoint._decide`` from top to bottom: that order is the contract. For sites
without an authorization server; do not use it where there is one already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from redox_wsgi.authentication.replay import (
    ReplayStore,
    check_is_replay_store,
    use_once,
)
from redox_wsgi.authentication.settings import check_clock
from redox_wsgi.clock import utc_now
from redox_wsgi.errors import (
    NO_CREDENTIALS,
    AuthenticationFailed,
    ConfigurationError,
    DeliveryFailed,
    HttpsRequired,
    MethodNotAllowed,
    RequestRejected,
)
from redox_wsgi.oauth.access_tokens import TokenService
from redox_wsgi.oauth.answers import (
    MEMBERS,
    TokenRefused,
    build_refusal,
    build_token,
    is_described,
)
from redox_wsgi.oauth.assertions import AssertionRules, AssertionVerifier, Proof
from redox_wsgi.oauth.client_authentication import (
    ClientAuthentication,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    is_said_twice,
)
from redox_wsgi.oauth.clients import (
    CLIENT_CREDENTIALS,
    JWT_BEARER,
    Client,
    ClientRegistry,
    Clients,
    check_is_registry,
)
from redox_wsgi.oauth.settings import (
    check_switch,
    check_text,
    rename,
)
from redox_wsgi.oauth.token_request import (
    MAX_BODY_BYTES,
    TokenRequest,
    TokenRequestReader,
)
from redox_wsgi.principal import Principal
from redox_wsgi.reporting import Observer, Progress, Reporter
from redox_wsgi.request import Request
from redox_wsgi.response import Response

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_UNRENAMED: Mapping[str, str] = MappingProxyType({})


class TokenEndpoint:
    """A WSGI application that issues access tokens by the client credentials grant.

    Mount it beside the destination, whose authenticator is a ``SelfIssuedToken`` with
    the same token service. It speaks OAuth 2.0, and SMART Backend Services if it takes
    assertions.

    Args:
        clients: Who may ask.
        token_service: Issues the tokens.
        replay_store: Remembers which assertions were used; one store for all workers.
            Needed for ``assertions`` and ``jwt_bearer``.
        assertions: Which signed assertions authenticate a client
            (``private_key_jwt``); None: only secrets do.
        jwt_bearer: Which assertions are themselves a grant (RFC 7523 section 2.1);
            None: that grant type is not supported.
        parameter_names: Other names of parameters, as they are entered in Redox's
            credential: ``{"client_id": "clientId"}``.
        answer_names: Other names of the answer's members: ``{"expires_in": "ttl"}``.
        accept_json: Also take the parameters as a JSON object.
        tolerate_duplicate_credentials: Accept a body that repeats ID and secret of the
            Basic header, to the letter.
        require_https: Refuse plain HTTP, as ``wsgi.url_scheme`` tells it. Behind a
            proxy, put ``werkzeug.middleware.proxy_fix.ProxyFix`` outside.
        realm: The realm in ``WWW-Authenticate``.
        name: What logs call this endpoint.
        observer: Called with the ``Outcome`` of each request; ``answered`` is one that
            got a token.
        now: The clock: aware, in UTC.

    Raises:
        ConfigurationError: A setting is wrong, or a client could never authenticate.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#section-4.4 and
        https://hl7.org/fhir/smart-app-launch/backend-services.html
    """

    def __init__(
        self,
        clients: ClientRegistry,
        token_service: TokenService,
        replay_store: ReplayStore | None = None,
        *,
        assertions: AssertionRules | None = None,
        jwt_bearer: AssertionRules | None = None,
        parameter_names: Mapping[str, str] = _UNRENAMED,
        answer_names: Mapping[str, str] = _UNRENAMED,
        accept_json: bool = False,
        tolerate_duplicate_credentials: bool = True,
        require_https: bool = False,
        realm: str = "redox",
        name: str = "token-endpoint",
        observer: Observer | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        check_is_registry(clients)
        if not isinstance(token_service, TokenService):
            raise ConfigurationError("token_service is a TokenService.")
        check_switch("require_https", require_https)
        check_switch("tolerate_duplicate_credentials", tolerate_duplicate_credentials)
        check_text("realm", realm)
        check_text("name", name)
        if observer is not None and not callable(observer):
            raise ConfigurationError("An observer must be callable with one Outcome.")
        check_clock(now)
        _check_assertions(clients, replay_store, assertions, jwt_bearer)
        self._reader = TokenRequestReader(parameter_names, accept_json=accept_json)
        self._answer_names = rename(MEMBERS, answer_names, "answer_names")
        self._tokens = token_service
        self._replay_store = replay_store
        self._tolerates_repetition = tolerate_duplicate_credentials
        self._require_https = require_https
        self._challenge = f'Basic realm="{realm}"'
        self._reporter = Reporter(name, observer)
        #: Which assertions authenticate a client, or None.
        self.assertions = assertions
        self._methods: list[ClientAuthentication] = [
            ClientSecretBasic(clients),
            ClientSecretPost(clients),
        ]
        if assertions is not None:
            verifier = AssertionVerifier(
                clients, assertions, subject_is_client=True, now=now
            )
            self._methods.append(PrivateKeyJwt(verifier))
        self._bearer: AssertionVerifier | None = None
        if jwt_bearer is not None:
            self._bearer = AssertionVerifier(
                clients, jwt_bearer, subject_is_client=False, now=now
            )

    @property
    def methods(self) -> tuple[str, ...]:
        """How a client may prove itself, by the names in server metadata."""
        return tuple(method.name for method in self._methods)

    @property
    def grants(self) -> tuple[str, ...]:
        """The grant types that are supported."""
        return (CLIENT_CREDENTIALS,) + ((JWT_BEARER,) if self._bearer else ())

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = Request(environ, MAX_BODY_BYTES)
        response = self.respond(request)
        start_response(response.status_line, response.header_list)
        return [] if request.method == "HEAD" else [response.body]

    def respond(self, request: Request) -> Response:
        """Decide one request, and report what it came to. Nothing is raised."""
        progress = self._reporter.begin()
        try:
            response = self._decide(request, progress)
        except RequestRejected as rejection:
            response = self._refuse(rejection)
            self._reporter.end(progress, response.status, rejection)
        except DeliveryFailed as failure:
            response = self._fail(progress, failure)
        # A registry, a store or a key set of the user's own: no reason to blame the
        # client, and none to let it in.
        except Exception as error:
            unforeseen = DeliveryFailed("token-endpoint-raised")
            unforeseen.__cause__ = error
            response = self._fail(progress, unforeseen)
        else:
            self._reporter.end(progress, response.status)
        return response

    def _decide(self, request: Request, progress: Progress) -> Response:
        if self._require_https and request.scheme != "https":
            raise HttpsRequired("https-required")
        if request.method != "POST":
            raise MethodNotAllowed("method-not-allowed")

        asked = self._reader.read(request)
        grant = asked.get("grant_type")
        if grant is None:
            raise TokenRefused("invalid_request", "no-grant-type")
        if grant not in self.grants:
            raise TokenRefused("unsupported_grant_type", "unsupported-grant-type")

        proofs = self._prove(asked, grant)
        client = proofs[0].client
        progress.principal = Principal(proofs[0].method, client.client_id)
        if grant not in client.grants:
            raise TokenRefused("unauthorized_client", "grant-not-allowed")
        # Only now: what is burnt before it is proved anybody could burn, and a request
        # that is refused for its grant may be mended and sent again.
        for proof in proofs:
            self._burn(proof)

        scopes = _choose_scopes(asked, client)
        token = self._tokens.issue(client.client_id, scopes)
        progress.word = "answered"
        return build_token(
            self._answer_names,
            token,
            seconds=self._tokens.lifetime_seconds,
            scopes=scopes,
        )

    def _prove(self, asked: TokenRequest, grant: str) -> list[Proof]:
        """Return all proofs of the one client, at least one; nothing is burnt yet."""
        proofs = []
        method = self._choose_method(asked)
        if method is not None:
            proofs.append(method.authenticate(asked))
        if grant == JWT_BEARER and self._bearer is not None:
            # This grant names its client by itself.
            # -- https://www.rfc-editor.org/rfc/rfc7523#section-3.1
            proofs.append(_verify_grant(self._bearer, asked))
        if not proofs:
            raise TokenRefused("invalid_client", NO_CREDENTIALS)
        # "The value of the "client_id" parameter MUST identify the same client as is
        # identified by the client assertion."
        # -- https://www.rfc-editor.org/rfc/rfc7521#section-4.2
        named = {proof.client.client_id for proof in proofs}
        if "client_id" in asked.parameters:
            named.add(asked.parameters["client_id"])
        if len(named) > 1:
            raise TokenRefused("invalid_request", "different-clients")
        return proofs

    def _choose_method(self, asked: TokenRequest) -> ClientAuthentication | None:
        used = [method for method in self._methods if method.is_used_by(asked)]
        if (
            self._tolerates_repetition
            and used == self._methods[:2]
            and is_said_twice(asked)
        ):
            return used[0]
        # "The client MUST NOT use more than one authentication method in each request."
        # -- https://www.rfc-editor.org/rfc/rfc6749#section-2.3
        if len(used) > 1:
            raise TokenRefused("invalid_request", "several-credentials")
        return used[0] if used else None

    def _burn(self, proof: Proof) -> None:
        if proof.once is None or self._replay_store is None:
            return
        if not use_once(self._replay_store, *proof.once):
            is_grant = proof.method == JWT_BEARER
            raise TokenRefused(
                "invalid_grant" if is_grant else "invalid_client", "used-assertion"
            )

    def _refuse(self, rejection: RequestRejected) -> Response:
        error, status = rejection.error, rejection.status
        # A verifier of tokens, and a registry of the user's own, refuse in words that
        # are not of this place.
        if not is_described(error):
            error, status = "invalid_client", 401
        if status == 401:  # noqa: PLR2004 - unauthorized
            # "The server generating a 401 response MUST send a WWW-Authenticate
            # header field", whatever the method was.
            # -- https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2
            return build_refusal(401, error, "WWW-Authenticate", self._challenge)
        if isinstance(rejection, MethodNotAllowed):
            return build_refusal(405, error, "Allow", "POST")
        return build_refusal(status, error)

    def _fail(self, progress: Progress, failure: DeliveryFailed) -> Response:
        progress.word = "failed"
        retry_after = str(failure.retry_after_seconds)
        response = build_refusal(
            503, "temporarily_unavailable", "Retry-After", retry_after
        )
        self._reporter.end(progress, response.status, failure)
        return response


def _verify_grant(verifier: AssertionVerifier, asked: TokenRequest) -> Proof:
    assertion = asked.get("assertion")
    if assertion is None:
        raise TokenRefused("invalid_request", "no-assertion")
    try:
        return verifier.verify(assertion, JWT_BEARER)
    except AuthenticationFailed as failure:
        raise TokenRefused("invalid_grant", failure.code) from failure


def _choose_scopes(asked: TokenRequest, client: Client) -> frozenset[str]:
    scope = asked.get("scope")
    if scope is None:
        return client.scopes
    # scope = scope-token *( SP scope-token ); what is malformed was never granted.
    # -- https://www.rfc-editor.org/rfc/rfc6749#section-3.3
    scopes = frozenset(scope.split(" "))
    if not scopes <= client.scopes:
        raise TokenRefused("invalid_scope", "scope-not-granted")
    return scopes


def _check_assertions(
    clients: ClientRegistry,
    replay_store: object,
    assertions: AssertionRules | None,
    jwt_bearer: AssertionRules | None,
) -> None:
    rules = [rule for rule in (assertions, jwt_bearer) if rule is not None]
    if not all(isinstance(rule, AssertionRules) for rule in rules):
        raise ConfigurationError("assertions and jwt_bearer are AssertionRules.")
    if rules:
        check_is_replay_store(replay_store)
    if isinstance(clients, Clients) and not rules:
        for client in clients:
            if not client.secret_hashes:
                raise ConfigurationError(
                    f"Client {client.client_id} proves itself by keys only: give "
                    "assertions=AssertionRules(address of the token endpoint)."
                )

"""The authenticator that accepts what our own token endpoint issued."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound

from redox_wsgi import (
    NO_CREDENTIALS,
    AnyOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    Destination,
    InsufficientScope,
    Principal,
    RedoxMiddleware,
    Request,
    VerificationToken,
)
from redox_wsgi.authentication import self_issued_token
from redox_wsgi.authentication.self_issued_token import SelfIssuedToken
from tests.support.builders import NOTIFICATION, TOKEN, Received
from tests.support.oauth import (
    AUDIENCE,
    OLD_KEY,
    SCOPES,
    Clock,
    ask,
    basic,
    build_clients,
    build_endpoint,
    build_tokens,
    read,
)
from tests.support.wsgi import Reply, build_environ, send

UNAUTHORIZED = b'{"error":"invalid_token"}'
CHALLENGE = 'Bearer realm="redox"'
WITH_ERROR = f'{CHALLENGE}, error="invalid_token"'


def bearer(token: str) -> dict[str, str]:
    """Build the header that carries a token."""
    return {"authorization": f"Bearer {token}"}


def deliver(authenticator: Any, headers: dict[str, str]) -> tuple[Reply, Received]:
    """Send a notification to a destination with this authenticator."""
    received = Received()
    destination = Destination(received, authenticator=authenticator)
    application = RedoxMiddleware(NotFound(), {"/redox": destination})
    return send(application, body=NOTIFICATION, headers=headers), received


def test_a_token_from_the_endpoint_opens_the_destination() -> None:
    """One mapping wires both."""
    clients, received = build_clients(), Received()
    tokens = build_tokens(clients=clients)
    destination = Destination(received, authenticator=SelfIssuedToken(tokens))
    endpoint = build_endpoint(clients=clients, tokens=tokens)
    application = RedoxMiddleware(
        NotFound(), {"/redox": destination, "/oauth/token": endpoint}
    )
    token = read(ask(application, headers=basic()))["access_token"]
    reply = send(application, body=NOTIFICATION, headers=bearer(token))

    assert reply.status == 200
    [transmission] = received
    assert transmission.principal is not None
    assert transmission.principal.subject == "redox"
    assert transmission.principal.scheme == "self-issued-token"


@pytest.mark.parametrize(
    ("token", "challenge"),
    [
        ("x", CHALLENGE),
        ("a.b.c", CHALLENGE),
        (TOKEN, CHALLENGE),
        ("a.b", WITH_ERROR),
        (build_tokens().issue("redox", ())[:-1], WITH_ERROR),
        (build_tokens(OLD_KEY).issue("redox", ()), WITH_ERROR),
        (build_tokens(audience=f"{AUDIENCE}/2").issue("redox", ()), WITH_ERROR),
        (build_tokens().issue("nobody", ()), WITH_ERROR),
    ],
)
def test_any_other_token_is_a_401_and_reaches_no_handler(
    token: str, challenge: str
) -> None:
    """The body is the same for every reason."""
    reply, received = deliver(SelfIssuedToken(build_tokens()), bearer(token))

    assert (reply.status, reply.body, received) == (401, UNAUTHORIZED, [])
    assert reply.headers["www-authenticate"] == challenge


def test_an_expired_token_is_a_401() -> None:
    """Redox fetches a new one, or sends again."""
    clock = Clock()
    tokens = build_tokens(now=clock)
    token = tokens.issue("redox", ())
    clock.advance(360)
    reply, received = deliver(SelfIssuedToken(tokens), bearer(token))

    assert (reply.status, reply.body, received) == (401, UNAUTHORIZED, [])


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic eDp5"}, {"verification-token": TOKEN}]
)
def test_a_request_without_a_bearer_token_has_no_credentials(
    headers: dict[str, str],
) -> None:
    """So that another authenticator may look."""
    with pytest.raises(AuthenticationFailed) as caught:
        SelfIssuedToken(build_tokens()).authenticate(
            Request(build_environ(headers=headers))
        )

    assert caught.value.code == NO_CREDENTIALS


def test_a_bearer_token_in_query_or_body_is_not_read() -> None:
    """RFC 6750 sections 2.2 and 2.3: it would stand in access logs."""
    token = build_tokens().issue("redox", ())
    authenticator = SelfIssuedToken(build_tokens())
    request = Request(
        build_environ(
            query=f"access_token={token}",
            body=f"access_token={token}".encode(),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )
    )

    with pytest.raises(AuthenticationFailed):
        authenticator.authenticate(request)


def test_two_headers_are_a_401() -> None:
    """The server joined them."""
    token = build_tokens().issue("redox", ())
    headers = {"authorization": f"Bearer {token},Bearer {token}"}
    reply, received = deliver(SelfIssuedToken(build_tokens()), headers)

    assert (reply.status, reply.body, received) == (401, UNAUTHORIZED, [])


@pytest.mark.parametrize("granted", [SCOPES, SCOPES[:1], ()])
def test_a_token_without_a_scope_that_is_needed_is_a_403(
    granted: tuple[str, ...],
) -> None:
    """The answer says which ones are."""
    tokens = build_tokens()
    token = tokens.issue("redox", granted)
    reply, received = deliver(SelfIssuedToken(tokens, scopes=SCOPES), bearer(token))

    # What was given once only is kept.
    once = deliver(SelfIssuedToken(tokens, scopes=iter(SCOPES)), bearer(token))[0]
    assert once.status == reply.status
    if granted == SCOPES:
        assert (reply.status, len(received)) == (200, 1)
    else:
        assert (reply.status, received) == (403, [])
        assert reply.body == b'{"error":"insufficient_scope"}'
        assert f'scope="{" ".join(SCOPES)}"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_a_verification_token_and_ours_may_share_the_header(first: str) -> None:
    """While a destination is moved from one to the other."""
    tokens = build_tokens()
    both = [SelfIssuedToken(tokens), VerificationToken(TOKEN)]
    any_of = AnyOf(*(both if first == "ours" else reversed(both)))

    assert deliver(any_of, bearer(tokens.issue("redox", ())))[0].status == 200
    assert deliver(any_of, bearer(TOKEN))[0].status == 200
    assert deliver(any_of, bearer("other"))[0].status == 401


def test_a_registry_that_is_down_is_a_503() -> None:
    """And never a refusal."""

    class Down:
        def verify(self, token: str) -> Principal:
            raise AuthenticatorUnavailable("registry-down")

    reply, received = deliver(SelfIssuedToken(Down()), bearer("a.b"))

    assert (reply.status, received) == (503, [])
    assert reply.headers["retry-after"] == "10"


@given(st.text(st.characters(max_codepoint=255), max_size=200))
def test_no_header_without_a_token_of_ours_is_ever_accepted(text: str) -> None:
    """Nor does any raise anything else."""
    authenticator = SelfIssuedToken(TOKENS)
    for value in (text, f"Bearer {text}", f"Bearer {text}.{text}"):
        with pytest.raises(AuthenticationFailed):
            authenticator.authenticate(
                Request(build_environ(headers={"authorization": value}))
            )


TOKENS = build_tokens()


@pytest.mark.parametrize(
    ("service", "scopes"),
    [
        (None, ()),
        (type(TOKENS), ()),
        ("x", ()),
        (TOKENS, "system/Patient.rs"),
        (TOKENS, ['x"']),
        (TOKENS, [""]),
    ],
)
def test_a_wrong_setting_ends_the_start(service: Any, scopes: Any) -> None:
    """Never for a request."""
    with pytest.raises(ConfigurationError):
        SelfIssuedToken(service, scopes=scopes)


def test_scope_error_is_raised_as_such() -> None:
    """For who asks the authenticator itself."""
    authenticator = SelfIssuedToken(TOKENS, scopes=["x"])
    request = Request(build_environ(headers=bearer(TOKENS.issue("redox", ()))))

    with pytest.raises(InsufficientScope) as caught:
        authenticator.authenticate(request)

    assert caught.value.code == "missing-scope"


def test_the_authenticator_knows_nothing_of_the_endpoint() -> None:
    """It is given what verifies; so the rows of the house stay apart."""
    tree = ast.parse(Path(self_issued_token.__file__).read_text())
    modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}

    assert modules
    assert not any("oauth" in (module or "") for module in modules)

"""The token endpoint, row by row: request and settings to the answer."""

from __future__ import annotations

import hmac
import json
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi import (
    AuthenticationFailed,
    AuthenticatorUnavailable,
    ConfigurationError,
    Outcome,
    Request,
)
from redox_wsgi.oauth import (
    AssertionRules,
    Client,
    Clients,
    TokenEndpoint,
    hash_secret,
)
from redox_wsgi.oauth.answers import MEMBERS
from tests.support.leaks import capture_logs
from tests.support.oauth import (
    ASSERTION_TYPE,
    FORM,
    JWT_BEARER,
    OLD_SECRET,
    SCOPES,
    SECRET,
    STRANGE_SECRET,
    URL,
    ask,
    assertion,
    basic,
    build_claims,
    build_clients,
    build_endpoint,
    build_tokens,
    read,
    sign,
)
from tests.support.wsgi import Reply, build_environ, send

GRANT = {"grant_type": "client_credentials"}
POSTED = {**GRANT, "client_id": "redox", "client_secret": SECRET}
CHALLENGE = {"www-authenticate": 'Basic realm="redox"'}

SENTENCES = {
    "invalid_request": "A parameter is missing, doubled or malformed.",
    "invalid_client": "Client authentication failed.",
    "invalid_grant": "The assertion is not valid.",
    "invalid_scope": "The scope is malformed or was not granted to this client.",
    "unauthorized_client": "This client may not use this grant type.",
    "unsupported_grant_type": "This grant type is not supported.",
    "method_not_allowed": "A token is asked for by POST.",
    "body_too_large": "The request is too large.",
    "https_required": "A token is asked for over HTTPS.",
    "temporarily_unavailable": "Nobody can tell now; come again later.",
}
ALWAYS = {
    "content-type": "application/json",
    "cache-control": "no-store",
    "pragma": "no-cache",
    "x-content-type-options": "nosniff",
}


def check(reply: Reply, status: int, error: str, **more: str) -> None:
    """Compare an answer with the table: status, body and every header."""
    body = {"error": error, "error_description": SENTENCES[error]}
    encoded = json.dumps(body, separators=(",", ":")).encode()
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if status == 401:
        headers.update(CHALLENGE)

    assert (reply.status, reply.body) == (status, encoded)
    assert reply.headers == {
        **ALWAYS,
        "content-length": str(len(encoded)),
        **headers,
    }


def check_success(reply: Reply, scope: str | None = " ".join(SCOPES)) -> Any:
    """Compare an answer that carries a token, and return it."""
    answer = read(reply)
    token = answer.pop("access_token")
    expected = {"token_type": "bearer", "expires_in": 300}

    assert reply.status == 200
    assert answer == expected | ({} if scope is None else {"scope": scope})
    length = str(len(reply.body))
    assert reply.headers == {**ALWAYS, "content-length": length}
    assert build_tokens().verify(token).scopes == set((scope or "").split())
    return token


# Before the client is known.


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_token_is_asked_for_by_post_only(method: str) -> None:
    """By GET, secrets would stand in access logs."""
    reply = ask(build_endpoint(), POSTED, method=method)

    check(reply, 405, "method_not_allowed", allow="POST")


def test_the_answer_to_head_has_no_body() -> None:
    """As HTTP wants it."""
    reply = ask(build_endpoint(), b"", method="HEAD")

    assert (reply.status, reply.body) == (405, b"")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "application/json",
        "text/plain",
        "",
        "multipart/form-data; boundary=x",
        f"{FORM}; charset=latin-1",
        f"{FORM}; charset=utf-8; charset=utf-8",
        f"{FORM},{FORM}",
        f"x{FORM}",
    ],
)
def test_another_content_type_is_an_invalid_request(content_type: str | None) -> None:
    """None at all too, and JSON as long as it is not switched on."""
    reply = ask(build_endpoint(), POSTED, CONTENT_TYPE=content_type)

    check(reply, 400, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        FORM.upper(),
        f"{FORM};charset=UTF-8",
        f'{FORM} ; charset="utf-8"',
        f"{FORM}\t;\tcharset=utf-8",
    ],
)
def test_the_charset_that_clients_announce_is_taken(content_type: str) -> None:
    """Many of them do, though the type has no such parameter."""
    check_success(ask(build_endpoint(), POSTED, {"content-type": content_type}))


def test_a_body_above_64_kib_is_too_large() -> None:
    """It is not read; one of exactly 64 KiB is."""
    fill = 64 * 1024 - len(urlencode({**POSTED, "x": ""}))

    check_success(ask(build_endpoint(), {**POSTED, "x": "x" * fill}))
    reply = ask(build_endpoint(), {**POSTED, "x": "x" * (fill + 1)})
    check(reply, 413, "body_too_large")


def test_a_hundred_parameters_are_read() -> None:
    """Far more than any client sends."""
    more = {f"custom-{number}": "x" for number in range(100 - len(POSTED))}

    check_success(ask(build_endpoint(), {**POSTED, **more}))


def test_a_body_shorter_than_announced_is_an_invalid_request() -> None:
    """The connection ended; the client may send it again."""
    reply = ask(build_endpoint(), POSTED, {"content-length": "9999"})

    check(reply, 400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&x=\xff",
        b"grant_type=client_credentials&x=%ff",
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&scope=a&scope=b",
        b"grant_type=client_credentials&unknown=a&unknown=a",
        b"grant_type=client_credentials&scope=&scope=",
        b"grant_type=client_credentials&%67rant_type=client_credentials",
        b"",
        b"grant_type=client_credentials" + b"&a%d=" * 100 % tuple(range(100)),
        b"grant_type=",
        b"grant_type",
        b"Grant_Type=client_credentials",
        b'{"grant_type": "client_credentials"}',
    ],
)
def test_a_malformed_or_ambiguous_body_is_an_invalid_request(body: bytes) -> None:
    """Even with a right secret: one program takes the first value, one the last."""
    check(ask(build_endpoint(), body, basic()), 400, "invalid_request")


@pytest.mark.parametrize(
    "grant", ["password", "refresh_token", "CLIENT_CREDENTIALS", JWT_BEARER, "\u00e9"]
)
def test_an_unknown_grant_type_is_named_before_anybody_is_authenticated(
    grant: str,
) -> None:
    """Right, wrong or no credentials: the answer is the same."""
    for headers in (basic(), basic(secret="wrong"), {}):
        reply = ask(build_endpoint(), {"grant_type": grant}, headers)
        check(reply, 400, "unsupported_grant_type")


def test_a_parameter_in_the_query_is_not_read() -> None:
    """It would stand in access logs."""
    reply = ask(build_endpoint(), b"", basic(), query=urlencode(POSTED))

    check(reply, 400, "invalid_request")


def test_unknown_and_empty_parameters_are_ignored() -> None:
    """RFC 6749 section 3.2; Redox may send its custom field, and a resource."""
    more = {"resource": "x", "audience": "y", "custom": "z", "scope": ""}

    check_success(ask(build_endpoint(), {**POSTED, **more}))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_https_can_be_required(scheme: str) -> None:
    """A secret over plain HTTP is not a secret any more."""
    endpoint = build_endpoint(require_https=True)
    changes: dict[str, Any] = {"wsgi.url_scheme": scheme}
    reply = ask(endpoint, POSTED, **changes)

    if scheme == "https":
        check_success(reply)
    else:
        check(reply, 403, "https_required")


# Client authentication.


def test_no_client_authentication_is_an_invalid_client() -> None:
    """With the challenge that tells how."""
    check(ask(build_endpoint()), 401, "invalid_client")
    named = {**GRANT, "client_id": "redox"}
    check(ask(build_endpoint(), named), 401, "invalid_client")


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
def test_both_secrets_are_right_while_they_are_rotated(secret: str) -> None:
    """In the header and in the body."""
    check_success(ask(build_endpoint(), GRANT, basic(secret=secret)))
    check_success(ask(build_endpoint(), {**POSTED, "client_secret": secret}))


@pytest.mark.parametrize(
    "headers",
    [
        basic("strange", STRANGE_SECRET),
        basic("strange", quote_plus(STRANGE_SECRET)),
    ],
    ids=["raw", "form-encoded"],
)
def test_basic_is_read_in_both_forms(headers: dict[str, str]) -> None:
    """RFC 6749 section 2.3.1 form-encodes, and many clients do not."""
    check_success(ask(build_endpoint(), GRANT, headers), scope=None)


def test_an_id_that_form_encoding_changes_is_read_in_both_forms() -> None:
    """Such as one with a slash."""
    client = Client(client_id="org/redox", secret_hashes=(hash_secret(SECRET),))
    endpoint = build_endpoint(clients=Clients([client]))

    for client_id in ("org/redox", "org%2Fredox"):
        reply = ask(endpoint, GRANT, basic(client_id))
        assert reply.status == 200


def test_a_client_without_scopes_gets_a_token_that_names_none() -> None:
    """A scope has at least one word, so an empty one would be malformed."""
    check_success(ask(build_endpoint(), GRANT, basic("plain")), scope=None)


WRONG: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "a wrong secret": (GRANT, basic(secret="wrong")),
    "an empty secret": (GRANT, basic(secret="")),
    "a prefix": (GRANT, basic(secret=SECRET[:-1])),
    "another case": (GRANT, basic(secret=SECRET.upper())),
    "an unknown client": (GRANT, basic("nobody")),
    "another case of the client": (GRANT, basic("Redox")),
    "a non-ASCII client": (GRANT, basic("r\u00e9dox")),
    "an empty client": (GRANT, basic("")),
    "a client with keys only": (GRANT, basic("smart", "")),
    "no colon": (GRANT, {"authorization": "Basic cmVkb3g="}),
    "no base64": (GRANT, {"authorization": "Basic !!!"}),
    "bad padding": (GRANT, {"authorization": "Basic cmVkb3g"}),
    "nothing": (GRANT, {"authorization": "Basic"}),
    "a blank and nothing": (GRANT, {"authorization": "Basic "}),
    "no blank": (
        GRANT,
        {"authorization": basic()["authorization"].replace(" ", "")},
    ),
    "an empty header": (GRANT, {"authorization": ""}),
    "a doubled header": (
        GRANT,
        {"authorization": ",".join([basic()["authorization"]] * 2)},
    ),
    "another scheme": (GRANT, {"authorization": f"Bearer {SECRET}"}),
    "a non-ASCII header": (GRANT, {"authorization": "Basic \xff"}),
    "a wrong secret in the body": ({**POSTED, "client_secret": "wrong"}, {}),
    "an unknown client in the body": ({**POSTED, "client_id": "nobody"}, {}),
    "a secret without a client": ({**GRANT, "client_secret": SECRET}, {}),
    "a non-ASCII secret in the body": ({**POSTED, "client_secret": "\u20ac"}, {}),
    "an assertion that is none": (assertion("x"), {}),
    "an assertion without its type": (
        {**GRANT, "client_assertion": "x"},
        {},
    ),
    "a type without its assertion": (
        {**GRANT, "client_assertion_type": ASSERTION_TYPE},
        {},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_every_wrong_credential_gets_the_same_answer(name: str) -> None:
    """To the byte, so that nobody learns which clients exist."""
    parameters, headers = WRONG[name]

    check(ask(build_endpoint(), parameters, headers), 401, "invalid_client")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("a wrong secret", "wrong-client-secret"),
        ("an unknown client in the body", "wrong-client-secret"),
        ("nothing", "malformed-basic"),
        ("a blank and nothing", "malformed-basic"),
        ("no blank", "malformed-basic"),
        ("another scheme", "malformed-basic"),
        ("an assertion that is none", "malformed-token"),
        ("an assertion without its type", "wrong-assertion-type"),
        ("a type without its assertion", "malformed-token"),
    ],
)
def test_the_log_tells_what_the_answer_does_not(name: str, code: str) -> None:
    """Whoever runs the endpoint has to find the mistake."""
    seen: list[Outcome] = []
    parameters, headers = WRONG[name]
    ask(build_endpoint(observer=seen.append), parameters, headers)

    assert [outcome.code for outcome in seen] == [code]


@pytest.mark.parametrize("scheme", ["basic ", "BASIC ", "Basic   "])
def test_the_scheme_is_known_in_any_case_and_before_any_blanks(scheme: str) -> None:
    """RFC 9110 section 11.4 lets one blank or more follow it."""
    authorization = scheme + basic()["authorization"].removeprefix("Basic ")

    check_success(ask(build_endpoint(), GRANT, {"authorization": authorization}))


@pytest.mark.parametrize(
    ("headers", "compared"),
    [
        *((basic(*pair), 4) for pair in [("redox", SECRET), ("redox", OLD_SECRET)]),
        *((basic(*pair), 4) for pair in [("redox", "wrong"), ("nobody", SECRET)]),
        *((basic(*pair), 4) for pair in [("plain", SECRET), ("smart", "x")]),
        (None, 2),
    ],
)
def test_every_outcome_takes_the_same_number_of_comparisons(
    headers: dict[str, str] | None, compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that does not exist has as many secrets as one that does."""
    compared_hashes = compared_names = 0
    constant_time = hmac.compare_digest

    def count(known: Any, sent: Any) -> bool:
        nonlocal compared_hashes, compared_names
        is_hash = len(sent) == 64
        compared_hashes += is_hash
        compared_names += not is_hash
        return constant_time(known, sent)

    endpoint = build_endpoint()
    monkeypatch.setattr(hmac, "compare_digest", count)
    ask(endpoint, POSTED if headers is None else GRANT, headers)

    assert (compared_hashes, compared_names) == (compared, compared // 2)


@pytest.mark.parametrize("client_id", ["plain", "smart", "nobody"])
def test_the_digest_that_fills_up_is_nobodys_secret(
    client_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if something equalled it, it would open nothing."""
    equal = ("0" * 64, client_id)
    monkeypatch.setattr(hmac, "compare_digest", lambda _, known: known in equal)

    check(ask(build_endpoint(), GRANT, basic(client_id)), 401, "invalid_client")


@pytest.mark.parametrize(
    ("parameters", "headers"),
    [
        ({**POSTED, "client_secret": OLD_SECRET}, basic()),
        ({**POSTED, "client_secret": "wrong"}, basic()),
        ({**POSTED, "client_id": "plain"}, basic()),
        ({**GRANT, "client_secret": SECRET}, basic()),
        ({**GRANT, "client_id": "plain"}, basic()),
        (assertion(), basic()),
        (assertion(client_secret=SECRET, client_id="redox"), {}),
        (assertion(client_secret=SECRET, client_id="redox"), basic()),
        (assertion(client_id="redox"), {}),
        ({**GRANT, "client_assertion": "x"}, basic()),
        ({**GRANT, "client_assertion_type": ASSERTION_TYPE}, basic()),
    ],
)
def test_two_methods_or_two_clients_are_an_invalid_request(
    parameters: dict[str, str], headers: dict[str, str]
) -> None:
    """RFC 6749 section 2.3: not more than one authentication method."""
    check(ask(build_endpoint(), parameters, headers), 400, "invalid_request")


@pytest.mark.parametrize(
    "headers",
    [basic("strange", STRANGE_SECRET), basic("strange", quote_plus(STRANGE_SECRET))],
)
def test_a_body_that_repeats_the_header_is_tolerated(headers: dict[str, str]) -> None:
    """Nobody says whether Redox's body does; it can be forbidden."""
    twice = {**GRANT, "client_id": "strange", "client_secret": STRANGE_SECRET}

    seen: list[Outcome] = []
    check_success(ask(build_endpoint(observer=seen.append), twice, headers), scope=None)
    assert seen[0].principal == "client_secret_basic"
    strict = build_endpoint(tolerate_duplicate_credentials=False)
    check(ask(strict, twice, headers), 400, "invalid_request")


def test_a_broken_header_beside_a_body_is_refused() -> None:
    """What cannot be read does not say the same."""
    reply = ask(build_endpoint(), POSTED, {"authorization": "Basic !"})

    check(reply, 401, "invalid_client")


def test_the_clients_own_id_may_be_repeated() -> None:
    """In the body beside any method."""
    endpoint = build_endpoint()

    check_success(ask(endpoint, {**GRANT, "client_id": "redox"}, basic()))
    check_success(ask(endpoint, assertion(client_id="smart")))


# Grants and scopes.


def test_a_client_without_the_grant_is_unauthorized() -> None:
    """It is who it says, and may not do this."""
    reply = ask(build_endpoint(), GRANT, basic("only-jwt"))

    check(reply, 400, "unauthorized_client")


def test_a_grant_error_burns_no_assertion() -> None:
    """The request may be mended and sent again."""
    endpoint = build_endpoint(jwt_bearer=AssertionRules(URL))
    token = sign(build_claims(iss="only-jwt", sub="only-jwt"))
    asked = {"grant_type": JWT_BEARER, "assertion": token}

    check(ask(endpoint, assertion(token)), 400, "unauthorized_client")
    check(
        ask(endpoint, assertion(token, grant_type="x")), 400, "unsupported_grant_type"
    )
    assert ask(endpoint, asked).status == 200


@pytest.mark.parametrize("scope", [*SCOPES, " ".join(reversed(SCOPES)), None])
def test_what_is_asked_for_is_granted_and_nothing_asked_is_all(
    scope: str | None,
) -> None:
    """RFC 6749 section 3.3 lets the server choose what is not asked for."""
    endpoint = build_endpoint()
    asked = GRANT if scope is None else {**GRANT, "scope": scope}
    granted = SCOPES if scope is None else scope.split()

    check_success(ask(endpoint, asked, basic()), " ".join(sorted(granted)))


@pytest.mark.parametrize(
    "scope",
    [
        "system/*.*",
        f"{SCOPES[0]} other",
        f"{SCOPES[0]}  {SCOPES[1]}",
        f" {SCOPES[0]}",
        f"{SCOPES[0]}\t{SCOPES[1]}",
        f"{SCOPES[0]},{SCOPES[1]}",
        SCOPES[0].upper(),
        "\u00e9",
        " ",
        "\x00",
    ],
)
def test_a_scope_that_was_not_granted_is_invalid(scope: str) -> None:
    """All or nothing: a client that got less would find out much later."""
    reply = ask(build_endpoint(), {**GRANT, "scope": scope}, basic())

    check(reply, 400, "invalid_scope")


def test_a_used_assertion_is_refused_before_its_scope_is_looked_at() -> None:
    """Authentication comes first, and the jti belongs to it."""
    endpoint = build_endpoint()
    wrong_scope = assertion(scope="other")

    check(ask(endpoint, wrong_scope), 400, "invalid_scope")
    check(ask(endpoint, wrong_scope), 401, "invalid_client")


# Names and forms that Redox may be told to use.


def test_parameters_and_answer_bear_the_names_of_the_credential() -> None:
    """Redox's fields grantTypeName, clientIdName, accessTokenName and the like."""
    endpoint = build_endpoint(
        parameter_names={"grant_type": "grantType", "client_secret": "password"},
        answer_names={"access_token": "accessToken", "expires_in": "ttl"},
    )
    asked = {"grantType": "client_credentials", "client_id": "redox"}
    answer = read(ask(endpoint, {**asked, "password": SECRET}))

    assert sorted(answer) == ["accessToken", "scope", "token_type", "ttl"]
    check(ask(endpoint, POSTED), 400, "invalid_request")


def test_json_is_refused_where_it_is_not_switched_on() -> None:
    """Though it is a right request otherwise."""
    headers = {"content-type": "application/json"}

    reply = ask(build_endpoint(), json.dumps(POSTED), headers)

    check(reply, 400, "invalid_request")


def test_parameters_may_come_as_json_where_that_is_switched_on() -> None:
    """Redox's field contentType; forms are taken all the same."""
    endpoint = build_endpoint(accept_json=True)
    headers = {"content-type": "application/json; charset=utf-8"}
    asked = {**POSTED, "scope": None, "custom": 1, "other": ["x"]}

    check_success(ask(endpoint, json.dumps(asked), headers))
    check_success(ask(endpoint, POSTED))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"grant_type": ["client_credentials"]}',
        b'{"grant_type": "client_credentials", "scope": ["a"]}',
        b'{"grant_type": "client_credentials", "scope": 1}',
        b'{"grant_type": "x", "grant_type": "client_credentials"}',
        b'{"grant_type": "\\ud800"}',
        b'{"grant_type": "client_credentials", "x": NaN}',
        b'{"x": ' + b"[" * 60_000,
        b'{"x": ' + b"1" * 5_000 + b"}",
        '{"grant_type": "client_credentials"}'.encode("utf-16"),
        b"\xff",
    ],
)
def test_json_that_is_no_request_is_invalid(body: bytes) -> None:
    """A scope that is no text must not pass for none, which would grant all."""
    headers = {**basic(), "content-type": "application/json"}

    check(ask(build_endpoint(accept_json=True), body, headers), 400, "invalid_request")


# What it depends on.


class Broken:
    """A registry or a store that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, client_id: str) -> Any:
        """Fail."""
        raise self.error

    def add(self, key: str, expires_at: Any) -> bool:
        """Fail."""
        raise self.error


UNAVAILABLE = AuthenticatorUnavailable("store-down", retry_after_seconds=7)


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [(UNAVAILABLE, "7"), (OSError("disk"), "10")],
    ids=["as promised", "anything else"],
)
@pytest.mark.parametrize("place", ["registry", "store"])
def test_whatever_is_down_is_a_503_and_no_refusal(
    place: str, error: Exception, retry_after: str
) -> None:
    """The client did nothing wrong, and must come again."""
    broken = Broken(error)
    if place == "store":
        endpoint = build_endpoint(replay_store=broken)
    else:
        endpoint = build_endpoint(clients=broken)

    reply = ask(endpoint, assertion())

    check(reply, 503, "temporarily_unavailable", retry_after=retry_after)


def test_a_registry_that_refuses_in_other_words_is_put_into_ours() -> None:
    """No word of another protocol reaches the client."""
    endpoint = build_endpoint(clients=Broken(AuthenticationFailed("blocked")))

    check(ask(endpoint, GRANT, basic()), 401, "invalid_client")


def test_a_registry_is_asked_for_possible_ids_only_and_held_to_them() -> None:
    """A database may refuse a NUL, and find "redox" when asked for "REDOX"."""
    asked: list[str] = []

    class Loose:
        """Compares without regard to case."""

        def get(self, client_id: str) -> Client | None:
            """Find a client."""
            asked.append(client_id)
            return build_clients().get(client_id.lower())

    endpoint = build_endpoint(clients=Loose(), tokens=build_tokens())
    for client_id in ("REDOX", "x\x00", "x y", "\u00e9", "x" * 200):
        check(ask(endpoint, GRANT, basic(client_id)), 401, "invalid_client")
    claims = build_claims(iss="x\x00", sub="x\x00")
    check(ask(endpoint, assertion(sign(claims))), 401, "invalid_client")

    assert set(asked) == {"REDOX"}


def test_the_outcome_of_each_request_is_observed() -> None:
    """With the method that proved the client, and the word for the log."""
    seen: list[Outcome] = []
    endpoint = build_endpoint(observer=seen.append, name="tokens")
    ask(endpoint, GRANT, basic())
    ask(endpoint, GRANT, basic(secret="wrong"))
    ask(build_endpoint(replay_store=Broken(UNAVAILABLE), observer=seen.append), {})
    ask(
        build_endpoint(replay_store=Broken(UNAVAILABLE), observer=seen.append),
        assertion(),
    )

    assert [(o.word, o.status, o.code, o.principal) for o in seen] == [
        ("answered", 200, None, "client_secret_basic"),
        ("refused", 401, "wrong-client-secret", None),
        ("refused", 400, "no-grant-type", None),
        ("failed", 503, "store-down", "private_key_jwt"),
    ]
    assert seen[0].destination == "tokens"


class Full:
    """A store that has every key already."""

    def add(self, key: str, expires_at: Any) -> bool:
        """Say so."""
        return False


BEARER = AssertionRules(URL)


@pytest.mark.parametrize(
    ("settings", "parameters", "headers", "code"),
    [
        ({"require_https": True}, POSTED, {}, "https-required"),
        ({}, POSTED, {"content-type": "text/plain"}, "wrong-content-type"),
        ({}, "scope=%ff", {}, "malformed-parameters"),
        ({}, {"grant_type": "x"}, {}, "unsupported-grant-type"),
        ({}, GRANT, {}, "no-credentials"),
        ({}, assertion(), basic(), "several-credentials"),
        ({}, {**GRANT, "client_id": "plain"}, basic(), "different-clients"),
        ({}, GRANT, basic("only-jwt"), "grant-not-allowed"),
        ({}, {**GRANT, "scope": "x"}, basic(), "scope-not-granted"),
        ({"jwt_bearer": BEARER}, {"grant_type": JWT_BEARER}, {}, "no-assertion"),
        ({"replay_store": Full()}, assertion(), {}, "used-assertion"),
        ({"clients": Broken(OSError())}, POSTED, {}, "token-endpoint-raised"),
    ],
)
def test_the_log_has_one_word_for_each_reason(
    settings: dict[str, Any],
    parameters: dict[str, str] | str,
    headers: dict[str, str],
    code: str,
) -> None:
    """Several reasons have one answer, and the one at fault has to be told which."""
    seen: list[Outcome] = []
    ask(build_endpoint(observer=seen.append, **settings), parameters, headers)
    refusal = [outcome.code for outcome in seen]

    assert refusal == [code]
    assert seen[0].destination == "token-endpoint"


def test_the_log_has_a_word_for_another_method() -> None:
    """Somebody opened the address in a browser."""
    seen: list[Outcome] = []
    ask(build_endpoint(observer=seen.append), POSTED, method="GET")

    assert [outcome.code for outcome in seen] == ["method-not-allowed"]


def test_the_log_names_what_a_registry_of_ones_own_raised() -> None:
    """By its class and place; its text may quote anything."""
    with capture_logs() as records:
        ask(build_endpoint(clients=Broken(OSError("s3cret"))), POSTED)

    [line] = [record.getMessage() for record in records]
    assert "builtins.OSError" in line
    assert "s3cret" not in line


# RFC 7523: the assertion is the grant.


def grant_asked(token: str, **more: Any) -> dict[str, Any]:
    """Build the parameters of an assertion that is itself the grant."""
    return {"grant_type": JWT_BEARER, "assertion": token, **more}


def test_the_jwt_bearer_grant_is_off_by_default() -> None:
    """Nobody knows that Redox uses it."""
    reply = ask(build_endpoint(), grant_asked(sign()))

    check(reply, 400, "unsupported_grant_type")


def test_an_assertion_can_be_the_grant() -> None:
    """Without any other proof, with a life of up to an hour; sub may be anybody."""
    rules = AssertionRules(URL, max_lifetime_seconds=3600)
    endpoint = build_endpoint(jwt_bearer=rules)
    claims = build_claims(exp=build_claims()["exp"] + 3300, sub="somebody")
    token = sign(claims)

    check_success(ask(endpoint, grant_asked(token)))
    check(ask(endpoint, grant_asked(token)), 400, "invalid_grant")
    again = sign({**claims, "jti": None})
    check(ask(endpoint, grant_asked(again)), 400, "invalid_grant")
    del claims["jti"]
    unnamed = sign(claims)
    check_success(ask(endpoint, grant_asked(unnamed)))
    check_success(ask(endpoint, grant_asked(unnamed)))


@pytest.mark.parametrize(
    ("parameters", "headers", "error"),
    [
        ({"grant_type": JWT_BEARER}, {}, "invalid_request"),
        (grant_asked("x"), {}, "invalid_grant"),
        (grant_asked(sign(build_claims(aud="https://x"))), {}, "invalid_grant"),
        (grant_asked(sign(build_claims(iss="no-jku"))), {}, "unauthorized_client"),
        (grant_asked(sign()), basic(), "invalid_request"),
        (grant_asked(sign(), client_id="redox"), {}, "invalid_request"),
    ],
)
def test_a_wrong_assertion_is_an_invalid_grant(
    parameters: dict[str, str], headers: dict[str, str], error: str
) -> None:
    """RFC 7523 section 3.1; another client's proof beside it is ambiguous."""
    endpoint = build_endpoint(jwt_bearer=AssertionRules(URL))

    check(ask(endpoint, parameters, headers), 400, error)


def test_a_wrong_secret_beside_the_assertion_is_an_invalid_client() -> None:
    """Nobody needs it, but whoever sends one must be right."""
    seen: list[Outcome] = []
    endpoint = build_endpoint(jwt_bearer=AssertionRules(URL), observer=seen.append)
    claims = build_claims(iss="only-jwt", sub="only-jwt")
    right, wrong = basic("only-jwt"), basic("only-jwt", "wrong")

    check(ask(endpoint, grant_asked(sign(claims)), wrong), 401, "invalid_client")
    check_success(ask(endpoint, grant_asked(sign(claims)), right), scope=None)
    assert [outcome.principal for outcome in seen] == [None, "client_secret_basic"]


# Settings.


@pytest.mark.parametrize(
    "settings",
    [
        {"realm": 'x"y'},
        {"realm": "x\r\ny"},
        {"realm": "x\\"},
        {"realm": ""},
        {"realm": None},
        {"realm": "\u00e9"},
        {"clients": print, "tokens": build_tokens()},
        {"clients": Clients, "tokens": build_tokens()},
        {"tokens": object()},
        {"observer": "x"},
        {"now": "x", "tokens": build_tokens()},
        {"name": "a\nb"},
        {"accept_json": "yes"},
        {"require_https": "false"},
        {"tolerate_duplicate_credentials": "no"},
        {"parameter_names": {"clientId": "client_id"}},
        {"parameter_names": {"client_id": "scope"}},
        {"parameter_names": {"client_id": ""}},
        {"parameter_names": {"client_id": "a b"}},
        {"parameter_names": {"client_id": 1}},
        {"parameter_names": "client_id"},
        {"answer_names": {"token": "x"}},
        {"answer_names": {"access_token": "scope"}},
        {"assertions": URL},
        {"jwt_bearer": URL},
        {"assertions": AssertionRules(URL), "replay_store": object()},
        {"assertions": None},
    ],
)
def test_a_wrong_setting_ends_the_start(settings: dict[str, Any]) -> None:
    """Never for a request."""
    with pytest.raises(ConfigurationError):
        build_endpoint(**settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("realm", 'x"y'),
        ("name", "a\nb"),
        ("accept_json", "yes"),
        ("require_https", "false"),
        ("tolerate_duplicate_credentials", "no"),
        ("parameter_names", "client_id"),
        ("parameter_names", ["client_id"]),
        ("answer_names", {"token": "x"}),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(name: str, value: object) -> None:
    """Of several switches, nobody could guess which one it is."""
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        build_endpoint(**{name: value})


def test_a_realm_is_all_that_can_stand_between_quotes() -> None:
    """Blanks too; a quote or a backslash would need an escape."""
    realm = "".join(map(chr, range(0x20, 0x7F))).replace('"', "").replace("\\", "")
    reply = ask(build_endpoint(realm=realm), GRANT)

    assert reply.headers["www-authenticate"] == f'Basic realm="{realm}"'
    assert build_endpoint(realm="x" * 200)
    with pytest.raises(ConfigurationError):
        build_endpoint(realm="x" * 201)


def test_every_member_of_an_answer_may_have_another_name() -> None:
    """Not only some of them; of a hundred visible characters at most."""
    others = ("!", "x" * 100, "~", "y")
    names = dict(zip(MEMBERS, others, strict=True))

    assert set(read(ask(build_endpoint(answer_names=names), POSTED))) == set(others)
    with pytest.raises(ConfigurationError):
        build_endpoint(answer_names={"scope": "x" * 101})


def test_assertions_need_a_replay_store() -> None:
    """Without one, each would count for as long as it lives."""
    with pytest.raises(ConfigurationError):
        TokenEndpoint(build_clients(), build_tokens(), assertions=AssertionRules(URL))


def test_clients_with_secrets_need_no_replay_store_and_no_keys() -> None:
    """The smallest endpoint: two arguments."""
    clients = Clients([c for c in build_clients() if c.client_id == "redox"])
    endpoint = TokenEndpoint(clients, build_tokens(clients=clients))

    check_success(ask(endpoint, POSTED))
    check(ask(endpoint, assertion()), 401, "invalid_client")
    assert endpoint.methods == ("client_secret_basic", "client_secret_post")
    assert endpoint.grants == ("client_credentials",)


def test_lists_and_sets_may_be_given_for_a_client() -> None:
    """What a caller changes later changes nothing here."""
    scopes = ["a"]
    client = Client(
        client_id="x",
        secret_hashes=["0" * 64],  # type: ignore[arg-type]
        scopes=scopes,  # type: ignore[arg-type]
    )
    scopes.append("b")

    assert client.secret_hashes == ("0" * 64,)
    assert client.scopes == {"a"}


def test_a_registry_of_ones_own_is_asked_each_time() -> None:
    """Clients may come and go while the server runs."""

    class Registry(dict[str, Client]):
        """A mapping is a registry."""

    registry = Registry({c.client_id: c for c in build_clients()})
    endpoint = build_endpoint(clients=registry, assertions=None)

    check_success(ask(endpoint, POSTED))
    del registry["redox"]
    check(ask(endpoint, POSTED), 401, "invalid_client")


# Inferno's SMART test kit, group backend_services_authorization.


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_the_requests_of_the_smart_test_kit_are_answered_as_it_wants(
    algorithm: str,
) -> None:
    """In its order, with one assertion each, valid for exactly five minutes."""
    endpoint = build_endpoint()
    jwts = [sign(build_claims(jti=f"jti-{n}"), algorithm) for n in range(4)]
    scope = SCOPES[0]

    # smart_backend_services_invalid_grant_type: exactly 400
    asked = assertion(jwts[0], scope=scope, grant_type="not_a_grant_type")
    check(ask(endpoint, asked), 400, "unsupported_grant_type")
    # smart_backend_services_invalid_client_assertion: 400 or 401
    wrong_type = {"client_assertion_type": "not_an_assertion_type"}
    asked = {**assertion(jwts[1], scope=scope), **wrong_type}
    check(ask(endpoint, asked), 401, "invalid_client")
    # smart_backend_services_invalid_jwt: the same wrong type again; 400 or 401
    asked = {**assertion(jwts[2], scope=scope), **wrong_type}
    check(ask(endpoint, asked), 401, "invalid_client")
    # What its name promises: a signature that is not right.
    asked = assertion(jwts[3][:-8] + "AAAAAAAA", scope=scope)
    check(ask(endpoint, asked), 401, "invalid_client")
    # smart_backend_services_auth_request_success, with a JWT from above: none is burnt
    # smart_backend_services_auth_response_body: four members, expires_in a number
    check_success(ask(endpoint, assertion(jwts[0], scope=scope)), scope)


# The Bulk Data test suite of SMART Health IT, "Token endpoint".
# -- https://github.com/smart-on-fhir/bdt


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "invalid test value"}, "unsupported_grant_type"),
        ({"client_assertion_type": None}, "invalid_client"),
        ({"client_assertion_type": "invalid test value"}, "invalid_client"),
        ({"client_assertion": None}, "invalid_client"),
        ({"client_assertion": "invalid test value"}, "invalid_client"),
        ({"aud": "test-bad-aud-value"}, "invalid_client"),
        ({"iss": "test-iss-value"}, "invalid_client"),
        ({"iss": "test-bad-client-id", "sub": "test-bad-client-id"}, "invalid_client"),
        ({"jku": "test-bad-jku"}, "invalid_client"),
        ({"scope": "invalid test value"}, "invalid_scope"),
        ({"scope": "launch fhirUser"}, "invalid_scope"),
        ({"scope": "system/Patient.unknownAction"}, "invalid_scope"),
        ({"scope": "system/UnknownResource.rs"}, "invalid_scope"),
        ({"scope": "system/Patient.write"}, "invalid_scope"),
        ({"scope": "system/Patient.cud"}, "invalid_scope"),
    ],
    ids=str,
)
def test_the_requests_of_the_bulk_data_suite_are_refused(
    changes: dict[str, Any], error: str
) -> None:
    """One thing is wrong in each; beside it the same request is right."""
    claims = {name: changes[name] for name in ("iss", "sub", "aud") if name in changes}
    header = {name: changes[name] for name in ("jku",) if name in changes}
    changed = {n: text for n, text in changes.items() if n not in {*claims, *header}}
    right = assertion(scope=SCOPES[0])
    wrong = assertion(sign(build_claims(**claims), **header), scope=SCOPES[0])
    endpoint = build_endpoint()

    reply = ask(endpoint, {**wrong, **changed})
    check(reply, 401 if error == "invalid_client" else 400, error)
    if error != "invalid_scope":
        check_success(ask(endpoint, right), SCOPES[0])


@pytest.mark.parametrize("scope", [None, ""])
def test_a_signed_request_without_a_scope_gets_all_of_its_client(
    scope: str | None,
) -> None:
    """That suite wants a refusal; RFC 6749 section 3.3 leaves it to the server."""
    check_success(ask(build_endpoint(), assertion(scope=scope)))


# Whatever comes.

TEXT = st.text(max_size=40)
NAMES = st.sampled_from(
    ["grant_type", "scope", "client_id", "client_secret", "client_assertion", "x"]
)
VALUES = st.one_of(
    TEXT,
    st.sampled_from(
        ["client_credentials", JWT_BEARER, "redox", "smart", SECRET, ASSERTION_TYPE]
    ),
)
FORMS = st.lists(st.tuples(NAMES, VALUES), max_size=6).map(urlencode)
BODIES = st.one_of(st.binary(max_size=300), FORMS.map(str.encode))
LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
ALLOWED = {
    200: set[str](),
    400: {
        "invalid_request",
        "invalid_grant",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    },
    401: {"invalid_client"},
    405: {"method_not_allowed"},
}
ENDPOINT = build_endpoint(accept_json=True, jwt_bearer=AssertionRules(URL))


@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", "HEAD"]),
    body=BODIES,
    content_type=st.one_of(st.sampled_from([FORM, "application/json"]), LATIN),
    authorization=st.one_of(
        st.none(), LATIN, TEXT.map(lambda t: basic(t)["authorization"])
    ),
    query=LATIN,
)
def test_any_request_gets_an_answer_of_the_table(
    method: str, body: bytes, content_type: str, authorization: str, query: str
) -> None:
    """Never an exception, never a 503, and never a token to who proved nothing."""
    headers = {"content-type": content_type}
    if authorization is not None:
        headers["authorization"] = authorization
    reply = send(ENDPOINT, method, "/oauth/token", query, body, headers)

    assert reply.headers["pragma"] == "no-cache"
    assert reply.headers["cache-control"] == "no-store"
    if reply.status == 200:
        assert SECRET.encode() in body or (authorization or "").startswith("Basic ")
    elif method != "HEAD":
        answer = read(reply)
        assert answer["error"] in ALLOWED[reply.status]
        assert answer["error_description"] == SENTENCES[answer["error"]]


@given(body=st.binary(max_size=200), garbage=LATIN)
def test_no_request_without_proof_ever_gets_a_token(body: bytes, garbage: str) -> None:
    """Whatever stands around it."""
    body = b"grant_type=client_credentials&client_id=redox&" + body
    request = Request(
        build_environ(
            body=body, headers={"content-type": FORM, "authorization": garbage}
        )
    )

    assert ENDPOINT.respond(request).status in (400, 401)

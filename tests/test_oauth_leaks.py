"""No secret of the token endpoint gets out: not by a log, an answer or a ``repr``."""

from __future__ import annotations

import copy
import pickle
import pprint
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from redox_wsgi import RedoxError
from redox_wsgi.authentication.keys import StaticKeySet
from redox_wsgi.authentication.self_issued_token import SelfIssuedToken
from redox_wsgi.oauth import Client, Clients, ServerMetadata, hash_secret
from redox_wsgi.oauth.token_request import TokenRequest
from tests.support.leaks import capture_logs, list_chain
from tests.support.oauth import (
    KEY,
    SECRET,
    URL,
    ask,
    assertion,
    basic,
    build_claims,
    build_clients,
    build_endpoint,
    build_public_keys,
    build_tokens,
    read,
    sign,
)

TOKEN = build_tokens().issue("redox", ())
ASSERTION = sign()
#: What must be found nowhere: parts that no encoding of ours changes.
CANARIES = {
    "a client secret": SECRET,
    "the hash of one": hash_secret(SECRET),
    "a secret key": KEY.decode(),
    "an access token": TOKEN.rpartition(".")[2],
    "an assertion": ASSERTION.rpartition(".")[2],
    "a Basic header": basic()["authorization"].removeprefix("Basic "),
    "the identifier of an assertion": "jti-canary-77",
}


def find(*values: object) -> list[str]:
    """Name the canaries that stand in the texts of values."""
    text = "\n".join(f"{value!r}\n{value}" for value in values)
    return sorted(name for name, canary in CANARIES.items() if canary in text)


def test_the_search_finds_every_canary() -> None:
    """Otherwise the tests below would say nothing."""
    assert find(*CANARIES.values()) == sorted(CANARIES)
    assert find(KEY, TOKEN.encode(), [ASSERTION]) == sorted(
        ["a secret key", "an access token", "an assertion"]
    )
    assert find("harmless") == []


OBJECTS: dict[str, Callable[[], object]] = {
    "Client": lambda: build_clients().get("redox"),
    "Client with keys": lambda: Client(
        client_id="x", key_set=StaticKeySet(build_public_keys())
    ),
    "Clients": build_clients,
    "TokenService": build_tokens,
    "TokenEndpoint": build_endpoint,
    "ServerMetadata": lambda: ServerMetadata(build_endpoint(), url=URL),
    "SelfIssuedToken": lambda: SelfIssuedToken(build_tokens()),
    "TokenRequest": lambda: TokenRequest(
        MappingProxyType(assertion(ASSERTION, client_secret=SECRET)),
        basic()["authorization"],
    ),
    "Principal": lambda: build_tokens().verify(TOKEN),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_no_object_shows_what_it_holds(name: str) -> None:
    """Error reporters print every local variable."""
    thing = OBJECTS[name]()

    assert thing is not None
    assert find(thing, f"{thing}", pprint.pformat([{"x": thing}])) == []


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, pickle.dumps],
    ids=["copied", "copied deeply", "pickled"],
)
def test_no_copy_shows_what_it_holds(name: str, duplicate: Any) -> None:
    """A pickle may lie in a cache or a queue: secret keys stand in none."""
    thing = OBJECTS[name]()
    try:
        copied = duplicate(thing)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        copied = repr(list(list_chain(error)))

    # The hashes of a registry may be copied with it: they open nothing.
    assert set(find(copied)) <= {"the hash of one"}


@pytest.mark.parametrize("name", ["TokenService", "SelfIssuedToken", "TokenEndpoint"])
def test_what_holds_secret_keys_is_not_pickled(name: str) -> None:
    """It says so, and does not hand them over."""
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as caught:
        pickle.dumps(OBJECTS[name]())

    assert find(caught.value) == []


REQUESTS: dict[str, dict[str, Any]] = {
    "Basic": {"headers": basic()},
    "a wrong Basic": {"headers": basic("nobody")},
    "a broken Basic": {"headers": {"authorization": f"Basic {SECRET}!"}},
    "another scheme": {"headers": {"authorization": f"Bearer {SECRET}"}},
    "a secret in the body": {
        "parameters": {
            "grant_type": "client_credentials",
            "client_id": "plain",
            "client_secret": SECRET,
        }
    },
    "a secret as the client": {"headers": basic(SECRET, SECRET)},
    "a secret as the grant type": {"parameters": {"grant_type": SECRET}},
    "a secret as the scope": {
        "parameters": {"grant_type": "client_credentials", "scope": SECRET},
        "headers": basic(),
    },
    "a secret as content type": {"headers": {"content-type": SECRET}},
    "a secret that is no form": {"parameters": f"{SECRET}=%ff"},
    "an assertion": {"parameters": assertion(sign(build_claims(jti="jti-canary-77")))},
    "an assertion for another": {
        "parameters": assertion(sign(build_claims(jti="jti-canary-77", aud="x")))
    },
    "a changed assertion": {"parameters": assertion(f"x{ASSERTION}")},
    "an assertion of another type": {
        "parameters": assertion(ASSERTION, client_assertion_type=SECRET)
    },
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_log_and_no_answer_holds_a_secret(name: str) -> None:
    """Only the token that was asked for leaves, and only in its answer."""
    outcomes: list[object] = []
    endpoint = build_endpoint(observer=outcomes.append, accept_json=True)
    with capture_logs() as records:
        reply = ask(endpoint, **REQUESTS[name])
        again = ask(endpoint, **REQUESTS[name])

    assert records
    assert len(outcomes) == 2
    assert find(*outcomes, *(vars(record) for record in records)) == []
    assert find(*(record.getMessage() for record in records)) == []
    for each in (reply, again):
        if each.status == 200:
            assert find({**read(each), "access_token": ""}) == []
        else:
            assert find(each) == []


@pytest.mark.parametrize(
    "act",
    [
        lambda: build_tokens([SECRET, SECRET[:9]]),
        lambda: build_tokens(KEY.decode(), lifetime_seconds=KEY),
        lambda: build_tokens(KEY, audience=KEY),
        lambda: Client(client_id="x", secret_hashes=(SECRET,)),
        lambda: Client(client_id="x", secret_hashes=SECRET),  # type: ignore[arg-type]
        lambda: Clients.from_json(f'{{"clients": "{SECRET}"}}'),
        lambda: Clients.from_json(SECRET),
        lambda: Clients.from_json(f'{{"clients": [{{"{SECRET}": 1}}]}}'),
        lambda: build_endpoint(realm=f'"{SECRET}'),
        lambda: build_endpoint(parameter_names={SECRET: "x"}),
        lambda: build_tokens().verify(f"{TOKEN}x"),
        lambda: build_tokens().verify(TOKEN[:-1] + "."),
    ],
)
def test_no_exception_quotes_what_was_wrong(act: Callable[[], object]) -> None:
    """A secret in the wrong place is one all the same."""
    with pytest.raises(RedoxError) as caught:
        act()

    chain = [e for e in list_chain(caught.value) if isinstance(e, RedoxError)]
    assert find(*chain, *(error.args for error in chain)) == []

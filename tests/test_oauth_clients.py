"""Registered clients: from code, a file or the environment."""

from __future__ import annotations

import hashlib
import json
import string
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi import ConfigurationError
from redox_wsgi.authentication.remote_keys import RemoteKeySet
from redox_wsgi.oauth import Client, Clients, hash_secret
from tests.support.oauth import (
    JKU,
    JWT_BEARER,
    SCOPES,
    SECRET,
    ask,
    assertion,
    basic,
    build_endpoint,
    build_public_keys,
)

HASH = hash_secret(SECRET)
DOCUMENT: dict[str, Any] = {
    "clients": [
        {
            "client_id": "redox",
            "client_secret_hashes": [HASH],
            "scope": " ".join(SCOPES),
        },
        {
            "client_id": "smart",
            "jwks": build_public_keys(),
            "grant_types": ["client_credentials", JWT_BEARER],
        },
    ]
}


def test_a_secret_is_kept_as_its_sha256() -> None:
    """Another program can compute the same."""
    assert hash_secret(SECRET) == hashlib.sha256(SECRET.encode()).hexdigest()


@pytest.mark.parametrize("source", ["text", "bytes", "file", "variable"])
def test_clients_are_read_from_json_wherever_it_stands(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The members bear the names of RFC 7591."""
    text = json.dumps(DOCUMENT)
    path = tmp_path / "clients.json"
    path.write_text(text)
    monkeypatch.setenv("REDOX_OAUTH_CLIENTS", text)
    clients = {
        "text": lambda: Clients.from_json(text),
        "bytes": lambda: Clients.from_json(text.encode()),
        "file": lambda: Clients.from_file(path),
        "variable": Clients.from_environment,
    }[source]()

    redox, smart = clients
    assert redox == clients.get("redox")
    assert (redox.secret_hashes, redox.scopes) == ((HASH,), frozenset(SCOPES))
    assert redox.grants == {"client_credentials"}
    assert smart.grants == {"client_credentials", JWT_BEARER}
    assert smart.scopes == frozenset()
    assert clients.get("nobody") is None
    endpoint = build_endpoint(clients=clients)
    assert ask(endpoint, headers=basic()).status == 200
    assert ask(endpoint, assertion()).status == 200


def test_another_variable_may_hold_the_clients() -> None:
    """And another mapping than that of the process."""
    environ = {"OURS": json.dumps(DOCUMENT)}

    assert Clients.from_environment("OURS", environ).get("redox") is not None
    with pytest.raises(ConfigurationError, match="THEIRS"):
        Clients.from_environment("THEIRS", environ)


def test_published_keys_are_fetched_and_their_address_is_the_only_jku() -> None:
    """Nothing is fetched before the first assertion."""
    entry = {"client_id": "smart", "jwks_uri": JKU}
    client = Clients.from_json(json.dumps({"clients": [entry]})).get("smart")

    assert client is not None
    assert client.key_set_url == JKU
    assert isinstance(client.key_set, RemoteKeySet)


def test_published_keys_do_not_outlive_what_their_client_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key that was withdrawn must not be served from an old copy."""
    given: list[tuple[str, dict[str, Any]]] = []

    def build(url: str, **settings: Any) -> RemoteKeySet:
        given.append((url, settings))
        return RemoteKeySet(url, **settings)

    monkeypatch.setattr("redox_wsgi.oauth.clients.RemoteKeySet", build)
    entry = {"client_id": "smart", "jwks_uri": JKU}
    Clients.from_json(json.dumps({"clients": [entry]}))

    assert given == [(JKU, {"rsa_algorithm": "RS384", "stale_if_error_seconds": 0})]


def test_an_rsa_key_that_names_no_algorithm_serves_the_one_of_smart() -> None:
    """RS384; an elliptic curve has but one."""
    keys = build_public_keys()
    for key in keys["keys"]:
        del key["alg"]
    clients = Clients.from_json(
        json.dumps({"clients": [{"client_id": "smart", "jwks": keys}]})
    )

    assert ask(build_endpoint(clients=clients), assertion()).status == 200


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"clients": {}}',
        '{"clients": []}',
        '{"clients": [], "clients": [{}]}',
        '{"clients": [1]}',
        '{"clients": [{}]}',
        '{"clients": [{"client_id": "x"}]}',
        json.dumps({"clients": [{"client_secret_hashes": [HASH]}]}),
        b"\xff",
        "[" * 5_000,
    ],
)
def test_a_document_that_is_none_ends_the_start(document: str | bytes) -> None:
    """With a sentence that quotes nothing of it."""
    with pytest.raises(ConfigurationError):
        Clients.from_json(document)


@pytest.mark.parametrize(
    "entry",
    [
        {"client_secret": SECRET},
        {"client_secret_hashes": SECRET},
        {"client_secret_hashes": [SECRET]},
        {"client_secret_hashes": [HASH.upper()]},
        {"client_secret_hashes": [HASH] * 3},
        {"client_secret_hashes": 1},
        {"client_secret_hashes": []},
        {"jwks": {"keys": []}},
        {"jwks": 1},
        {"jwks": build_public_keys(), "jwks_uri": JKU},
        {"jwks_uri": "http://keys.example/x"},
        {"jwks_uri": 1},
        {"scope": ["a"]},
        {"scope": 'a "b"'},
        {"grant_types": []},
        {"grant_types": ["password"]},
        {"grant_types": "client_credentials"},
        {"client_id": ""},
        {"client_id": "a b"},
        {"client_id": "a:b"},
        {"client_id": "a%20b"},
        {"client_id": "a+b"},
        {"client_id": 'a"b'},
        {"client_id": "r\u00e9dox"},
        {"client_id": "x" * 129},
        {"client_id": "x\n"},
        {"client_id": 1},
    ],
)
def test_a_wrong_client_ends_the_start_and_shows_no_secret(
    entry: dict[str, Any],
) -> None:
    """A secret that was put in place of its hash must not reach a log."""
    right = {"client_id": "redox", "client_secret_hashes": [HASH]}
    if "jwks" in entry or "jwks_uri" in entry:
        del right["client_secret_hashes"]

    with pytest.raises(ConfigurationError) as caught:
        Clients.from_json(json.dumps({"clients": [{**right, **entry}]}))

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret_hashes", HASH),
        ("scopes", "system/Patient.rs"),
        ("scopes", ["system/Patient.rs system/Observation.rs"]),
        ("scopes", [None]),
        ("grants", "client_credentials"),
        ("grants", [1]),
    ],
)
def test_a_wrong_setting_is_called_by_its_name(name: str, value: Any) -> None:
    """A text for a collection would be one of letters, each the name of a scope."""
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        Client(**{"client_id": "redox", "secret_hashes": (HASH,), name: value})


def test_a_collection_that_can_be_read_but_once_is_taken_whole() -> None:
    """Else a client would have no scopes, and nobody would be told."""
    scopes: Any = iter(SCOPES)
    client = Client(client_id="redox", secret_hashes=(HASH,), scopes=scopes)

    assert client.scopes == frozenset(SCOPES)


def is_registered(client_id: str) -> bool:
    """Tell whether there can be a client with this ID."""
    try:
        Client(client_id=client_id, secret_hashes=(HASH,))
    except ConfigurationError:
        return False
    return True


def test_an_id_is_of_all_characters_that_no_encoding_changes() -> None:
    """The others could mean two IDs: as they stand, and decoded."""
    taken = {
        character for character in map(chr, range(0x180)) if is_registered(character)
    }

    assert taken == set(string.printable) - set(string.whitespace) - set('"%+:\\')
    assert is_registered("x" * 128)


def test_a_file_that_cannot_be_read_ends_the_start(tmp_path: Path) -> None:
    """The sentence says why."""
    with pytest.raises(ConfigurationError, match="No such file"):
        Clients.from_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    "clients",
    [
        [],
        ["redox"],
        [Client(client_id="x", secret_hashes=(HASH,)), "redox"],
        [Client(client_id="x", secret_hashes=(HASH,))] * 2,
    ],
)
def test_clients_are_at_least_one_and_different(clients: Any) -> None:
    """Nobody could say which of two was meant."""
    with pytest.raises(ConfigurationError):
        Clients(clients)


def test_without_pyjwt_a_client_with_keys_ends_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One with secrets does not need it."""
    monkeypatch.setitem(sys.modules, "jwt", None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        Clients.from_json(json.dumps(DOCUMENT))
    assert Clients([Client(client_id="x", secret_hashes=(HASH,))]).get("x") is not None


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda deeper: (
            st.lists(deeper, max_size=3)
            | st.dictionaries(
                st.sampled_from(["clients", "client_id", "scope", "jwks"]), deeper
            )
        ),
    )
)
def test_any_document_gives_clients_or_a_configuration_error(document: Any) -> None:
    """Never another exception."""
    with pytest.raises(ConfigurationError):
        Clients.from_json(json.dumps({"clients": [document]}))

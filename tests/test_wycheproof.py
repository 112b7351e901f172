"""Project Wycheproof: signatures and keys that some verifier has taken by mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi import AuthenticationFailed, ConfigurationError, Request
from redox_wsgi.authentication import JwtBearer, StaticKeySet
from redox_wsgi.authentication.jose import json_web_token
from tests.support.jose import AUDIENCE, ISSUER, NOW
from tests.support.wsgi import build_environ

VECTORS = Path(__file__).parent / "vectors" / "wycheproof"

# What is said of a signature that holds: the signed text is no claims.
HELD = "malformed-claims"
NO_KEY = "no-key"

# Right by the suite, and refused: HMAC, P-521 ("ES521" there), a text that is empty,
# and two PS384 signatures whose key says that it serves PS256.
NOT_OURS = {
    "json_web_signature_test": {
        NO_KEY: {1, 347, 348, 351, 352, 357, 358, 359, 372, 373, 376, 377},
        "malformed-token": {259, 264, 268, 272, 320, 325},
        "wrong-algorithm": {346, 350},
    },
    "json_web_key_test": {NO_KEY: {2, 13, 14, 15}},
}


def list_cases(name: str) -> Iterator[tuple[int, Any, str, bool]]:
    """List number, keys, token and whether it is right, of each case in a file."""
    for group in json.loads((VECTORS / f"{name}.json").read_text())["testGroups"]:
        keys = group.get("public") or group["private"]
        for case in group["tests"]:
            yield (
                case["tcId"],
                keys if "keys" in keys else {"keys": [keys]},
                case["jws"],
                case["result"] == "valid",
            )


def judge(keys: Any, token: str) -> str:
    """Return the code with which a token is refused."""
    try:
        key_set = StaticKeySet(keys)
    except ConfigurationError:
        return NO_KEY
    bearer = JwtBearer(key_set, ISSUER, AUDIENCE, now=lambda: NOW)
    environ = build_environ(headers={"authorization": f"Bearer {token}"})
    with pytest.raises(AuthenticationFailed) as caught:
        bearer.authenticate(Request(environ))
    return caught.value.code


@pytest.mark.parametrize(
    ("name", "count"), [("json_web_signature_test", 401), ("json_web_key_test", 26)]
)
def test_a_signature_holds_where_the_suite_says_so(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if each header named a type: that would have to be signed too."""
    cases = list(list_cases(name))
    before = {number: judge(keys, token) for number, keys, token, _ in cases}
    monkeypatch.setattr(json_web_token, "normalise_type", lambda _: "application/x")
    codes = {number: judge(keys, token) for number, keys, token, _ in cases}
    right = {number for number, _, _, is_right in cases if is_right}
    refused: dict[str, set[int]] = {}
    for number in right:
        if codes[number] != HELD:
            refused.setdefault(codes[number], set()).add(number)

    assert len(cases) == len(codes) == count
    assert HELD not in before.values()
    assert {number for number in codes if codes[number] == HELD} <= right
    assert refused == NOT_OURS[name]
    assert "internal" not in {*before.values(), *codes.values()}

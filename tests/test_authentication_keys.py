"""Key sets: which keys may verify, for which algorithm, and which are left out."""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from redox_wsgi import AuthenticationFailed, ConfigurationError
from redox_wsgi.authentication.keys import (
    StaticKeySet,
    VerificationKey,
    find_key,
    parse_key_set,
)
from tests.support.jose import (
    build_jwk,
    build_key_set,
    build_pem,
    decode,
    encode,
    encode_number,
    make_key,
)

VECTORS = Path(__file__).parent / "vectors" / "rfc7520" / "jwk"

EC = make_key("ES256")
RSA = make_key("RS256")
GOOD = build_jwk(EC, "good")


def parse(*keys: Any, **settings: Any) -> dict[str | None, str]:
    """Parse a set of these keys into the algorithm of each."""
    document = json.dumps({"keys": keys}).encode()
    found = parse_key_set(document, **settings)
    return {key_id: key.algorithm for key_id, key in found.items()}


def read_vector(name: str) -> Any:
    """Read a key of RFC 7520."""
    [path] = VECTORS.glob(f"{name}.*.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(
    ("jwk", "algorithm"),
    [
        (build_jwk(RSA), "RS256"),
        (build_jwk(RSA, alg="RS512"), "RS512"),
        (build_jwk(RSA, alg="PS384", use="sig"), "PS384"),
        (build_jwk(EC), "ES256"),
        (build_jwk(EC, alg="ES256", key_ops=["verify"]), "ES256"),
        (build_jwk(make_key("ES384"), x5t="x", unknown=[1]), "ES384"),
    ],
)
def test_a_key_serves_one_algorithm(jwk: Any, algorithm: str) -> None:
    """Its own, or what its curve or the set says."""
    assert parse({**jwk, "kid": "x"}) == {"x": algorithm}


def test_a_coordinate_may_begin_with_zeros() -> None:
    """It has the full size of the curve all the same; a modulus never does."""
    keys = (ec.generate_private_key(ec.SECP256R1()) for _ in range(20_000))
    key = next(k for k in keys if k.public_key().public_numbers().x < 1 << 248)

    assert parse(build_jwk(key, "x")) == {"x": "ES256"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS512"])
def test_rsa_keys_without_alg_serve_what_is_configured(algorithm: str) -> None:
    """Many issuers leave it out; it must not be the token that says it."""
    assert parse(build_jwk(RSA, "x"), rsa_algorithm=algorithm) == {"x": algorithm}
    assert StaticKeySet({"keys": [build_jwk(RSA, "x")]}, rsa_algorithm=algorithm).get(
        "x"
    ) == VerificationKey(algorithm, RSA.public_key())


@pytest.mark.parametrize(
    "jwk",
    [
        build_jwk(EC, d=encode_number(EC.private_numbers().private_value, 32)),
        *(
            build_jwk(RSA, **{name: "AQAB"})
            for name in ("d", "p", "q", "dp", "dq", "qi", "oth", "priv")
        ),
        {"kty": "oct", "k": encode(b"x" * 64)},
        {"kty": "oct", "k": encode(b"x" * 64), "alg": "RS256"},
        build_jwk(RSA, k=encode(b"x" * 64)),
    ],
)
def test_a_private_or_symmetric_key_is_left_out(
    jwk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It has leaked already; and nothing of it may reach the log."""
    assert parse(GOOD, {**jwk, "kid": "canary"}) == {"good": "ES256"}
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "Key 1 of a key set is left out: it is private" in caplog.text
    assert "canary" not in caplog.text
    for value in jwk.values():
        if len(value) > 6:
            assert value not in caplog.text


@pytest.mark.parametrize(
    "jwk",
    [
        build_jwk(EC, use="enc"),
        build_jwk(EC, use=["sig"]),
        build_jwk(EC, use=""),
        build_jwk(EC, key_ops=["sign"]),
        build_jwk(EC, key_ops=[]),
        build_jwk(EC, key_ops="verify"),
        build_jwk(EC, alg="ES384"),
        build_jwk(EC, alg="ES521"),
        build_jwk(EC, alg="RS256"),
        build_jwk(EC, alg="HS256"),
        build_jwk(EC, alg="none"),
        build_jwk(EC, alg=["ES256"]),
        build_jwk(RSA, alg="RSA-OAEP"),
        build_jwk(RSA, alg="ES256"),
        build_jwk(RSA, alg="HS256"),
        build_jwk(RSA, alg=""),
        build_jwk(EC, kty="RSA"),
        build_jwk(EC, kty="ec"),
        build_jwk(EC, kty=["EC"]),
        build_jwk(EC, crv="P-384"),
        build_jwk(EC, crv=["P-256"]),
        build_jwk(EC, crv="secp256k1"),
        build_jwk(make_key("ES512")),
        {**GOOD, "kid": "x", "x": None},
        {**GOOD, "kid": "x", "x": 1},
        {**GOOD, "kid": "x", "x": GOOD["x"] + "="},
        {**GOOD, "kid": "x", "x": encode(b"\0" + decode(GOOD["x"]))},
        {**GOOD, "kid": "x", "y": encode(bytes([*decode(GOOD["y"])[:-1], 0]))},
        {**GOOD, "kid": "x", "y": encode(b"\xff" * 32)},
        {**GOOD, "kid": "x", "x": encode(bytes(32)), "y": encode(bytes(32))},
        build_jwk(RSA, e="AQ"),
        build_jwk(RSA, e="AA"),
        build_jwk(RSA, e=""),
        build_jwk(RSA, e="BA"),
        build_jwk(RSA, e=encode(b"\0\1\0\1")),
        build_jwk(RSA, n=encode(b"\0" + decode(build_jwk(RSA)["n"]))),
        build_jwk(RSA, n="AQAB"),
        {"kty": "RSA", "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes(32))},
        build_jwk(make_key("RS256", bits=1024)),
        build_jwk(make_key("RS256", bits=2040)),
        {"kty": "RSA", "e": "AQAB", "n": encode(b"\xff" * 1025)},
        {},
    ],
)  # fmt: skip
def test_a_key_that_cannot_verify_is_left_out(
    jwk: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Others of the set may be needed, so the set is taken without it."""
    assert parse(GOOD, {**jwk, "kid": "x"}) == {"good": "ES256"}
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("bits", "is_taken"), [(2047, False), (2048, True), (8192, True), (8193, False)]
)
def test_an_rsa_key_has_a_smallest_and_a_largest_size(
    bits: int, is_taken: bool
) -> None:
    """Weak below, and costly above."""
    number = encode_number((1 << (bits - 1)) + 1)
    key = {"kty": "RSA", "kid": "x", "e": "AQAB", "n": number}

    assert parse(GOOD, key).get("x") == ("RS256" if is_taken else None)


# To these, not every number is a power of 65537.
ROCA = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


def find_modulus(stranger: int | None = None) -> int:
    """Find an odd number of 2048 bits that is a power to all primes but one."""
    product = math.prod(ROCA)
    modulus = 0
    for prime in ROCA:
        powers = {pow(65537, exponent, prime) for exponent in range(prime)}
        others = set(range(1, prime)) - powers
        residue = min(others) if prime == stranger else pow(65537, 5, prime)
        rest = product // prime
        modulus += residue * rest * pow(rest, -1, prime)
    modulus += (2**2048 // product - 1 - modulus // product) * product
    return modulus if modulus % 2 else modulus - product


def test_a_key_that_a_weak_chip_made_is_left_out() -> None:
    """Anybody can compute its private part out of a modulus of this form (ROCA)."""
    weak = {"kty": "RSA", "kid": "x", "e": "AQAB", "n": encode_number(find_modulus())}

    assert parse(GOOD, weak) == {"good": "ES256"}


@pytest.mark.parametrize("prime", ROCA)
def test_a_key_that_such_a_chip_cannot_have_made_is_taken(prime: int) -> None:
    """One prime is enough to tell; most keys fail at many."""
    number = encode_number(find_modulus(prime))

    assert parse({"kty": "RSA", "kid": "x", "e": "AQAB", "n": number}) == {"x": "RS256"}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "JSON"),
        (b"<html>", "JSON"),
        (b"[]", "no JSON object"),
        (b'{"keys": [], "keys": []}', "one meaning"),
        (b"{}", "named"),
        (b'{"keys": {}}', "named"),
        (b'{"keys": null}', "named"),
        (b'{"keys": ["canary"]}', "named"),
        (b'{"keys": []}', "usable"),
        (b'{"keys": [{"kty": "canary"}]}', "usable"),
        (b'{"keys": [{"kid": "canary"}, {"kid": "canary"}]}', "same kid"),
        (b'{"keys": [{}, {}]}', "same kid"),
        (b'{"keys": [{"kid": null}]}', "256"),
        (b'{"keys": [{"kid": ""}]}', "256"),
        (b'{"keys": [{"kid": 1}]}', "256"),
        (b'{"keys": [{"kid": ["canary"]}]}', "256"),
        (b'{"keys": [{"kid": "' + b"x" * 257 + b'"}]}', "256"),
    ],
)
def test_what_is_no_key_set_is_refused_whole(document: bytes, said: str) -> None:
    """In words that quote nothing of it."""
    with pytest.raises(ValueError, match=said) as caught:
        parse_key_set(document)

    assert type(caught.value) is ValueError
    assert "canary" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=said):
        StaticKeySet(document)


def test_too_many_keys_are_refused_whole() -> None:
    """A set that grows without end is a mistake, or an attack."""
    keys = [{**GOOD, "kid": str(number)} for number in range(3)]

    assert len(parse(*keys, max_keys=3)) == 3
    with pytest.raises(ValueError, match="more than 2"):
        parse(*keys, max_keys=2)


def test_two_keys_of_one_kid_refuse_the_set_even_if_one_is_not_usable() -> None:
    """Nobody could say which was meant. In RFC 7520 they are of P-521 and RSA."""
    assert parse(read_vector("3_3")) == {"bilbo.baggins@hobbiton.example": "RS256"}
    with pytest.raises(ValueError, match="same kid"):
        parse(read_vector("3_1"), read_vector("3_3"))


@pytest.mark.parametrize("name", ["3_2", "3_4", "3_5", "3_6"])
def test_the_secret_keys_of_rfc_7520_are_left_out(name: str) -> None:
    """Private and symmetric ones."""
    assert parse(GOOD, read_vector(name)) == {"good": "ES256"}


def test_a_set_answers_for_its_keys_only() -> None:
    """By the exact kid; without one only if there is no choice."""
    several = StaticKeySet(json.dumps(build_key_set("ES256", "RS256")))
    single = StaticKeySet(json.dumps(build_key_set("ES256")).encode())
    unnamed = StaticKeySet(
        MappingProxyType({"keys": [MappingProxyType(build_jwk(EC))]})
    )

    assert several.get("RS256").key == RSA.public_key()
    assert single.get(None) == single.get("ES256") == unnamed.get(None)
    for key_set, key_id in [
        (several, None),
        (several, "es256"),
        (several, "../../etc/passwd"),
        (several, ""),
        (unnamed, "ES256"),
    ]:
        with pytest.raises(AuthenticationFailed) as caught:
            key_set.get(key_id)
        assert caught.value.code == "unknown-key"


def test_the_keys_of_a_set_cannot_be_changed() -> None:
    """A set is read by many threads at once."""
    keys = parse_key_set(json.dumps({"keys": [GOOD]}).encode())

    with pytest.raises(TypeError):
        keys["other"] = keys["good"]  # type: ignore[index]
    assert find_key(keys, "good") is keys["good"]
    assert repr(keys["good"]) == "VerificationKey(algorithm='ES256')"


def test_keys_in_pem_form_are_taken() -> None:
    """As text or bytes, each with the algorithm that it serves."""
    keys = StaticKeySet.from_pem(
        {
            "a": (build_pem(RSA), "PS256"),
            "b": (build_pem(make_key("ES384")).decode(), "ES384"),
        }
    )

    assert keys.get("a") == VerificationKey("PS256", RSA.public_key())
    assert keys.get("b").algorithm == "ES384"


PRIVATE_PEM = EC.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)
PEM = build_pem(EC)
# A key of the kind 1.2.3.4.
UNKNOWN_PEM = """-----BEGIN PUBLIC KEY-----
MAswBQYDKgMEAwIAAA==
-----END PUBLIC KEY-----
"""


@pytest.mark.parametrize(
    "keys",
    [
        {},
        None,
        [("a", (PEM, "ES256"))],
        {"": (PEM, "ES256")},
        {None: (PEM, "ES256")},
        {"x" * 257: (PEM, "ES256")},
        {"a": PEM},
        {"a": (PEM,)},
        {"a": [PEM, "ES256"]},
        {"a": (PRIVATE_PEM, "ES256")},
        {"a": (b"canary", "ES256")},
        {"a": ("caf\u00e9", "ES256")},
        {"a": (None, "ES256")},
        {"a": (PEM, "ES384")},
        {"a": (PEM, "RS256")},
        {"a": (PEM, "HS256")},
        {"a": (PEM, "none")},
        {"a": (PEM, None)},
        {"a": (build_pem(RSA), "ES256")},
        {"a": (build_pem(RSA), "HS256")},
        {"a": (build_pem(make_key("ES512")), "ES512")},
        {"a": (build_pem(make_key("RS256", bits=1024)), "RS256")},
        {"a": (build_pem(ec.generate_private_key(ec.SECP256K1())), "ES256")},
        {"a": (build_pem(ed25519.Ed25519PrivateKey.generate()), "EdDSA")},
        {"a": (build_pem(ed25519.Ed25519PrivateKey.generate()), "RS256")},
        {"a": (UNKNOWN_PEM, "ES256")},
        {"a": (PEM, "ES256"), "b": (PRIVATE_PEM, "ES256")},
    ],
)
def test_a_key_in_pem_form_that_cannot_serve_stops_at_construction(keys: Any) -> None:
    """Before the first request, and without a word of the key."""
    with pytest.raises(ConfigurationError) as caught:
        StaticKeySet.from_pem(keys)

    assert "canary" not in str(caught.value)
    assert "BEGIN P" not in str(caught.value).replace('"BEGIN PUBLIC KEY"', "")


@pytest.mark.parametrize(
    "keys", [None, 7, [GOOD], GOOD, {"keys": {1, 2}}, {"keys": [object()]}, "\ud800"]
)
def test_what_cannot_be_a_key_set_stops_at_construction(keys: Any) -> None:
    """Of whatever type it is."""
    with pytest.raises(ConfigurationError, match="no JWK set"):
        StaticKeySet(keys)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256", "none", "", None, "rs256"])
def test_rsa_keys_serve_rsa_algorithms_only(algorithm: Any) -> None:
    """A public key used as a secret would let anybody sign."""
    with pytest.raises(ConfigurationError, match="rsa_algorithm"):
        StaticKeySet(build_key_set("ES256"), rsa_algorithm=algorithm)


@pytest.mark.parametrize("missing", ["jwt", "cryptography"])
def test_without_the_extra_the_sentence_names_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever forgot it knows what to type."""
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        StaticKeySet(build_key_set("ES256"))
    with pytest.raises(ConfigurationError, match=r"redox_wsgi\[jwt\]"):
        StaticKeySet.from_pem({"a": (PEM, "ES256")})


_odd = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=3),
        st.sampled_from([GOOD["x"], "AQAB", "EC", "RSA", "P-256", "verify", "sig"]),
    ),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
_odd_keys = st.dictionaries(
    st.sampled_from(
        ["kty", "crv", "x", "y", "n", "e", "alg", "use", "key_ops", "kid", "d", "k"]
    ),
    _odd,
)


@settings(deadline=None)
@given(changes=st.lists(_odd_keys, max_size=3), base=st.sampled_from([GOOD, {}]))
def test_any_structure_is_a_key_set_or_a_value_error(changes: Any, base: Any) -> None:
    """A broken issuer must not break us."""
    keys = [{**base, **change} for change in changes]
    try:
        found = parse_key_set(json.dumps({"keys": keys}).encode())
    except ValueError:
        return

    assert found
    assert all(
        isinstance(key.key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        for key in found.values()
    )

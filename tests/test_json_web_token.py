"""Signed tokens: their form, their signature, their claims; and outside examples."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from redox_wsgi import AuthenticationFailed, AuthenticatorUnavailable
from redox_wsgi.authentication.jose import json_web_token
from redox_wsgi.authentication.jose.json_web_token import (
    MAX_TOKEN_CHARACTERS,
    UnverifiedToken,
    check_claims,
    normalise_type,
)
from redox_wsgi.authentication.keys import StaticKeySet
from tests.support.jose import (
    AUDIENCE,
    ISSUER,
    NOW,
    TIME,
    build_claims,
    build_header,
    build_jwk,
    build_key_set,
    build_token,
    decode,
    encode,
    make_key,
    sign,
    spell,
)

VECTORS = Path(__file__).parent / "vectors" / "rfc7520"
ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
]  # fmt: skip
KEYS = StaticKeySet(build_key_set(*ALGORITHMS))
TYPES = ("at+jwt", "application/at+jwt")


CODES = {
    "malformed-token", "forbidden-header", "malformed-key-id", "wrong-type",
    "wrong-algorithm", "unknown-key", "bad-signature", "malformed-claims",
    "missing-claim", "wrong-issuer", "wrong-audience", "expired-token", "early-token",
    "long-lived-token",
}  # fmt: skip


def parse(token: str, **settings: Any) -> UnverifiedToken:
    """Parse a token as an access token."""
    return UnverifiedToken.parse(token, **{"accepted_types": TYPES, **settings})


def refuse(token: str, key_set: Any = KEYS, **settings: Any) -> str:
    """Return the code with which a token is refused, parsed or verified."""
    with pytest.raises(AuthenticationFailed) as caught:
        parse(token, **settings).verify(key_set)
    return caught.value.code


def check(claims: Any, **settings: Any) -> None:
    """Check claims for our audience, with a leeway of a minute, of an hour's life."""
    defaults: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": NOW,
        "leeway": 60,
        "max_lifetime": 3600,
    }
    check_claims(claims, **{**defaults, **settings})


def refuse_claims(claims: Any, **settings: Any) -> str:
    """Return the code with which claims are refused."""
    with pytest.raises(AuthenticationFailed) as caught:
        check(claims, **settings)
    return caught.value.code


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_right_token_gives_its_claims(algorithm: str) -> None:
    """Under every algorithm that a key can be pinned to."""
    token = parse(build_token(build_header(algorithm), algorithm=algorithm))

    assert token.key_id == token.algorithm == algorithm
    assert token.read_unverified_issuer() == ISSUER
    assert token.verify(KEYS) == build_claims()


def test_a_token_shows_nothing_of_itself() -> None:
    """Not in a log either."""
    text = build_token(build_header(kid="canary"), build_claims(sub="canary"))

    assert repr(parse(text, accepted_types=TYPES)) == (
        "UnverifiedToken(algorithm='ES256', media_type='application/at+jwt')"
    )


RIGHT = build_token()
HEAD, BODY, SIGNATURE = RIGHT.split(".")


def _change_tail(segment: str) -> str:
    """Change the bits of the last character that decode to nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) ^ 1]


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "...", f"{HEAD}.{BODY}", f"{HEAD}.{BODY}.",
        f"{HEAD}..{SIGNATURE}", f".{BODY}.{SIGNATURE}",
        f"{RIGHT}.", f"{RIGHT}.{BODY}", f"{RIGHT}.{BODY}.{BODY}",
        f" {RIGHT}", f"{RIGHT} ", f"{RIGHT}\n", f"{HEAD} .{BODY}.{SIGNATURE}",
        f"{RIGHT}==", f"{HEAD}=.{BODY}.{SIGNATURE}", f"{HEAD}.{BODY}=.{SIGNATURE}",
        f"{HEAD}.{BODY}.{_change_tail(SIGNATURE)}", f"{RIGHT}AAA",
        RIGHT.replace(".", "\u2024"), f"{HEAD}.{BODY}.\u0661", f"\ud800{RIGHT}",
        f"{HEAD}.{BODY}.+/{SIGNATURE[2:]}",
        json.dumps({"protected": HEAD, "payload": BODY, "signature": SIGNATURE}),
    ],
)  # fmt: skip
def test_another_form_than_three_canonical_parts_is_refused(token: str) -> None:
    """Before any part is decoded; encrypted tokens have five."""
    assert refuse(token) == "malformed-token"


def test_each_part_may_hold_all_characters_of_base64url() -> None:
    """Two of them, or a digit, are in few tokens only."""
    more = "".join(chr(number) * 4 for number in range(0x20, 0x7F))
    header = encode(spell(build_header(x=more, y=f" {more}", z=f"  {more}")))
    part = encode(bytes(range(256)))

    token = parse(f"{header}.{part}.{part}")

    alphabet = set(string.ascii_letters + string.digits + "-_")
    assert (set(header), set(part)) == (alphabet, alphabet)
    assert token.algorithm == "ES256"


def test_a_token_longer_than_a_header_is_refused_unseen() -> None:
    """The last one that fits is read."""
    fill = MAX_TOKEN_CHARACTERS - len(HEAD) - len(SIGNATURE) - 2
    token = f"{HEAD}.{'A' * fill}.{SIGNATURE}"

    assert len(token) == MAX_TOKEN_CHARACTERS == 8192
    assert refuse(token) == "bad-signature"
    assert refuse(token + "A") == "malformed-token"
    assert refuse("A" * 1_000_000) == "malformed-token"


@pytest.mark.parametrize(
    "header",
    [
        b"", b"\xff", b"null", b"[]", b'"x"', b"{", b'{"alg":"ES256",}',
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","typ":"at+jwt"}',
        '{"alg":"none","alg":"ES256","kid":"ES256","typ":"at+jwt"}',
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":{"y":1,"y":1}}',
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":NaN}',
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":-Infinity}',
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":' + "9" * 4400 + "}",
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":' + "[" * 6000,
        '{"alg":"ES256","typ":"at+jwt","x":' + "[" * 3000 + "]" * 3000 + "}",
        '{"alg":"ES256","kid":"ES256","typ":"at+jwt","x":"\\ud800"}',
        "\ufeff" + json.dumps(build_header()),
        json.dumps(build_header()).encode("utf-16"),
    ],
    ids=lambda header: str(header)[:24],
)  # fmt: skip
def test_a_header_of_no_or_two_meanings_is_refused(header: Any) -> None:
    """Whatever is signed: another program may have read the other meaning."""
    token = build_token(header)
    if not header:
        token = token[token.index(".") :]

    assert refuse(token) == "malformed-token"


@pytest.mark.parametrize(
    "more",
    [
        {"jwk": build_jwk(make_key("ES256"))},
        {"jku": "http://169.254.169.254/"},
        {"x5u": "https://issuer.example/"},
        {"x5c": ["MIIB"]},
        {"crit": []},
        {"crit": ["exp"], "exp": 1},
        {"crit": None},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"zip": "DEF"},
        {"enc": "A128GCM"},
        {"p2c": 2**31},
        {"cty": "JWT"},
    ],
)
def test_a_header_member_that_no_sender_needs_is_refused(more: Any) -> None:
    """Even where the right key has signed it."""
    assert refuse(build_token(build_header(**more))) == "forbidden-header"


def test_one_of_them_may_be_allowed() -> None:
    """For who compares it to what is registered."""
    token = build_token(build_header(jku="https://client.example/keys"))

    assert parse(token, allowed_headers=frozenset({"jku"})).verify(KEYS)
    assert refuse(token, allowed_headers=frozenset({"x5u"})) == "forbidden-header"


@pytest.mark.parametrize(
    ("key_id", "code"),
    [
        (None, "malformed-key-id"),
        (1, "malformed-key-id"),
        (True, "malformed-key-id"),
        (["ES256"], "malformed-key-id"),
        ({}, "malformed-key-id"),
        ("", "malformed-key-id"),
        ("x" * 257, "malformed-key-id"),
        ("x" * 256, "unknown-key"),
        ("es256", "unknown-key"),
        ("ES256\0", "unknown-key"),
        ("../../../../dev/null", "unknown-key"),
        ("/dev/null", "unknown-key"),
        ("x' UNION SELECT 'key", "unknown-key"),
    ],
)
def test_a_key_id_is_looked_up_and_nothing_else(key_id: Any, code: str) -> None:
    """No file, no query, no guess."""
    assert refuse(build_token(build_header(kid=key_id))) == code


def test_a_token_without_key_id_is_taken_by_an_only_key() -> None:
    """Where there is a choice, nobody guesses."""
    header = build_header()
    del header["kid"]
    token = build_token(header)

    assert parse(token).verify(StaticKeySet(build_key_set("ES256")))
    assert refuse(token) == "unknown-key"


@pytest.mark.parametrize(
    "media_type", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"]
)
def test_a_type_is_a_media_type(media_type: str) -> None:
    """Those are compared without case, and "application/" may be left out."""
    token = build_token(build_header(typ=media_type))

    assert parse(token, accepted_types=["at+jwt"]).verify(KEYS)
    assert parse(token, accepted_types=["application/at+jwt"]).verify(KEYS)


@pytest.mark.parametrize(
    "media_type",
    [
        None, "", 1, True, ["at+jwt"], {}, "JWT", "application/jwt", "logout+jwt",
        "client-authentication+jwt", "secevent+jwt", "text/at+jwt", " at+jwt",
        "at+jwt ", "at+jwt\0", "at+jwt;v=1", "application/a/at+jwt", "/at+jwt",
        "at+jw\u1d40", "at+jwt\u0130",
    ],
)  # fmt: skip
def test_another_type_is_refused(media_type: Any) -> None:
    """An ID token or a client's assertion is no access token."""
    assert refuse(build_token(build_header(typ=media_type))) == "wrong-type"


def test_a_token_without_type_is_refused() -> None:
    """Nobody can tell what it was made for."""
    header = build_header()
    del header["typ"]

    assert refuse(build_token(header)) == "wrong-type"
    # A mistake in the setting does not make it right.
    assert refuse(build_token(header), accepted_types=["\u212a"]) == "wrong-type"
    # The Kelvin sign is a letter k in lower case.
    assert normalise_type("\u212a") == ""
    assert normalise_type("K") == "application/k"


@pytest.mark.parametrize(
    "algorithm",
    [
        "none", "None", "nOnE", "NONE", "", None, 0, True, [], ["ES256"], {}, "es256",
        "ES256 ", "ES512", "ES256K", "EdDSA", "HS256", "HS384", "HS512", "dir",
    ],
)  # fmt: skip
def test_another_algorithm_is_refused_before_a_key_is_looked_up(algorithm: Any) -> None:
    """So that nobody can make us fetch keys with a token that needs none."""
    for signature in (b"", b"x", sign(b"", make_key("ES256"), "ES256")):
        token = build_token(build_header(alg=algorithm), signature=signature)
        if signature:
            assert refuse(token, key_set=None) == "wrong-algorithm"
        else:
            assert refuse(token, key_set=None) == "malformed-token"


def test_a_missing_algorithm_is_refused() -> None:
    """There is no default."""
    header = build_header()
    del header["alg"]

    assert refuse(build_token(header), key_set=None) == "wrong-algorithm"


def test_a_caller_may_take_fewer_algorithms() -> None:
    """Such as the two of SMART."""
    token = build_token(build_header("RS256"), algorithm="RS256")

    assert parse(token, algorithms=("RS256",)).verify(KEYS)
    assert refuse(token, algorithms=("RS384", "ES384")) == "wrong-algorithm"


@pytest.mark.parametrize(
    ("pinned", "used"),
    [
        ("RS256", "RS384"),
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("PS384", "PS512"),
        ("ES256", "ES384"),
        ("ES256", "RS256"),
    ],
)
def test_a_key_verifies_under_its_own_algorithm_only(pinned: str, used: str) -> None:
    """Though the signature is right in its way."""
    key = make_key(pinned if pinned[:2] != "ES" else used)
    token = build_token(build_header(used, kid=pinned), algorithm=used, key=key)

    assert refuse(token) == "wrong-algorithm"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_counts_for_its_own_text_and_key_only(algorithm: str) -> None:
    """Another key, another text, a bit more or less."""
    token = build_token(build_header(algorithm), algorithm=algorithm)
    signed, _, text = token.rpartition(".")
    right = decode(text)
    wrong = [
        sign(signed.encode(), make_key(algorithm, 1), algorithm),
        sign(signed.encode() + b"A", make_key(algorithm), algorithm),
        sign(signed.partition(".")[2].encode(), make_key(algorithm), algorithm),
        right[:-1],
        right[1:],
        right + b"\0",
        b"\0" + right,
        b"\0" * len(right),
        b"\xff" * len(right),
        right * 2,
        b"\0",
        bytes([right[0] ^ 1]) + right[1:],
        right[:-1] + bytes([right[-1] ^ 1]),
    ]

    assert parse(token).verify(KEYS)
    for signature in wrong:
        assert refuse(f"{signed}.{encode(signature)}") == "bad-signature"
    changed = signed.replace(".ey", ".eW")
    assert refuse(f"{changed}.{text}") == "bad-signature"


_ORDERS = {
    "ES256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "ES384": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffff"
        "c7634d81f4372ddf581a0db248b0a77aecec196accc52973",
        16,
    ),
}


@pytest.mark.parametrize("algorithm", ["ES256", "ES384"])
def test_psychic_signatures_are_refused(algorithm: str) -> None:
    """Neither r nor s may be 0, the order of the curve, or beyond."""
    length = 32 if algorithm == "ES256" else 48
    order = _ORDERS[algorithm]
    token = build_token(build_header(algorithm), algorithm=algorithm)
    signed, _, text = token.rpartition(".")
    r, s = decode(text)[:length], decode(text)[length:]
    special = [
        number.to_bytes(length, "big")
        for number in (0, 1, order - 1, order, order + 1, 2 ** (8 * length) - 1)
    ]
    pairs = [(a, b) for a in special for b in special]
    pairs += [(r, one) for one in special] + [(one, s) for one in special]
    pairs += [(s, r)]
    key = make_key(algorithm)
    digest = hashes.SHA256() if algorithm == "ES256" else hashes.SHA384()
    der = key.sign(signed.encode(), ec.ECDSA(digest))

    assert len(pairs) > 40
    for a, b in pairs:
        assert refuse(f"{signed}.{encode(a + b)}") == "bad-signature"
    for signature in (der, r + b"\0" + s, b"\0" + r + b"\0" + s, b"\0" * 8 + r + s):
        assert refuse(f"{signed}.{encode(signature)}") == "bad-signature"


def _pkcs1_forgeries(digest: bytes, length: int) -> list[bytes]:
    """List wrong encodings of a SHA-256 digest, as a lenient verifier takes them."""
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    info = prefix + digest
    no_null = bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + digest
    long_form = b"\x30\x81" + info[1:]

    def pad(end: bytes, start: bytes = b"\0\1", filler: bytes = b"\xff") -> bytes:
        return start + filler * (length - len(start) - 1 - len(end)) + b"\0" + end

    return [
        b"\0\1" + b"\xff" * 8 + b"\0" + info + b"\xee" * (length - 11 - len(info)),
        b"\0\1\0" + info + b"\xee" * (length - 3 - len(info)),
        pad(info + b"\0" * 8),
        pad(info, start=b"\0\2"),
        pad(info, start=b"\0\0"),
        pad(info, start=b"\1\1"),
        pad(info, filler=b"\xfe"),
        pad(no_null),
        pad(long_form),
        pad(digest),
        pad(info[:-1]),
        b"\0\1" + b"\xff" * (length - 2 - len(info)) + info,
    ]


def test_pkcs1_forgeries_are_refused() -> None:
    """Signed by the right key, so that only the padding is wrong."""
    key = make_key("RS256")
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    signed = build_token(build_header("RS256"), algorithm="RS256").rpartition(".")[0]
    digest = hashes.Hash(hashes.SHA256())
    digest.update(signed.encode())
    hashed = digest.finalize()
    info = bytes.fromhex("3031300d060960864801650304020105000420") + hashed
    right = b"\0\1" + b"\xff" * (253 - len(info)) + b"\0" + info

    def apply_private_key(encoded: bytes) -> str:
        number = pow(int.from_bytes(encoded), numbers.d, modulus)
        return f"{signed}.{encode(number.to_bytes(256, 'big'))}"

    assert parse(apply_private_key(right)).verify(KEYS)
    for encoded in _pkcs1_forgeries(hashed, 256):
        assert refuse(apply_private_key(encoded)) == "bad-signature"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_an_rsa_signature_has_the_length_of_its_key(algorithm: str) -> None:
    """A leading zero may not be left out, and the modulus may not be added."""
    key = make_key(algorithm)
    modulus = key.private_numbers().public_numbers.n
    for number in range(5000):
        token = build_token(
            build_header(algorithm), build_claims(n=number), algorithm=algorithm
        )
        signed, _, text = token.rpartition(".")
        right = decode(text)
        if right[0] == 0:
            break

    assert right[0] == 0
    assert parse(token).verify(KEYS)
    assert refuse(f"{signed}.{encode(right[1:])}") == "bad-signature"
    beyond = (int.from_bytes(right) + modulus).to_bytes(257, "big").lstrip(b"\0")
    assert refuse(f"{signed}.{encode(beyond)}") == "bad-signature"


@pytest.mark.parametrize(
    "claims",
    [
        b"plain text", b"\xff", b"null", b"[]", b'"x"', b"{", '{"a":1,"a":1}',
        '{"exp":1,"exp":2}', '{"a":{"b":1,"b":2}}', '{"exp":NaN}', '{"exp":Infinity}',
        '{"exp":' + "9" * 5000 + "}", '{"a":' + "[" * 2500 + "]" * 2500 + "}",
        '{"iss":"\\ud800"}',
    ],
    ids=lambda claims: str(claims)[:24],
)  # fmt: skip
def test_claims_of_no_or_two_meanings_are_refused(claims: Any) -> None:
    """Though the right key has signed them."""
    token = build_token(claims=claims)

    assert refuse(token) == "malformed-claims"
    with pytest.raises(AuthenticationFailed) as caught:
        parse(token).read_unverified_issuer()
    assert caught.value.code == "malformed-claims"


def test_an_issuer_that_is_no_text_is_none() -> None:
    """It serves to look something up."""
    assert parse(build_token(claims={"iss": [1]})).read_unverified_issuer() is None
    assert parse(build_token(claims={})).read_unverified_issuer() is None


class Answering:
    """A key set of somebody's own, with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def get(self, key_id: str | None) -> Any:
        """Give the answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_the_answer_of_a_key_set_passes() -> None:
    """Refusals and outages are its to tell."""
    down = AuthenticatorUnavailable("down")

    with pytest.raises(AuthenticatorUnavailable) as caught:
        parse(RIGHT).verify(Answering(down))
    assert caught.value is down
    assert refuse(RIGHT, Answering(AuthenticationFailed("revoked"))) == "revoked"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (KeyError("canary"), "key-set-raised"),
        (None, "key-set-returned-no-key"),
        ("key", "key-set-returned-no-key"),
        (make_key("ES256").public_key(), "key-set-returned-no-key"),
    ],
)
def test_a_broken_key_set_blames_nobody(answer: Any, code: str) -> None:
    """The mistake is ours, so Redox shall send again."""
    with pytest.raises(AuthenticatorUnavailable) as caught:
        parse(RIGHT).verify(Answering(answer))

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("parse_object", lambda token: parse(RIGHT)),
        ("parse_object", lambda token: token.read_unverified_issuer()),
        ("_verify_signature", lambda token: token.verify(KEYS)),
        ("_check_times", lambda token: check(build_claims())),
    ],
)
def test_what_nobody_foresaw_refuses_the_token(
    name: str,
    act: Callable[[UnverifiedToken], object],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Neither a 500 nor an open door; the log says it without the token."""

    def explode(*_: Any) -> bool:
        raise OverflowError("canary")

    token = parse(RIGHT)
    monkeypatch.setattr(json_web_token, name, explode)

    with pytest.raises(AuthenticationFailed) as caught:
        act(token)
    assert caught.value.code == "internal"
    [record] = caplog.records
    assert (record.name, record.levelno) == ("redox_wsgi", logging.ERROR)
    assert "OverflowError" in caplog.text
    assert "canary" not in caplog.text


def test_right_claims_pass() -> None:
    """With one audience or several, for one or several of ours."""
    check(build_claims())
    check(build_claims(aud=["other", AUDIENCE]))
    check(build_claims(), audience=["other", AUDIENCE])
    check(build_claims(), issuer=["other", ISSUER])
    check({"iss": ISSUER, "aud": AUDIENCE, "exp": TIME + 1})
    check(build_claims(exp=TIME + 0.5, iat=TIME - 0.5, nbf=TIME))


@pytest.mark.parametrize("name", ["iss", "aud", "exp"])
def test_three_claims_are_always_required(name: str) -> None:
    """Whatever else the caller demands."""
    assert refuse_claims(build_claims(**{name: None}), required=()) == "missing-claim"


def test_the_caller_may_require_more() -> None:
    """By name."""
    assert refuse_claims(build_claims(jti=None), required=["jti"]) == "missing-claim"
    assert refuse_claims(build_claims(), required=["nonce"]) == "missing-claim"


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "client_id", "azp"])
@pytest.mark.parametrize("value", ["", 1, True, None, ["x"], {"x": 1}])
def test_names_are_text(name: str, value: Any) -> None:
    """An empty one names nobody."""
    assert refuse_claims({**build_claims(), name: value}) == "malformed-claims"


@pytest.mark.parametrize("value", [1, None, ["a"], {}, True])
def test_a_scope_is_text(value: Any) -> None:
    """A list is another server's dialect; half understood it would be dangerous."""
    assert refuse_claims({**build_claims(), "scope": value}) == "malformed-claims"
    check(build_claims(scope=""))


@pytest.mark.parametrize(
    "issuer",
    [ISSUER[:-1], ISSUER + "x", ISSUER.upper(), ISSUER[1:], "https://issuer.example/\0"],
)  # fmt: skip
def test_the_issuer_is_compared_exactly(issuer: str) -> None:
    """A prefix was enough in another library once."""
    assert refuse_claims(build_claims(iss=issuer)) == "wrong-issuer"


@pytest.mark.parametrize(
    ("audience", "code"),
    [
        (AUDIENCE[:-1], "wrong-audience"),
        (AUDIENCE + "/", "wrong-audience"),
        (AUDIENCE.upper(), "wrong-audience"),
        ("", "wrong-audience"),
        ([], "wrong-audience"),
        (["other"], "wrong-audience"),
        (list(AUDIENCE), "wrong-audience"),
        ([AUDIENCE, 1], "malformed-claims"),
        ([AUDIENCE, None], "malformed-claims"),
        ([[AUDIENCE]], "malformed-claims"),
        ({AUDIENCE: 1}, "malformed-claims"),
        (1, "malformed-claims"),
        (True, "malformed-claims"),
    ],
)
def test_the_audience_is_compared_exactly(audience: Any, code: str) -> None:
    """A text, or a list of texts only."""
    assert refuse_claims({**build_claims(), "aud": audience}) == code


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    [
        str(TIME), "", True, False, None, [TIME], {}, -1, -TIME, 253_402_300_800,
        10**400, -(10**400), float("inf"), float("-inf"), float("nan"), 1e308,
    ],
)  # fmt: skip
def test_times_are_numbers_of_our_era(name: str, value: Any) -> None:
    """A text that looks like one is accepted by other libraries."""
    assert refuse_claims({**build_claims(), name: value}) == "malformed-claims"


@pytest.mark.parametrize(
    ("changes", "settings", "code"),
    [
        ({"exp": TIME - 59}, {}, None),
        ({"exp": TIME - 59.5}, {}, None),
        ({"exp": TIME - 60}, {}, "expired-token"),
        ({"exp": TIME}, {"leeway": 0}, "expired-token"),
        ({"exp": TIME + 0.01}, {"leeway": 0}, None),
        ({"exp": 0}, {}, "expired-token"),
        ({"iat": TIME + 60}, {}, None),
        ({"iat": TIME + 61}, {}, "early-token"),
        ({"nbf": TIME + 60}, {}, None),
        ({"nbf": TIME + 61}, {}, "early-token"),
        ({"nbf": TIME + 1}, {"leeway": 0}, "early-token"),
        ({"nbf": 0}, {}, None),
        ({"iat": TIME, "exp": TIME + 3600}, {}, None),
        ({"iat": TIME, "exp": TIME + 3660}, {}, None),
        ({"iat": TIME, "exp": TIME + 3661}, {}, "long-lived-token"),
        ({"iat": TIME, "exp": TIME + 3601}, {"leeway": 0}, "long-lived-token"),
        ({"iat": TIME - 60, "exp": TIME + 3600}, {}, None),
        ({"iat": TIME - 3000, "exp": TIME + 660}, {}, None),
        ({"iat": TIME - 3000, "exp": TIME + 661}, {}, "long-lived-token"),
        ({"iat": TIME + 60, "exp": TIME + 3660}, {}, None),
        ({"iat": TIME + 60, "exp": TIME + 3661}, {}, "long-lived-token"),
        ({"iat": None, "exp": TIME + 3660}, {}, None),
        ({"iat": None, "exp": TIME + 3661}, {}, "long-lived-token"),
        ({"iat": TIME, "exp": TIME + 31_536_000}, {}, "long-lived-token"),
        ({"iat": None, "exp": 253_402_300_799}, {}, "long-lived-token"),
        ({"iat": TIME, "exp": TIME + 7200}, {"max_lifetime": 7200}, None),
    ],
)
def test_a_token_is_valid_in_its_time_only(
    changes: Any, settings: Any, code: str | None
) -> None:
    """To the second, with leeway for clocks that disagree, and for no longer."""
    claims = build_claims(**changes)
    if code is None:
        check(claims, **settings)
    else:
        assert refuse_claims(claims, **settings) == code


def test_time_passes() -> None:
    """The clock is the caller's."""
    claims = build_claims(exp=TIME + 100)

    check(claims, now=NOW + timedelta(seconds=159))
    assert refuse_claims(claims, now=NOW + timedelta(seconds=160)) == "expired-token"
    assert refuse_claims(claims, now=NOW - timedelta(seconds=61)) == "early-token"


# Outside examples.


def read_vector(path: str) -> Any:
    """Read one file of RFC 7520."""
    [found] = VECTORS.glob(path)
    return json.loads(found.read_text("utf-8"))


def publish(key: Any, algorithm: str) -> Any:
    """Keep the public part of a published private key, pinned to one algorithm."""
    public = {name: key[name] for name in ("kty", "n", "e") if name in key}
    keys = StaticKeySet({"keys": [{**public, "alg": algorithm}]})
    return keys.get(None).key


@pytest.mark.parametrize("name", ["4_1", "4_2"])
def test_the_signatures_of_rfc_7520_verify(name: str) -> None:
    """The engine agrees with others; the payload is no claims, and has no type."""
    vector = read_vector(f"jws/{name}.*")
    algorithm = vector["input"]["alg"]
    key = publish(vector["input"]["key"], algorithm)
    compact = vector["output"]["compact"]
    signed, _, signature = compact.rpartition(".")

    assert json_web_token._verify_signature(
        signed.encode(), decode(signature), algorithm, key
    )
    for other in {"RS256", "RS384", "PS256", "PS384"} - {algorithm}:
        assert not json_web_token._verify_signature(
            signed.encode(), decode(signature), other, key
        )
    assert refuse(compact) == "wrong-type"


@pytest.mark.parametrize("name", ["4_3", "4_4"])
def test_algorithms_that_are_not_taken_are_refused(name: str) -> None:
    """P-521 and HMAC, though the signatures are right."""
    vector = read_vector(f"jws/{name}.*")
    header = {**vector["signing"]["protected"], "typ": "at+jwt"}

    assert refuse(vector["output"]["compact"]) == "wrong-type"
    assert refuse(build_token(header, signature=b"x")) == "wrong-algorithm"


@pytest.mark.parametrize("path", sorted((VECTORS / "jws").glob("*.json")), ids=str)
def test_other_serialisations_of_rfc_7520_are_refused(path: Path) -> None:
    """JSON, and a payload that is sent apart."""
    output = json.loads(path.read_text("utf-8"))["output"]
    others = [
        json.dumps(output[name]) for name in ("json", "json_flat") if name in output
    ]
    if path.name.startswith("4_5"):
        others.append(output["compact"])

    assert others
    for token in others:
        assert refuse(token) == "malformed-token"


def test_the_nested_token_of_rfc_7520() -> None:
    """Its signed part names no audience; the encrypted one is not even read."""
    vector = read_vector("6.*")
    key = vector["sign"]["input"]["key"]
    public = {name: key[name] for name in ("kty", "n", "e")}
    keys = StaticKeySet({"keys": [{**public, "alg": "PS256"}]})
    compact = vector["sign"]["output"]["compact"]
    claims = parse(compact, accepted_types=["JWT"]).verify(keys)

    assert claims["exp"] == 1300819380
    assert refuse_claims(claims, issuer=claims["iss"]) == "missing-claim"
    for place in range(0, len(compact), 5):
        other = "A" if compact[place] != "A" else "B"
        changed = compact[:place] + other + compact[place + 1 :]
        assert refuse(changed, keys, accepted_types=["JWT"]) in CODES
    assert refuse(vector["encrypt"]["output"]["compact"]) == "malformed-token"


# The examples of https://www.rfc-editor.org/rfc/rfc7515#appendix-A
PAYLOAD = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
    "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)
A2_KEY = {
    "kty": "RSA",
    "n": (
        "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp"
        "-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOW"
        "vG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUs"
        "LA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k"
        "G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
        "PAcDTW9gb54h4FRWyuXpoQ"
    ),
    "e": "AQAB",
}
A2_SIGNATURE = (
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
    "AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4"
    "BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
    "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
    "hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
    "p0igcN_IoypGlUPQGe77Rw"
)
A3_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
A3_SIGNATURE = (
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
    "pmWQxfKTUJqPP3-Kg6NU1Q"
)


@pytest.mark.parametrize(
    ("header", "key", "signature"),
    [
        ("eyJhbGciOiJSUzI1NiJ9", A2_KEY, A2_SIGNATURE),
        ("eyJhbGciOiJFUzI1NiJ9", A3_KEY, A3_SIGNATURE),
    ],
)
def test_the_signatures_of_rfc_7515_verify(
    header: str, key: Any, signature: str
) -> None:
    """Without a type they are no access tokens all the same."""
    found = StaticKeySet({"keys": [key]}).get(None)
    signed = f"{header}.{PAYLOAD}"

    assert json_web_token._verify_signature(
        signed.encode(), decode(signature), found.algorithm, found.key
    )
    assert not json_web_token._verify_signature(
        signed.encode() + b"A", decode(signature), found.algorithm, found.key
    )
    assert refuse(f"{signed}.{signature}") == "wrong-type"


def test_the_unsecured_token_of_rfc_7515_is_refused() -> None:
    """Appendix A.5."""
    assert refuse(f"eyJhbGciOiJub25lIn0.{PAYLOAD}.") == "malformed-token"
    assert refuse(f"eyJhbGciOiJub25lIn0.{PAYLOAD}.AA") == "wrong-type"


# Whatever comes.

_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(TIME - 4000, TIME + 4000),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([ISSUER, AUDIENCE, "ES256", "at+jwt"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=4,
)
_headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "crit", "jku", "x"]), _json, max_size=3
)
_claims = st.dictionaries(
    st.sampled_from(
        ["iss", "aud", "exp", "nbf", "iat", "sub", "jti", "client_id", "azp", "scope"]
    ),
    _json,
    max_size=4,
)


def try_token(token: str) -> Any:
    """Return the claims of a token, or the code with which it is refused."""
    try:
        claims = parse(token).verify(KEYS)
        check(claims)
    except AuthenticationFailed as refusal:
        return refusal.code
    return claims


@settings(deadline=None)
@given(
    header=st.one_of(st.binary(max_size=9), _headers.map(lambda h: build_header(**h))),
    claims=st.one_of(
        st.binary(max_size=9), _claims.map(lambda c: {**build_claims(), **c})
    ),
    forged=st.one_of(st.none(), st.binary(min_size=1, max_size=70)),
)
def test_any_token_is_right_or_refused_in_a_known_word(
    header: Any, claims: Any, forged: Any
) -> None:
    """Signed or not: the net below never has to hold."""
    outcome = try_token(build_token(header, claims, signature=forged))

    if isinstance(outcome, str):
        assert outcome in CODES
    else:
        assert forged is None
        assert outcome == json.loads(spell(claims))


@settings(deadline=None)
@given(
    token=st.one_of(
        st.text(max_size=40), st.from_regex(r"[\w-]{1,9}\.[\w-]{1,9}\.[\w-]{1,9}")
    )
)
def test_no_text_without_the_key_is_a_token(token: str) -> None:
    """Whatever the characters."""
    assert refuse(token) in CODES


@settings(deadline=None)
@given(octet=st.integers(0), bit=st.integers(0, 7), part=st.integers(0, 2))
def test_no_bit_of_a_token_can_be_changed(octet: int, bit: int, part: int) -> None:
    """In none of its parts."""
    parts = [bytearray(decode(text)) for text in RIGHT.split(".")]
    parts[part][octet % len(parts[part])] ^= 1 << bit

    assert refuse(".".join(encode(bytes(octets)) for octets in parts)) in CODES

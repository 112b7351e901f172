"""The strict readers: one spelling of bytes, one meaning of JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redox_wsgi.authentication.jose.encoding import decode_base64url, parse_object
from tests.support.jose import encode


@settings(deadline=None)
@given(octets=st.binary(max_size=70))
def test_any_octets_survive_their_encoding(octets: bytes) -> None:
    """Both alphabets' special characters and all three tails."""
    assert decode_base64url(encode(octets)) == octets


@pytest.mark.parametrize("text", ["", "AA", "AAA", "AAAX", "AAAXXXXX", "-_-_"])
def test_a_text_is_read_to_its_end(text: str) -> None:
    """Whichever character that is."""
    assert encode(decode_base64url(text)) == text


@settings(deadline=None)
@given(text=st.text(st.sampled_from("AQgwZ09+/-_=.\n é"), max_size=9))
def test_no_two_texts_decode_to_the_same_octets(text: str) -> None:
    """Whatever is decoded encodes to the very same text again."""
    try:
        octets = decode_base64url(text)
    except ValueError:
        return

    assert encode(octets) == text


@pytest.mark.parametrize(
    "text",
    [
        "YQ==", "YR", "YWJ", "Y", "YWJjZ", "YQ\n", " YQ", "Y Q", "YW.J", "+_8", "a/8",
        "\u00e9", "YQ\u212a", "\ud800", "YQ\x00",
    ],
)  # fmt: skip
def test_anything_but_the_canonical_spelling_is_refused(text: str) -> None:
    """Padding, blanks, the other alphabet, bits that decode to nothing."""
    with pytest.raises(ValueError, match="canonical base64url"):
        decode_base64url(text)


@pytest.mark.parametrize(
    ("document", "parsed"),
    [
        (b"{}", {}),
        (b' {"a" : [1, {"b": null}]}\r\n\t', {"a": [1, {"b": None}]}),
        (b'{"a": 1e400}', {"a": float("inf")}),
        (b'{"a": "\\ud83d\\ude00 \\u0000"}', {"a": "\U0001f600 \0"}),
        ('{"a": "Zoë 😀"}'.encode(), {"a": "Zoë 😀"}),
        (b'{"a": {"x": 1}, "b": {"x": 1}}', {"a": {"x": 1}, "b": {"x": 1}}),
    ],
)
def test_json_is_parsed_as_everybody_does(document: bytes, parsed: Any) -> None:
    """Escapes, blanks and large exponents are JSON."""
    assert parse_object(document) == parsed


@pytest.mark.parametrize(
    "document",
    [
        b"", b"null", b"[]", b'"{}"', b"1", b"{", b"{}{}", b"{} x", b"{'a': 1}",
        b'{"a": 1,}', b'{"a": 01}', b'{"a": +1}', b'{"a": .5}', b'{"a": 0x1}',
        b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b'[{"a": 1, "a": 2}]',
        b'{"a": [{"b": 1, "b": 1}]}', b'{"a": 1, "\\u0061": 2}',
        b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}',
        b'{"a": "\\ud800"}', b'{"\\ud800": 1}', b'{"a": ["\\udc00\\ud83d"]}',
        b'{"a": "\n"}', b'{"a": "\xff"}', b"\xef\xbb\xbf{}", '{}'.encode("utf-16"),
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
    ],
    ids=lambda document: document[:16],
)  # fmt: skip
def test_json_of_which_programs_disagree_is_refused(document: bytes) -> None:
    """Always by a ValueError: no RecursionError, no OverflowError."""
    with pytest.raises(ValueError, match=r"^This is no JSON object of one meaning"):
        parse_object(document)


@pytest.mark.parametrize("one", [b"[]", b"{}"])
def test_brackets_are_counted_before_anything_is_parsed(one: bytes) -> None:
    """Not how deep they are: what Python bears differs between its versions."""
    most = b'{"a":[' + b",".join([one] * 898) + b"]}"
    assert len(parse_object(most)["a"]) == 898

    with pytest.raises(ValueError, match="one meaning"):
        parse_object(most.replace(b"[", b"[" + one + b",", 1))


_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@settings(deadline=None)
@given(
    value=st.recursive(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            _texts,
        ),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(_texts, inner, max_size=3)
        ),
        max_leaves=8,
    ),
    ascii_only=st.booleans(),
)
def test_any_object_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    """Strictness refuses nothing that has one meaning."""
    document = json.dumps({"a": value}, ensure_ascii=ascii_only).encode()

    assert parse_object(document) == {"a": value}


@settings(deadline=None)
@given(document=st.binary(max_size=60))
def test_any_octets_are_an_object_or_a_value_error(document: bytes) -> None:
    """Nothing else may come out of a stranger's bytes."""
    try:
        parsed = parse_object(document)
    except ValueError:
        return

    assert isinstance(parsed, dict)

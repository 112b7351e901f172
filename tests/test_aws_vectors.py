"""The suite of AWS for Signature Version 4: every step, and every alteration."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest

from redox_wsgi import AuthenticationFailed, Request
from redox_wsgi.authentication.aws.canonical_request import (
    build_string_to_sign,
    derive_signing_key,
    sign,
)
from redox_wsgi.authentication.aws.signature import (
    list_canonical_requests,
    read_signature,
)
from tests.support.aws import Vector, read_vectors

VECTORS = read_vectors()
each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v.name)


def refuse(vector: Vector, request: Request, **settings: Any) -> str:
    """Expect that a request is refused, and return why."""
    with pytest.raises(AuthenticationFailed) as caught:
        vector.build_authenticator(**settings).authenticate(request)
    assert caught.value.error == "invalid_signature"
    assert caught.value.www_authenticate == "AWS4-HMAC-SHA256"
    return caught.value.code


def test_all_vectors_are_there() -> None:
    """A folder that was lost would pass in silence."""
    assert len(VECTORS) == 38


@each_vector
def test_each_step_is_that_of_aws(vector: Vector) -> None:
    """One after the other, so that a failure names its step."""
    request = vector.build_request()
    sent = read_signature(request)
    right = vector.read("header-canonical-request")
    payload_hash = right.rpartition(b"\n")[2].decode()
    candidates = list(
        list_canonical_requests(
            request, sent.names, (b"example.amazonaws.com",), payload_hash
        )
    )

    assert right in candidates
    string_to_sign = build_string_to_sign(
        sent.timestamp.encode(), sent.scope.encode(), right
    )
    assert string_to_sign == vector.read("header-string-to-sign")
    secret = vector.context["credentials"]["secret_access_key"].encode()
    signature = sign(derive_signing_key(secret, sent.scope.encode()), string_to_sign)
    assert signature.encode() == vector.read("header-signature")
    assert signature == sent.signature


@each_vector
def test_a_vector_is_accepted(vector: Vector) -> None:
    """With the time at which it was signed."""
    principal = vector.build_authenticator().authenticate(vector.build_request())

    assert principal.scheme == "aws-sigv4"
    assert principal.subject == vector.context["credentials"]["access_key_id"]


@each_vector
def test_a_presigned_url_is_refused(vector: Vector) -> None:
    """A signature in the query stands in every access log."""
    request = Request(vector.build_environ("query-signed-request"))

    assert refuse(vector, request) == "presigned-url"


def other_target(environ: dict[str, Any], add: str, to_query: str) -> str:
    """Change the target in its path or in its query."""
    path, mark, query = environ["RAW_URI"].partition("?")
    return f"{path}{add}{mark}{query}" + to_query.format("&" if mark else "?")


def alterations(vector: Vector) -> dict[str, dict[str, Any]]:
    """Name what is altered, one thing each, with the keys of the environ."""
    environ = vector.build_environ()
    authorization = environ["HTTP_AUTHORIZATION"]
    second_later = vector.signed_at + timedelta(seconds=1)
    altered: dict[str, dict[str, Any]] = {
        "method": {"REQUEST_METHOD": "PUT"},
        "method in lower case": {"REQUEST_METHOD": environ["REQUEST_METHOD"].lower()},
        "path": {"RAW_URI": other_target(environ, "x", "")},
        "query": {"RAW_URI": other_target(environ, "", "{}x=1")},
        "body": {"wsgi.input": io.BytesIO(b"x" + environ["wsgi.input"].read()[1:])},
        "date": {"HTTP_X_AMZ_DATE": second_later.strftime("%Y%m%dT%H%M%SZ")},
        "host": {"HTTP_HOST": "example.amazonaws.org"},
        "no host": {"HTTP_HOST": None},
        "unsigned header of AWS": {"HTTP_X_AMZ_META": "x"},
        "header twice": {"HTTP_AUTHORIZATION": f"{authorization},{authorization}"},
        "signature in upper case": {
            "HTTP_AUTHORIZATION": re.sub(
                "[0-9a-f]{64}$", lambda m: m[0].upper(), authorization
            )
        },
    }
    for position in (0, 31, 63):
        start = len(authorization) - 64 + position
        digit = "0" if authorization[start] != "0" else "1"
        text = authorization[:start] + digit + authorization[start + 1 :]
        altered[f"digit {position}"] = {"HTTP_AUTHORIZATION": text}
    for part in ("20150830", "us-east-1", "/service/", "AKIDEXAMPLE", "aws4_request"):
        text = authorization.replace(part, part[:-2] + "x" + part[-1], 1)
        altered[part] = {"HTTP_AUTHORIZATION": text}
    for name in read_signature(Request(environ)).names:
        key = name.upper().replace("-", "_")
        key = key if key in environ else f"HTTP_{key}"
        altered[f"{name} longer"] = {key: environ[key] + "0"}
        altered[f"{name} gone"] = {key: None}
        text = authorization.replace(f"{name};", "", 1).replace(f";{name}", "", 1)
        altered[f"{name} not signed"] = {"HTTP_AUTHORIZATION": text}
    return altered


@each_vector
def test_each_single_alteration_is_refused(vector: Vector) -> None:
    """Method, path, query, each header, body, date, scope, and single digits."""
    for name, changes in alterations(vector).items():
        code = refuse(vector, vector.build_request(**changes))

        assert code != "no-credentials", name


@each_vector
@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("region", "us-east-2", "wrong-scope"),
        ("service", "services", "wrong-scope"),
        ("expected_hosts", "example.com", "unexpected-host"),
        ("credentials", {"AKIDOTHER": "x" * 32}, "unknown-access-key"),
        ("credentials", {"AKIDEXAMPLE": "x" * 32}, "wrong-signature"),
        ("session_token", "other" * 8, "wrong-session-token"),
    ],
)
def test_a_vector_is_refused_by_other_settings(
    vector: Vector, setting: str, value: Any, code: str
) -> None:
    """None of them is taken from the request."""
    assert refuse(vector, vector.build_request(), **{setting: value}) == code


@pytest.mark.parametrize("seconds", [-301, 301, 10**9, -(10**9)])
def test_a_vector_of_another_time_is_refused(seconds: int) -> None:
    """Five minutes by default, both ways."""
    [vector] = [vector for vector in VECTORS if vector.name == "get-vanilla"]
    at = vector.signed_at + timedelta(seconds=seconds)

    assert refuse(vector, vector.build_request(), now=lambda: at) == "clock-skew"
    near = vector.signed_at + timedelta(seconds=300 if seconds > 0 else -300)
    accepting = vector.build_authenticator(now=lambda: near)
    assert accepting.authenticate(vector.build_request()).subject == "AKIDEXAMPLE"


def test_a_session_token_added_after_signing_needs_the_option() -> None:
    """By default everything of AWS that comes must be signed."""
    [vector] = [vector for vector in VECTORS if vector.token_is_unsigned]

    code = refuse(vector, vector.build_request(), allow_unsigned_session_token=False)
    assert code == "header-not-signed"

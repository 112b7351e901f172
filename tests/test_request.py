"""Reading a request: lengths, chunked bodies, bearer tokens."""

from __future__ import annotations

import io
from typing import Any

import pytest

from redox_wsgi import (
    AuthenticationFailed,
    BodyTooLarge,
    MalformedRequest,
    Request,
    RequestRejected,
)
from tests.support.wsgi import build_environ


class Drip(io.BytesIO):
    """A stream that returns one byte a read, as a slow connection may."""

    def read(self, size: int | None = -1) -> bytes:
        """Read one byte at most."""
        return super().read(min(size or 0, 1))


class Broken(io.BytesIO):
    """A stream whose connection is gone."""

    def read(self, size: int | None = -1) -> bytes:
        """Fail as a server's stream does, each with an exception of its own."""
        raise ConnectionResetError

    def readinto(self, buffer: Any) -> int:
        """Fail as ``read`` does."""
        raise ConnectionResetError


def build_chunked(body: bytes, **more: Any) -> Request:
    """Build a request whose end only the server knows."""
    environ = build_environ(
        headers={"transfer-encoding": "chunked"},
        **{"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, **more},
    )
    return Request(environ, max_body_bytes=10)


def test_a_body_is_read_once_and_kept() -> None:
    """An authenticator that covers the body and the destination share one reading."""
    request = Request(build_environ(body=b"abc"))

    assert request.body() is request.body()
    assert request.body() == b"abc"


def test_a_body_is_read_on_when_one_read_returns_less() -> None:
    """PEP 3333 lets read(n) return fewer bytes than asked for."""
    environ = build_environ(body=b"abcdef")
    environ["wsgi.input"] = Drip(b"abcdef and the next request")

    assert Request(environ).body() == b"abcdef"


@pytest.mark.parametrize(
    "length", ["+3", "-1", "1_0", " 3", "3 ", "\u0663", "x", "0x3", "3,3", "9" * 20]
)
def test_a_length_that_is_not_plain_digits_is_malformed(length: str) -> None:
    """What int() takes is more than HTTP does, and read(-1) may never end."""
    request = Request(build_environ(body=b"abc", headers={"content-length": length}))

    with pytest.raises(MalformedRequest) as caught:
        request.body()

    assert (caught.value.code, caught.value.status) == ("bad-content-length", 400)


def test_a_short_body_is_told_from_one_that_was_read_before_us() -> None:
    """The first is a client that hung up, the second a mistake in the stack."""
    short = Request(build_environ(body=b"abc", headers={"content-length": "4"}))
    consumed = Request(build_environ(body=b"", headers={"content-length": "4"}))

    with pytest.raises(MalformedRequest) as caught_short:
        short.body()
    with pytest.raises(MalformedRequest) as caught_consumed:
        consumed.body()

    assert caught_short.value.code == "body-truncated"
    assert caught_consumed.value.code == "body-already-read"


def test_a_body_above_the_limit_is_not_read_at_all() -> None:
    """The announced length decides before a byte is taken."""
    environ = build_environ(body=b"x" * 11)
    request = Request(environ, max_body_bytes=10)

    with pytest.raises(BodyTooLarge) as caught:
        request.body()
    with pytest.raises(BodyTooLarge):
        Request(environ).body(10)

    assert caught.value.code == "body-too-large"

    assert environ["wsgi.input"].tell() == 0


def test_a_body_of_the_limit_is_read() -> None:
    """The limit itself is allowed, announced and chunked."""
    announced = Request(build_environ(body=b"x" * 10), max_body_bytes=10)

    assert announced.body() == b"x" * 10
    assert build_chunked(b"x" * 10).body() == b"x" * 10


def test_a_chunked_body_above_the_limit_is_cut_off() -> None:
    """It announces nothing, so it is counted while it is read."""
    with pytest.raises(BodyTooLarge) as caught:
        build_chunked(b"x" * 11).body()

    assert (caught.value.status, caught.value.code) == (413, "body-too-large")


def test_a_chunked_body_that_the_server_does_not_end_is_refused() -> None:
    """It would look empty, and an empty transmission would be lost with a 200."""
    request = build_chunked(b"abc", **{"wsgi.input_terminated": None})

    with pytest.raises(MalformedRequest) as caught:
        request.body()

    assert caught.value.code == "chunked-body-unsupported-by-server"


def test_a_chunked_body_wins_over_a_length() -> None:
    """With both, a length is what a smuggled request would use."""
    request = build_chunked(b"abcdef", CONTENT_LENGTH="3")

    assert request.body() == b"abcdef"


def test_a_body_that_is_neither_announced_nor_chunked_is_empty() -> None:
    """Reading until the end would hang on a connection that is kept alive."""
    environ = build_environ()
    environ["wsgi.input"] = io.BytesIO(b"the next request")

    assert Request(environ).body() == b""
    assert Request({**environ, "CONTENT_LENGTH": ""}).body() == b""


@pytest.mark.parametrize("chunked", [True, False])
def test_a_stream_that_fails_makes_a_malformed_request(chunked: bool) -> None:
    """Each server has its own exceptions; none may become a 500."""
    environ = build_environ(body=b"abc")
    environ["wsgi.input"] = Broken(b"")
    if chunked:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
        environ["wsgi.input_terminated"] = True
    request = Request(environ)

    with pytest.raises(MalformedRequest) as caught:
        request.body()

    assert caught.value.code == "body-unreadable"


def test_headers_are_found_in_any_case() -> None:
    """Names are case-insensitive, and two of them have no HTTP_ before them."""
    request = Request(
        build_environ(body=b"abc", headers={"Content-Type": "x/y", "X-Name": "1"})
    )

    assert request.header("content-type") == "x/y"
    assert request.header("Content-Length") == "3"
    assert request.header("x-NAME") == "1"
    assert request.header("absent") is None


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (None, None),
        ("", None),
        ("Basic eDp5", None),
        ("Bearertoken", None),
        ("Bearer-token x", None),
        ("Bearer abc", "abc"),
        ("bearer   a-b._~+/=", "a-b._~+/="),
    ],
)
def test_a_bearer_token_is_found(value: str | None, token: str | None) -> None:
    """The scheme is case-insensitive; another scheme is not ours to judge."""
    headers = {} if value is None else {"authorization": value}

    assert Request(build_environ(headers=headers)).bearer_token() == token


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer\tabc",
        "Bearer a b",
        "Bearer a,Bearer b",
        "Bearer \xe9",
        "Bearer a\x00",
        "Bearer,Bearer a",
    ],
)
def test_a_malformed_bearer_token_is_a_failed_authentication(value: str) -> None:
    """A doubled or broken credential is a 401, never a 400."""
    request = Request(build_environ(headers={"authorization": value}))

    with pytest.raises(AuthenticationFailed) as caught:
        request.bearer_token()

    assert caught.value.code == "malformed-credentials"


@pytest.mark.parametrize(
    ("keys", "target"),
    [
        ({"RAW_URI": "/a%2Fb?x"}, "/a%2Fb?x"),
        ({"RAW_URI": None, "REQUEST_URI": "/c"}, "/c"),
        ({"RAW_URI": None}, None),
    ],
)
def test_the_raw_target_is_what_the_server_gives(
    keys: dict[str, Any], target: str | None
) -> None:
    """Signatures cover it, and PATH_INFO cannot rebuild it."""
    assert Request(build_environ(**keys)).raw_target == target


def test_every_refusal_is_a_request_rejected() -> None:
    """A destination catches one class, whatever a body does."""
    assert issubclass(MalformedRequest, RequestRejected)
    assert issubclass(BodyTooLarge, RequestRejected)


def test_a_request_without_a_query_has_an_empty_one() -> None:
    """PEP 3333 lets QUERY_STRING be absent."""
    assert Request(build_environ(QUERY_STRING=None)).query_string == ""


def test_the_names_of_headers_are_found_by_their_beginning() -> None:
    """A signature must cover all headers of a kind, whatever they are called."""
    environ = build_environ(
        body=b"{}",
        headers={"x-amz-date": "1", "X-Amz-Meta-A": "2", "x-amazon": "3", "x": "4"},
        HTTP_X_AMZ="5",
        X_AMZ_VARIABLE="6",
    )

    assert sorted(Request(environ).header_names("X-Amz-")) == [
        "x-amz-date",
        "x-amz-meta-a",
    ]
    assert Request(environ).header_names("x-absent") == []

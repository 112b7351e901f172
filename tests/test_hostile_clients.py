"""Nothing comes of what a hostile or broken client sends over a real socket.

Every client here ends its side of the connection and then reads to the end, so that
the server is done with it before a test asks what reached a handler.
"""

from __future__ import annotations

import hashlib
import json
import re
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.builders import NOTIFICATION, TOKEN
from tests.support.servers import build_raw_request, exchange, run_server

SERVERS = ["gunicorn sync", "gunicorn gthread", "waitress"]
APPLICATION = "tests.support.contract_app:application"
READ_SECONDS = 20

PROOF = f"verification-token: {TOKEN}"
#: A complete request that a handler would get, to be hidden within another one.
SMUGGLED = build_raw_request(
    "POST", "/redox", [("verification-token", TOKEN)], b'{"smuggled": true}'
)
WHOLE = hashlib.sha256(NOTIFICATION).hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()

_STATUS = re.compile(rb"^HTTP/1\.[01] ([0-9]{3}) ", re.MULTILINE)


@pytest.fixture(scope="module", params=SERVERS)
def port(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[int]:
    """A server that runs the application of the contract."""
    log = tmp_path_factory.mktemp("server") / "log"
    with run_server(request.param, APPLICATION, log) as port:
        yield port


def talk(port: int, *parts: bytes) -> list[int]:
    """Send bytes, end our side, and return the status of each answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), READ_SECONDS) as connection:
        try:
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                answer += received
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may close without having read everything.
    return [int(status) for status in _STATUS.findall(answer)]


def list_calls(port: int) -> list[str]:
    """List the hashes of the bodies that reached a handler since the last time."""
    reply = exchange(port, build_raw_request("GET", "/calls", [], b""))
    assert reply is not None
    return [call["sha256"] for call in json.loads(reply.body)]


def build_head(*lines: str, target: str = "/redox", method: str = "POST") -> bytes:
    """Build the head of a request, line by line and unchecked."""
    head = [
        f"{method} {target} HTTP/1.1",
        "Host: x",
        "Connection: close",
        *lines,
        "",
        "",
    ]
    return "\r\n".join(head).encode("latin-1")


def chunk(*parts: bytes) -> bytes:
    """Encode parts as chunks, without the last one that ends a body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


LENGTH = f"Content-Length: {len(NOTIFICATION)}"
CHUNKED = "Transfer-Encoding: chunked"
MIDDLE = len(NOTIFICATION) // 2
HALF, REST = NOTIFICATION[:MIDDLE], NOTIFICATION[MIDDLE:]

#: Requests with the right token that are cut off within the body, or lie about it.
UNFINISHED = {
    "nothing after the head": build_head(PROOF, LENGTH),
    "half of the head": build_head(PROOF, LENGTH)[:-30],
    "half of the body": build_head(PROOF, LENGTH) + HALF,
    "one byte is missing": build_head(PROOF, LENGTH) + NOTIFICATION[:-1],
    "no chunk": build_head(PROOF, CHUNKED),
    "half of a chunk": build_head(PROOF, CHUNKED) + chunk(NOTIFICATION)[:MIDDLE],
    "half of the chunks": build_head(PROOF, CHUNKED) + chunk(HALF),
    "the last chunk is missing": build_head(PROOF, CHUNKED) + chunk(HALF, REST),
    "a chunk shorter than it says": build_head(PROOF, CHUNKED)
    + b"ffff\r\n"
    + NOTIFICATION
    + b"\r\n0\r\n\r\n",
}

_BODY = NOTIFICATION
_CHUNKS = chunk(NOTIFICATION) + b"0\r\n\r\n"


def _with_length(length: str) -> bytes:
    return build_head(PROOF, f"Content-Length: {length}") + _BODY


def _with_chunks(chunks: bytes) -> bytes:
    return build_head(PROOF, CHUNKED) + chunks + b"0\r\n\r\n"


#: Requests with the right token whose body is nothing that one may guess.
AMBIGUOUS = {
    "a negative length": _with_length("-1"),
    "a length with a sign": _with_length(f"+{len(_BODY)}"),
    "a length with an underscore": _with_length(f"{len(_BODY)}_0"),
    "a length in hexadecimal": _with_length(hex(len(_BODY))),
    "a length that is a word": _with_length("junk"),
    "a length of many digits": _with_length("9" * 40),
    "a list of lengths": _with_length(f"{len(_BODY)}, {len(_BODY) + 1}"),
    "two lengths": build_head(PROOF, LENGTH, "Content-Length: 5") + _BODY,
    "an unknown coding": build_head(PROOF, LENGTH, "Transfer-Encoding: xchunked")
    + _BODY,
    "chunked not at last": build_head(PROOF, "Transfer-Encoding: chunked, identity")
    + _CHUNKS,
    "a chunk of no size": _with_chunks(b"\r\nabc\r\n"),
    "a chunk of size xyz": _with_chunks(b"xyz\r\nabc\r\n"),
    "a chunk of size -1": _with_chunks(b"-1\r\nabc\r\n"),
    "a chunk of size +3": _with_chunks(b"+3\r\nabc\r\n"),
    "a chunk of size 0x3": _with_chunks(b"0x3\r\nabc\r\n"),
    "a chunk of size 0_3": _with_chunks(b"0_3\r\nabc\r\n"),
    "a chunk of a huge size": _with_chunks(b"f" * 40 + b"\r\nabc\r\n"),
    "a chunk longer than it says": _with_chunks(b"2\r\nabcdef\r\n"),
}

#: Requests without the token where a server could be led to see one.
UNPROVED = {
    "an underscore for the hyphen": build_head(f"Verification_Token: {TOKEN}", LENGTH)
    + _BODY,
    "a blank before the colon": build_head(f"verification-token : {TOKEN}", LENGTH)
    + _BODY,
    "the token in a folded line": build_head("X: a", f" {PROOF}", LENGTH) + _BODY,
    "the token after a folded line": build_head(
        "verification-token: x", f" {TOKEN}", LENGTH
    )
    + _BODY,
    "the token in a trailer": build_head(CHUNKED)
    + chunk(_BODY)
    + f"0\r\n{PROOF}\r\n\r\n".encode(),
    "the token after a bare line feed": build_head(f"X: a\n{PROOF}x", LENGTH) + _BODY,
    "the token after a bare return": build_head(f"X: a\r{PROOF}", LENGTH) + _BODY,
    "a NUL before the token": build_head(f"verification-token: \0{TOKEN}", LENGTH)
    + _BODY,
    "a NUL after the token": build_head(f"{PROOF}\0", LENGTH) + _BODY,
    "a control character after it": build_head(f"{PROOF}\x7f", LENGTH) + _BODY,
    "a byte above ASCII after it": build_head(f"{PROOF}\xff", LENGTH) + _BODY,
    "two tokens, the first wrong": build_head("verification-token: x", PROOF, LENGTH)
    + _BODY,
    "two tokens, the second wrong": build_head(PROOF, "verification-token: x", LENGTH)
    + _BODY,
    "a wrong one beside an underscore": build_head(
        "verification-token: x", f"Verification_Token: {TOKEN}", LENGTH
    )
    + _BODY,
    "two authorizations": build_head(
        "Authorization: Bearer x", f"Authorization: Bearer {TOKEN}", LENGTH
    )
    + _BODY,
    "the token in the query": build_head(
        LENGTH, target=f"/redox?verification-token={TOKEN}"
    )
    + _BODY,
    "the token as user of the URL": build_head(LENGTH, target=f"http://{TOKEN}@x/redox")
    + _BODY,
    "a header of 100 kB": build_head(f"X: {'x' * 100_000}", LENGTH) + _BODY,
    "a token of 100 kB": build_head(f"verification-token: {'x' * 100_000}", LENGTH)
    + _BODY,
    "ten thousand headers": build_head(*["X: x"] * 10_000, LENGTH) + _BODY,
    "a method in lower case": build_head(LENGTH, method="post") + _BODY,
    "a method to be overridden": build_head("X-HTTP-Method-Override: GET", LENGTH)
    + _BODY,
    "no version": b"GET /redox?challenge=x\r\n\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "noise": bytes(range(256)) * 4,
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "no host": b"POST /redox HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": build_head("Host: y", LENGTH) + _BODY,
    "an asterisk": build_head(LENGTH, target="*") + _BODY,
}

#: Requests without the token that carry another one, which has it, in their body.
SMUGGLING = {
    "within a refused body": build_head(f"Content-Length: {len(SMUGGLED)}"),
    "within a large refused body": build_head(f"Content-Length: {len(SMUGGLED) + 9000}")
    + b" " * 9000,
    "within a refused chunk": build_head(CHUNKED)
    + b"%x\r\n" % (len(SMUGGLED) + 9000)
    + b" " * 9000,
    "within a GET": build_head(
        f"Content-Length: {len(SMUGGLED)}", method="GET", target="/redox?challenge=x"
    ),
}

#: The same with a length and chunks at once, so that two readers may disagree.
DISAGREEING = {
    "the length first": build_head(f"Content-Length: {len(SMUGGLED) + 5}", CHUNKED)
    + b"0\r\n\r\n",
    "the coding first": build_head(CHUNKED, f"Content-Length: {len(SMUGGLED) + 5}")
    + b"0\r\n\r\n",
    "a coding with a tab": build_head(
        f"Content-Length: {len(SMUGGLED) + 5}", "Transfer-Encoding:\tchunked"
    )
    + b"0\r\n\r\n",
    "a coding with a blank before the colon": build_head(
        f"Content-Length: {len(SMUGGLED) + 5}", "Transfer-Encoding : chunked"
    )
    + b"0\r\n\r\n",
}


@pytest.fixture(autouse=True)
def _nothing_is_left_over(port: int) -> Iterator[None]:
    """Each test begins with no calls, and leaves a server that still answers."""
    list_calls(port)
    yield
    reply = exchange(
        port,
        build_raw_request("POST", "/redox", [("verification-token", TOKEN)], _BODY),
    )
    assert reply is not None
    assert reply.status == 200
    assert list_calls(port) == [WHOLE]


@pytest.mark.parametrize("name", UNFINISHED)
def test_no_half_transmission_reaches_a_handler(port: int, name: str) -> None:
    """Half of a payload would be answered 200, and the rest be lost for ever."""
    statuses = talk(port, UNFINISHED[name])

    assert set(statuses) <= {400}
    assert list_calls(port) == []


@pytest.mark.parametrize("name", UNFINISHED)
def test_no_half_transmission_is_handled_when_the_client_resets(
    port: int, name: str
) -> None:
    """A peer that vanishes makes reads fail instead of ending them."""
    with socket.create_connection(("127.0.0.1", port), READ_SECONDS) as connection:
        connection.sendall(UNFINISHED[name])
        # Closing sends a reset at once and drops what was not sent.
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    assert list_calls(port) == []


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_no_ambiguous_length_is_guessed(port: int, name: str) -> None:
    """Even with the right token: a guess could cut a payload or join two."""
    statuses = talk(port, AMBIGUOUS[name])

    # A coding that a server does not know is its own 501, before any of our code.
    allowed = {400, 413, 501} if "coding" in name or "chunked" in name else {400, 413}
    assert set(statuses) <= allowed
    assert list_calls(port) == []


@pytest.mark.parametrize("name", UNPROVED)
def test_no_trick_of_the_head_proves_anybody(port: int, name: str) -> None:
    """Only one header of the exact name with the exact value does."""
    statuses = talk(port, UNPROVED[name])

    assert all(400 <= status < 500 or status == 505 for status in statuses)
    assert list_calls(port) == []


@pytest.mark.parametrize("name", SMUGGLING)
def test_no_request_within_a_body_is_taken_for_one(port: int, name: str) -> None:
    """A refused body stays unread; the server must not read on in it."""
    statuses = talk(port, SMUGGLING[name] + SMUGGLED)
    kept_alive = SMUGGLING[name].replace(b"Connection: close\r\n", b"")
    statuses += talk(port, kept_alive + SMUGGLED)

    assert all(400 <= status < 500 for status in statuses)
    assert list_calls(port) == []


@pytest.mark.parametrize("name", DISAGREEING)
def test_no_disagreement_about_a_length_joins_two_requests(
    port: int, name: str
) -> None:
    """A server may go by the chunks alone: then the second has to be proved itself."""
    raw = DISAGREEING[name].replace(b"Connection: close\r\n", b"")

    statuses = talk(port, raw + SMUGGLED.replace(TOKEN.encode(), b"wrong"))
    statuses += talk(port, DISAGREEING[name] + SMUGGLED)

    assert all(400 <= status < 500 for status in statuses)
    assert list_calls(port) == []


def test_a_body_that_is_longer_than_announced_is_cut_there(port: int) -> None:
    """What follows is the next request, and none at all after ``close``."""
    head = build_head(PROOF, f"Content-Length: {MIDDLE}")

    assert talk(port, head + NOTIFICATION) == [200]
    assert list_calls(port) == [hashlib.sha256(HALF).hexdigest()]


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (build_head(PROOF, LENGTH) + _BODY, WHOLE),
        (build_head(PROOF, CHUNKED) + _CHUNKS, WHOLE),
        (build_head(PROOF, CHUNKED) + b"0\r\n\r\n", EMPTY),
        (build_head(PROOF, "Content-Length: 0"), EMPTY),
        (build_head(PROOF), EMPTY),
        (build_head(PROOF, LENGTH, target="http://elsewhere/redox") + _BODY, WHOLE),
        (build_head(PROOF, LENGTH, target="/red%6fx?x=1#y") + _BODY, WHOLE),
        (build_head(f"VERIFICATION-TOKEN:{TOKEN} \t", LENGTH) + _BODY, WHOLE),
        (build_head(PROOF, LENGTH, "Expect: 100-continue") + _BODY, WHOLE),
        (build_head(PROOF, f"verification_token: {TOKEN}x", LENGTH) + _BODY, WHOLE),
    ],
    ids=[
        *("announced", "chunked", "empty chunks", "announced empty", "no body"),
        *("absolute form", "encoded path", "case and blanks", "expectation"),
        "a wrong one with an underscore beside it",
    ],
)
def test_what_is_odd_but_right_is_kept(port: int, raw: bytes, body: str) -> None:
    """Otherwise the tests above would pass against a server that refuses all."""
    statuses = talk(port, raw)

    assert statuses[-1] == 200
    assert set(statuses) <= {100, 200}
    assert list_calls(port) == [body]


def test_a_body_in_many_pieces_is_put_together(port: int) -> None:
    """A slow client's payload is whole when its last byte has come."""
    pieces = [_BODY[i : i + 7] for i in range(0, len(_BODY), 7)]

    assert talk(port, build_head(PROOF, LENGTH), *pieces) == [200]
    assert list_calls(port) == [WHOLE]


@pytest.mark.parametrize("proof", [[], [f"verification-token: {TOKEN}x"]])
def test_a_stranger_who_expects_to_continue_is_refused(
    port: int, proof: list[str]
) -> None:
    """The answer is final, whether or not the server asked for the body."""
    statuses = talk(port, build_head(*proof, LENGTH, "Expect: 100-continue") + _BODY)

    assert statuses[-1] == 401
    assert set(statuses) <= {100, 401}
    assert list_calls(port) == []


@pytest.mark.parametrize(
    "target", ["//guard", "///guard", "/%2fguard", "http://x//guard", "guard", "guard/"]
)
def test_no_spelling_of_a_guarded_path_reaches_the_route(
    port: int, target: str
) -> None:
    """Flask routes ``//guard`` and ``guard`` as ``/guard``: so must the gate."""
    statuses = talk(port, build_head(LENGTH, target=target) + _BODY)

    # gunicorn itself refuses a target without a slash.
    assert statuses in ([401], [400])
    assert list_calls(port) == []

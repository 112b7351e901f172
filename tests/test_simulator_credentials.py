"""The one protocol of credentials: it suffices for every strategy that Redox has.

Each class below is the skeleton of one strategy: what it looks at, what it sets.
"""

from __future__ import annotations

import hashlib
import itertools
import json

import pytest

from redox_wsgi.simulator import (
    Credential,
    InProcess,
    NoAnswer,
    Request,
    Response,
    Sender,
    TokenCredential,
    Transport,
)

TOKEN = "canary-5up3r-53cr3t"


class Recorder:
    """A transport that keeps what is sent, and answers with a fixed status."""

    def __init__(self, status=200):
        self.status = status
        self.requests = []

    def exchange(self, request):
        """Keep a request."""
        self.requests.append(request)
        return Response(self.status, (), b"")


class JwtBearer:
    """A fresh assertion for each request, about where it goes."""

    def __init__(self):
        self.serial = itertools.count(1)

    def headers(self, request):
        """Put the assertion where the token would be."""
        return [("Authorization", f"Bearer {request.url}#{next(self.serial)}")]


class ClientCredentials:
    """Fetches an access token first, and keeps it while it is valid."""

    def __init__(self, transport):
        self.transport = transport
        self.access_token = None

    def headers(self, request):
        """Ask the token endpoint once."""
        if self.access_token is None:
            asked = Request("POST", "http://localhost/token", (), b"")
            answer = self.transport.exchange(asked)
            if answer.status != 200:
                raise NoAnswer("no-credential")
            self.access_token = json.loads(answer.body)["access_token"]
        return [("authorization", f"Bearer {self.access_token}")]


class SignsEverything:
    """Covers method, address, every header and the body, as AWS SigV4 can."""

    def headers(self, request):
        """Add what is signed, then the signature over all of it."""
        digest = hashlib.sha256(request.body).hexdigest()
        signed = request.with_headers([("x-content-sha256", digest)])
        return [
            ("x-content-sha256", digest),
            ("authorization", sign(signed)),
        ]


def sign(request):
    """Write down everything a signature can cover."""
    covered = [request.method, request.url, *request.headers]
    return hashlib.sha256(repr(covered).encode()).hexdigest()


def build_sender(credential, transport, url="http://h:8000/r?a=1", **more):
    """Build a sender with a linked credential."""
    return Sender(
        url,
        verification_token=TOKEN,
        credential=credential,
        transport=transport,
        **more,
    )


def send_everything(sender):
    """Send one transmission and every form of verification."""
    return [
        sender.send(b"{}"),
        sender.verify_by_post(),
        sender.verify_by_get(),
        sender.verify_by_get_old(),
    ]


def test_a_credential_is_asked_for_every_request():
    """A short-lived one is never sent twice; verifications have it too."""
    wire = Recorder()
    credential: Credential = JwtBearer()
    transport: Transport = wire
    send_everything(build_sender(credential, transport))
    sent = [dict(request.headers)["authorization"] for request in wire.requests]

    assert [value.partition("#")[2] for value in sent] == ["1", "2", "3", "4"]
    assert [value.partition("#")[0] for value in sent] == [
        f"Bearer {request.url}" for request in wire.requests
    ]


def test_a_signature_covers_exactly_what_goes_over_the_wire():
    """Host, length and content type included; nothing is added behind its back."""
    wire = Recorder()
    send_everything(build_sender(SignsEverything(), wire))

    assert len(wire.requests) == 4
    for request in wire.requests:
        *covered, (name, signature) = request.headers
        unsigned = Request(request.method, request.url, tuple(covered), request.body)
        assert name == "authorization"
        assert signature == sign(unsigned)
        assert dict(covered)["host"] == "h:8000"
        assert ("content-length" in dict(covered)) is (request.method == "POST")


def test_a_linked_credential_takes_the_place_of_the_token():
    """On a transmission; a verification has both, each in its own place."""
    wire = Recorder()
    send_everything(build_sender(JwtBearer(), wire))
    transmission, by_post, by_get, by_get_old = wire.requests

    assert "verification-token" not in dict(transmission.headers)
    assert TOKEN.encode() in by_post.body
    assert TOKEN in by_get.url
    assert dict(by_get_old.headers)["verification-token"] == TOKEN


@pytest.mark.parametrize("keep_token", [False, True])
def test_the_token_may_go_beside_the_credential(keep_token):
    """Whether Redox does it, nobody states: so a destination must take both."""
    wire = Recorder()
    build_sender(JwtBearer(), wire, keep_token=keep_token).send(b"{}")
    headers = dict(wire.requests[0].headers)

    assert headers.get("verification-token") == (TOKEN if keep_token else None)
    assert headers["authorization"].startswith("Bearer http://h:8000/r")


def test_without_a_credential_the_token_stands_in_both_headers_once():
    """``keep_token`` adds nothing to it."""
    wire = Recorder()
    build_sender(None, wire, keep_token=True).send(b"{}")
    names = [name for name, _ in wire.requests[0].headers]

    assert names.count("verification-token") == 1
    assert TokenCredential(TOKEN).headers(wire.requests[0])[1][0] == "authorization"


def test_an_access_token_is_fetched_through_the_same_transport():
    """So a token endpoint may stand in the application under test."""
    asked = []

    def application(environ, start_response):
        asked.append((environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION")))
        start_response("200 OK", [("Content-Type", "application/json")])
        return [b'{"access_token":"t-1"}']

    transport = InProcess(application)
    sender = build_sender(ClientCredentials(transport), transport, "http://h/redox")
    sender.send(b"{}")
    sender.send(b"{}")

    assert asked == [("/token", None), *[("/redox", "Bearer t-1")] * 2]


def test_without_the_access_token_nothing_is_sent():
    """And the answer says that it is not the destination's fault."""
    wire = Recorder()
    sender = build_sender(ClientCredentials(Recorder(status=500)), wire)
    answer = sender.send(b"{}")

    assert wire.requests == []
    assert (answer.status, answer.error) == (None, "no-credential")
    assert answer.problem == "no-answer"


def test_a_header_that_is_set_again_is_replaced_where_it_stands():
    """Whatever the case of its name; a new one goes to the end."""
    request = Request("GET", "http://h/", (("Host", "h"), ("accept", "a")), b"")
    changed = request.with_headers([("X-New", "1"), ("host", "other")])

    assert changed.headers == (("Host", "other"), ("accept", "a"), ("x-new", "1"))
    assert request.headers == (("Host", "h"), ("accept", "a"))


def test_no_secret_is_in_the_repr_of_a_request_or_a_response():
    """Neither address, nor headers, nor body."""
    request = Request("GET", f"http://h/{TOKEN}", (("a", TOKEN),), TOKEN.encode())
    response = Response(200, (("a", TOKEN),), TOKEN.encode())

    assert repr(request) == "Request(method='GET')"
    assert repr(response) == "Response(status=200)"

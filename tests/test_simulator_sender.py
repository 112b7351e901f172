"""The sender: what it puts on the wire, byte for byte, and how it judges."""

from __future__ import annotations

import ast
import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import redox_wsgi.simulator
from redox_wsgi.simulator import (
    Answer,
    Sender,
    SimulatorError,
    TokenCredential,
)
from redox_wsgi.simulator.answer import (
    event_of,
    is_query,
    judge_refusal,
    judge_transmission,
    judge_verification,
)

#: What the simulator may use besides, each imported where it is needed.
OPTIONAL = {"cryptography", "httptools", "jwt", "matplotlib", "pytest", "urllib3"}
TOKEN = "canary-5up3r-53cr3t"
NOTIFICATION = b'{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival"}}'
QUERY = b'{"Meta":{"DataModel":"PatientSearch","EventType":"Query"}}'
SIGN_ON = b'{"Meta":{"DataModel":"SSO","EventType":"Sign-on"}}'


@contextmanager
def listening(handle):
    """Serve each connection with ``handle(connection)``; yields ``host:port``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                connection, _ = listener.accept()
                with connection:
                    if not is_open.is_set():
                        return
                    handle(connection)

        is_open = threading.Event()
        is_open.set()
        thread = threading.Thread(target=serve)
        thread.start()
        host, port = listener.getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            is_open.clear()
            socket.create_connection((host, port)).close()
            thread.join()


def read_request(connection):
    """Read one request, head and announced body, as it came."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name.lower() == b"content-length":
            while len(body) < int(value):
                body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def destination(answer):
    """Answer each request with ``answer(request)``; yields address and requests."""
    requests = []

    def handle(connection):
        requests.append(read_request(connection))
        connection.sendall(answer(requests[-1]))

    with listening(handle) as address:
        yield address, requests


def http(body=b"", status="200 OK", headers=""):
    """Write one whole answer."""
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def challenge_of(request):
    """Find the challenge in a verification request of any form."""
    _, _, after = request.partition(b"challenge")
    return after.lstrip(b'=":')[:36]


def echo(request):
    """Answer as a right destination does: the bare challenge."""
    return http(challenge_of(request))


def lines_of(request):
    """Split a request into its first line, its headers, and its body."""
    head, _, body = request.decode().partition("\r\n\r\n")
    first, *headers = head.split("\r\n")
    return first, headers, body


def test_verification_by_post_is_what_redox_documents():
    """Compact JSON with the token first, headers in lower case and in this order."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}/redox", verification_token=TOKEN)
        answer = sender.verify_by_post()
    first, headers, body = lines_of(requests[0])
    challenge = json.loads(body)["challenge"]

    assert first == "POST /redox HTTP/1.1"
    assert headers == [
        f"host: {address}",
        f"content-length: {len(body)}",
        "content-type: application/json",
        "application-name: RedoxEngine",
        "source-host: https://candi.redoxengine.com",
        "connection: close",
    ]
    assert body == f'{{"verification-token":"{TOKEN}","challenge":"{challenge}"}}'
    assert (answer.is_right, answer.status) == (True, 200)


def test_verification_by_get_has_challenge_and_token_in_the_query():
    """The newer form: both in the address, and no token header."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}/r", verification_token="a+b/c&d")
        answer = sender.verify_by_get()
    first, headers, body = lines_of(requests[0])
    challenge = challenge_of(requests[0]).decode()

    assert first == (
        f"GET /r?challenge={challenge}&verification-token=a%2Bb%2Fc%26d HTTP/1.1"
    )
    assert headers == [
        f"host: {address}",
        "content-type: application/json",
        "application-name: RedoxEngine",
        "source-host: https://candi.redoxengine.com",
        "connection: close",
    ]
    assert body == ""
    assert answer.is_right


def test_the_older_verification_by_get_has_the_token_in_a_header():
    """The older form: only the challenge stands in the address."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}/r", verification_token=TOKEN)
        answer = sender.verify_by_get_old()
    first, headers, _ = lines_of(requests[0])

    assert first == f"GET /r?challenge={challenge_of(requests[0]).decode()} HTTP/1.1"
    assert headers[-2:] == [f"verification-token: {TOKEN}", "connection: close"]
    assert answer.is_right


def test_each_verification_has_a_fresh_challenge():
    """A destination that answers yesterday's challenge must be found out."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        sender.verify_by_post()
        sender.verify_by_post()

    assert challenge_of(requests[0]) != challenge_of(requests[1])


def test_a_transmission_carries_the_token_in_both_documented_headers():
    """No user agent and no accepted encodings: Redox documents neither."""
    body = '{"Meta":{"Name":"Zoë"}}'.encode()
    with destination(lambda _: http()) as (address, requests):
        answer = Sender(f"http://{address}/redox", verification_token=TOKEN).send(body)
    first, headers, _ = lines_of(requests[0])

    assert first == "POST /redox HTTP/1.1"
    assert headers == [
        f"host: {address}",
        f"content-length: {len(body)}",
        "content-type: application/json",
        f"verification-token: {TOKEN}",
        f"authorization: Bearer {TOKEN}",
    ]
    assert requests[0].endswith(b"\r\n\r\n" + body)
    assert answer.is_right


@pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n\r\n", b"MSH|^~\\&|"])
def test_any_body_goes_over_the_wire_unchanged(body):
    """The simulator sends bytes; it does not mend them."""
    with destination(lambda _: http()) as (address, requests):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        answer = sender.send(body, "text/plain")

    assert requests[0].partition(b"\r\n\r\n")[2] == body
    assert b"\r\ncontent-type: text/plain\r\n" in requests[0]
    assert b"\r\ncontent-length: %d\r\n" % len(body) in requests[0]
    assert answer.is_right


def test_a_payload_is_encoded_as_redox_does_it():
    """Compact, UTF-8, nothing escaped: so that a test needs no bytes."""
    payload = {"Meta": {"DataModel": "Notes", "EventType": "New"}, "Name": "Zoë"}
    with destination(lambda _: http()) as (address, requests):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        answer = sender.send(payload)

    expected = '{"Meta":{"DataModel":"Notes","EventType":"New"},"Name":"Zoë"}'
    assert requests[0].partition(b"\r\n\r\n")[2] == expected.encode()
    assert answer.is_right


@pytest.mark.parametrize("path", ["/r?a=1&b=%2F", "/r?a=1&b=%2F#part"])
def test_the_query_of_the_address_is_kept(path):
    """Verification adds to it; a transmission repeats it; a fragment is never sent."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}{path}", verification_token=TOKEN)
        sender.verify_by_get_old()
        sender.send(b"{}")

    assert requests[0].startswith(b"GET /r?a=1&b=%2F&challenge=")
    assert requests[1].startswith(b"POST /r?a=1&b=%2F HTTP/1.1\r\n")


def test_no_redirect_is_followed():
    """Redox does not document that it would follow one."""
    moved = http(status="307 Temporary Redirect", headers="Location: /elsewhere\r\n")
    with destination(lambda _: moved) as (address, requests):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        answer = sender.send(NOTIFICATION)

    assert (answer.status, answer.problem) == (307, "status-not-200")
    assert answer.headers == (("Location", "/elsewhere"), ("Content-Length", "0"))
    assert len(requests) == 1


def test_a_compressed_answer_is_kept_as_it_came():
    """None was asked for, so one that comes is the destination's mistake."""
    zipped = http(b"\x1f\x8bnot really", headers="Content-Encoding: gzip\r\n")
    with destination(lambda _: zipped) as (address, _):
        answer = Sender(f"http://{address}/", verification_token=TOKEN).send(QUERY)

    assert (answer.body, answer.problem) == (b"\x1f\x8bnot really", "body-not-json")


def test_a_refusal_is_right_only_where_it_was_expected():
    """A wrong token wants 401; the right token does not."""
    refusal = http(status="401 Unauthorized")
    with destination(lambda _: refusal) as (address, _):
        url = f"http://{address}/"
        wrong = Sender(url, verification_token="wrong", expect="refused")
        right = Sender(url, verification_token=TOKEN)
        expected = [wrong.verify_by_post(), wrong.verify_by_get(), wrong.send(QUERY)]
        unexpected = [right.verify_by_post(), right.send(NOTIFICATION)]

    assert [answer.problem for answer in expected] == [None, None, None]
    assert [answer.problem for answer in unexpected] == ["status-not-200"] * 2


def test_a_wrong_token_that_is_accepted_is_found_out():
    """The right answer to everybody is the worst answer."""
    with destination(echo) as (address, _):
        url = f"http://{address}/"
        sender = Sender(url, verification_token="wrong", expect="refused")
        answers = [sender.verify_by_get_old(), sender.send(NOTIFICATION)]

    assert [answer.problem for answer in answers] == ["not-refused"] * 2


def test_nobody_listening_is_a_refused_connection():
    """No HTTP answer came: the error is a fixed word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sender = Sender(f"http://127.0.0.1:{port}/", verification_token=TOKEN)
    answer = sender.send(NOTIFICATION)

    assert (answer.status, answer.error) == (None, "connection-refused")
    assert (answer.problem, answer.is_right) == ("no-answer", False)
    assert (answer.headers, answer.body) == ((), b"")


def test_an_address_without_a_route_is_unreachable():
    """The kernel refuses to connect to the broadcast address; nothing is sent."""
    sender = Sender("http://255.255.255.255/", verification_token=TOKEN)

    assert sender.send(NOTIFICATION).error == "unreachable"


def test_a_name_that_does_not_resolve_is_no_such_host(monkeypatch):
    """Told apart from a refused connection, for it has another cure."""

    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    sender = Sender("http://nowhere.invalid/", verification_token=TOKEN)

    assert sender.send(NOTIFICATION).error == "no-such-host"


def test_a_name_with_an_empty_label_is_no_such_host():
    """Found out only while connecting."""
    sender = Sender("http://no..where/", verification_token=TOKEN)

    assert sender.send(NOTIFICATION).error == "no-such-host"


def test_no_answer_in_time_is_timed_out():
    """The connection stands, the request is read, and nothing comes."""
    release = threading.Event()

    def handle(connection):
        read_request(connection)
        release.wait()

    with listening(handle) as address:
        url = f"http://{address}/"
        sender = Sender(url, verification_token=TOKEN, timeout_seconds=0.01)
        try:
            answer = sender.send(NOTIFICATION)
        finally:
            release.set()

    assert (answer.status, answer.error) == (None, "timed-out")


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        pytest.param(b"", "closed", id="hung up without a word"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "closed", id="half"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "closed",
            id="no last chunk",
        ),
        pytest.param(b"SMTP ready\r\n\r\n", "not-http", id="another protocol"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 101 + b"\r\n",
            "not-http",
            id="too many headers",
        ),
    ],
)
def test_a_broken_answer_is_no_answer(sent, word):
    """Half an answer is none, even if its status was 200."""
    with destination(lambda _: sent) as (address, _):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        answer = sender.send(NOTIFICATION)

    assert (answer.status, answer.error, answer.problem) == (None, word, "no-answer")


def test_plain_http_behind_an_https_address_fails_as_tls():
    """And nothing of the request was readable on the way."""
    seen = []

    def handle(connection):
        seen.append(connection.recv(65536))
        connection.sendall(http())

    with listening(handle) as address:
        sender = Sender(f"https://{address}/", verification_token=TOKEN)
        answer = sender.send(NOTIFICATION)

    assert answer.error == "tls-failed"
    assert TOKEN.encode() not in seen[0]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/redox",
        "127.0.0.1:80/redox",
        "ftp://127.0.0.1/",
        "http://",
        f"http://host:{TOKEN}/",
        f"http://user:{TOKEN}@host/",
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url):
    """It may hold a password."""
    with pytest.raises(SimulatorError) as caught:
        Sender(url, verification_token=TOKEN)

    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "tokën", " a", "a\x7f"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token):
    """Checked early: http.client would quote it in its error."""
    with pytest.raises(SimulatorError) as caught:
        Sender("http://localhost/", verification_token=token)

    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("seconds", [0, -1, 86_401, float("inf"), float("nan")])
def test_a_time_limit_that_cannot_be_set_is_refused(seconds):
    """Found out while building, not while sending."""
    with pytest.raises(SimulatorError):
        Sender("http://h/", verification_token=TOKEN, timeout_seconds=seconds)


def test_a_header_that_http_forbids_is_refused_without_quoting_it():
    """A credential of someone else's making may hold a secret."""
    with destination(echo) as (address, requests):
        sender = Sender(f"http://{address}/", verification_token=TOKEN)
        with pytest.raises(SimulatorError) as caught:
            sender.send(b"{}", f"text/plain\r\nx: {TOKEN}")

    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__
    assert requests == []


def test_the_token_is_in_no_repr():
    """A destination may echo it: so an answer shows neither headers nor body."""

    def echo_everything(request):
        return http(request, headers=f"x-token: {TOKEN}\r\n")

    with destination(echo_everything) as (address, _):
        url = f"http://{address}/redox?key={TOKEN}"
        sender = Sender(url, verification_token=TOKEN)
        answer = sender.send(NOTIFICATION)

    assert repr(sender) == f"Sender('http://{address}/redox')"
    assert TOKEN.encode() in answer.body
    assert TOKEN not in repr(answer)
    assert TOKEN not in repr(TokenCredential(TOKEN))


def test_without_urllib3_a_sender_names_the_extra(monkeypatch):
    """The sentence says what to install."""
    monkeypatch.setitem(sys.modules, "urllib3", None)

    with pytest.raises(SimulatorError, match=r'pip install "redox_wsgi\[cli\]"'):
        Sender("http://localhost/", verification_token=TOKEN)


def test_importing_the_simulator_imports_nothing_optional():
    """Payloads are for everyone; only who sends over HTTP needs the extra."""
    program = (
        "import sys, redox_wsgi.simulator, redox_wsgi.simulator.storm;"
        f"print(sorted({OPTIONAL} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )

    assert run.stdout == "[]\n"


def test_the_simulator_imports_nothing_of_the_receiver():
    """One mistake must not hide in both."""
    imported = set()
    for file in Path(*redox_wsgi.simulator.__path__).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module))
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    foreign = {
        name
        for name in imported
        if name.partition(".")[0] not in {*sys.stdlib_module_names, *OPTIONAL}
    }

    assert foreign
    assert all(name.startswith("redox_wsgi.simulator.") for name in foreign)


def test_the_public_names_are_sorted_and_there():
    """What ``__all__`` promises can be had."""
    names = redox_wsgi.simulator.__all__

    assert sorted(names, key=lambda name: (not name.isupper(), name)) == names
    assert all(hasattr(redox_wsgi.simulator, name) for name in names)


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b"the-challenge", None),
        (200, b'{"challenge":"the-challenge"}', None),
        (200, b"", "challenge-missing"),
        (200, b"THE-CHALLENGE", "challenge-missing"),
        (201, b"the-challenge", "status-not-200"),
        (204, b"", "status-not-200"),
        (401, b"the-challenge", "status-not-200"),
    ],
)
def test_a_verification_wants_200_and_the_challenge(status, body, problem):
    """Anywhere in the body, which satisfies both generations of Redox."""
    assert judge_verification(status, body, "the-challenge") == problem


@pytest.mark.parametrize(
    ("status", "problem"),
    [(401, None), (200, "not-refused"), (403, "not-refused"), (500, "not-refused")],
)
def test_a_wrong_token_wants_401(status, problem):
    """A 500 refuses too, but by accident."""
    assert judge_refusal(status) == problem


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (200, None),
        (201, "status-not-200"),
        (204, "status-not-200"),
        (302, "status-not-200"),
        (500, "status-not-200"),
    ],
)
def test_a_notification_wants_exactly_200(status, problem):
    """Whatever else is below 400 is undefined."""
    assert judge_transmission(NOTIFICATION, status, (), b"") == problem


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (200, b'{"Meta":{}}', None),
        (200, b'{"Meta":{"Errors":[{"Text":"nobody"}]}}', None),
        (200, b'{"Meta":null}', "meta-missing"),
        (200, b"{}", "meta-missing"),
        (200, b"[]", "meta-missing"),
        (200, b"", "body-not-json"),
        (200, b"\xff", "body-not-json"),
        (200, b"[" * 100_000, "body-not-json"),
        (202, b'{"Meta":{}}', "status-not-200"),
        (302, b'{"Meta":{}}', "status-not-200"),
    ],
)
def test_a_query_wants_a_json_object_with_a_meta(status, body, problem):
    """Errors told in a ``Meta`` are an answer as well."""
    headers = (("location", "https://example.org"),)

    assert judge_transmission(QUERY, status, headers, body) == problem


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [
        (302, (("Location", "https://example.org"),), b"", None),
        (302, (("location", "https://example.org"),), b"", None),
        (302, (("Location", ""),), b"", "location-missing"),
        (302, (("X-Location", "https://example.org"),), b"", "location-missing"),
        (302, (), b"", "location-missing"),
        (200, (), b'{"Meta":{"Errors":[]}}', None),
        (200, (), b"", "body-not-json"),
        (303, (("Location", "https://example.org"),), b"", "status-not-200"),
    ],
)
def test_signing_on_may_be_answered_by_a_redirect(status, headers, body, problem):
    """The one event for which a 302 is right."""
    assert judge_transmission(SIGN_ON, status, headers, body) == problem


@pytest.mark.parametrize(
    ("data_model", "event_type", "expected"),
    [
        ("PatientSearch", "Query", True),
        ("PatientAdmin", "VisitQuery", True),
        ("Clinical Decisions", "Request", True),
        ("Clinical Summary", "DocumentGet", True),
        ("Scheduling", "AvailableSlots", True),
        ("Scheduling", "Booked", True),
        ("SSO", "Sign-on", True),
        ("sso", "sign-on", True),
        ("Scheduling", "New", False),
        ("PatientAdmin", "Arrival", False),
        ("Claim", "Request", False),
    ],
)
def test_queries_are_known_by_their_event(data_model, event_type, expected):
    """Written with or without blanks, in any case."""
    meta = {"DataModel": data_model, "EventType": event_type}

    assert is_query(event_of(json.dumps({"Meta": meta}).encode())) is expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"Meta":[]}',
        b'{"Meta":{"DataModel":"PatientSearch"}}',
        b'{"Meta":{"DataModel":1,"EventType":"Query"}}',
    ],
)
def test_a_body_without_an_event_is_a_notification(body):
    """The files of a user may be anything."""
    assert event_of(body) == ("", "")
    assert judge_transmission(body, 200, (), b"") is None


@given(sent=st.binary(), status=st.integers(100, 599), body=st.binary())
def test_any_answer_is_judged_without_an_exception(sent, status, body):
    """Hostile bytes give a verdict."""
    verdict = judge_transmission(sent, status, (), body)

    assert (verdict is None) <= (status == 200)


def test_an_answer_cannot_be_changed():
    """It is a record of what happened."""
    answer = Answer(200, (), b"", 0.1, None, None)

    with pytest.raises(AttributeError):
        answer.status = 500  # type: ignore[misc]

"""One bounded question over HTTP, against real servers that behave badly."""

from __future__ import annotations

import datetime
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from redox_wsgi import AuthenticatorUnavailable, ConfigurationError
from redox_wsgi.authentication.outgoing import fetching
from redox_wsgi.authentication.outgoing.connecting import Deadline
from redox_wsgi.authentication.outgoing.fetching import Fetcher
from tests.support.json_server import (
    USELESS,
    Asked,
    JsonServer,
    build_answer,
    run_json_server,
)
from tests.support.leaks import list_chain

SECRET = "s3cr3t-canary-of-a-question"


@pytest.fixture
def server() -> Iterator[JsonServer]:
    """A server that answers as it is told."""
    with run_json_server() as running:
        yield running


def build_fetcher(url: str, **settings: Any) -> Fetcher:
    """Build a fetcher that takes little and waits shortly."""
    settings = {"max_bytes": 1000, "timeout_seconds": 5.0, **settings}
    return Fetcher(url, "thing", **settings)


def word_of(ask: Callable[[], object]) -> str:
    """Ask, and return the code of the failure."""
    with pytest.raises(AuthenticatorUnavailable) as caught:
        ask()
    assert re.fullmatch(r"thing-[a-z-]+", caught.value.code)
    return caught.value.code.removeprefix("thing-")


def test_an_answer_comes_back_whole(server: JsonServer) -> None:
    """Status, headers and body; what a status means, the asker decides."""
    server.behaviour = build_answer(b"{}", 404, Cache_Control="max-age=5")

    answer = build_fetcher(server.url + "?a=1").get()

    assert (answer.status, answer.body) == (404, b"{}")
    assert answer.headers["cache-control"] == "max-age=5"
    assert server.asked[0].line == "GET /keys?a=1 HTTP/1.1"
    assert server.asked[0].headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "redox_wsgi",
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "close",
    }


def test_a_form_goes_into_the_body(server: JsonServer) -> None:
    """A token in an address would be written into logs on the way."""
    server.behaviour = build_answer(b"{}")

    build_fetcher(f"http://localhost:{server.port}").post(
        {"token": "a b&c"}, [("Authorization", "Basic x")]
    )

    [asked] = server.asked
    assert (asked.line, asked.body) == ("POST / HTTP/1.1", b"token=a+b%26c")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["authorization"] == "Basic x"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 X\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000,
        b"HTTP/1.1 100 X\r\n\r\nHTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n",
    ],
    ids=["to the end", "announced", "chunked"],
)
def test_a_body_may_be_as_large_as_the_limit(server: JsonServer, raw: bytes) -> None:
    """In each of the three ways in which HTTP can say where it ends."""
    server.behaviour = raw
    assert build_fetcher(server.url).get().body == b"x" * 1000
    assert word_of(build_fetcher(server.url, max_bytes=999).get) == "too-large"


@pytest.mark.parametrize("name", USELESS)
def test_a_useless_answer_is_a_fault_in_fixed_words(
    server: JsonServer, name: str
) -> None:
    """It is no sender's fault; and no second question is asked."""
    server.behaviour, word = USELESS[name]
    seconds = 0.3 if word == "timed-out" else 20.0
    fetcher = build_fetcher(server.url, max_bytes=256 * 1024, timeout_seconds=seconds)
    # The two that only the asker can know.
    if word in ("bad-status", "malformed"):
        assert fetcher.get().status == (503 if word == "bad-status" else 200)
    else:
        assert word_of(fetcher.get) == word
    assert len(server.asked) == 1


def test_a_server_that_drips_is_left_when_the_time_is_over(
    server: JsonServer,
) -> None:
    """By our clock: a socket's own timeout begins anew with every byte."""
    server.behaviour = USELESS["drips"][0]
    readings = iter([0.0, *[1.0] * 20])

    fetcher = build_fetcher(server.url, clock=lambda: next(readings, 99.0))

    assert word_of(fetcher.get) == "timed-out"


def test_a_head_that_does_not_end_is_left(server: JsonServer) -> None:
    """http.client itself takes a hundred lines of 64 KiB each."""
    line = b"X-Y: " + b"z" * 60_000 + b"\r\n"
    server.behaviour = b"HTTP/1.1 200 X\r\n" + line * 3 + b"\r\n"
    assert word_of(build_fetcher(server.url).get) == "too-large"


def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    """The word differs from that of a server which hangs up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        fetcher = build_fetcher(f"http://127.0.0.1:{probe.getsockname()[1]}/")
        assert word_of(fetcher.get) == "disconnected"


def test_the_second_place_of_a_name_is_tried(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may stand for several addresses, of which one is down."""
    server.behaviour = build_answer(b"{}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        places = [(*kind, ("127.0.0.1", port)) for port in (probe.getsockname()[1], 0)]
        places[1] = (*kind, ("127.0.0.1", server.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)

        assert build_fetcher(server.url).get().status == 200


def test_each_place_of_a_name_gets_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that swallows everything must not use up what the others need."""
    waits: list[tuple[Any, float | None]] = []

    def swallow(connection: socket.socket, place: Any) -> None:
        waits.append((place, connection.gettimeout()))
        raise TimeoutError

    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    places = [(*kind, place) for place in ("first", "second", "third")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: places)
    monkeypatch.setattr(socket.socket, "connect", swallow)
    fetcher = build_fetcher(
        "https://keys.example/", timeout_seconds=6.0, clock=lambda: 0.0
    )

    assert word_of(fetcher.get) == "timed-out"
    assert waits == [("first", 2.0), ("second", 3.0), ("third", 6.0)]


def test_no_time_is_left_when_it_is_over() -> None:
    """A socket would take 0 for a question not to wait at all."""
    moments = [0.0, 4.0, 5.0]
    deadline = Deadline(5.0, lambda: moments.pop(0))

    assert deadline.left() == 1.0
    with pytest.raises(TimeoutError):
        deadline.left()


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://keys.example/", ("keys.example", 443)),
        ("https://keys.example:8443/", ("keys.example", 8443)),
        ("http://localhost/", ("localhost", 80)),
    ],
)
def test_an_address_without_a_port_has_that_of_its_scheme(
    url: str, place: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in every browser."""
    sought: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **_: object) -> list[object]:
        sought.append((host, port))
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    assert word_of(build_fetcher(url).get) == "unreachable"
    assert sought == [place]


def test_a_name_that_is_not_known_is_unreachable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing of the name enters the error."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert word_of(build_fetcher("https://keys.example/").get) == "unreachable"


def test_a_look_up_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's look-up knows no timeout."""
    released = threading.Event()

    def wait(*_: object, **__: object) -> list[object]:
        released.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    fetcher = build_fetcher("https://keys.example/", timeout_seconds=0.05)

    assert word_of(fetcher.get) == "timed-out"
    released.set()


def test_a_host_without_threads_to_spare_is_a_fault_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python raises RuntimeError then, and at the end of the process."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError

    monkeypatch.setattr(threading.Thread, "start", fail)
    assert word_of(build_fetcher("https://keys.example/").get) == "unreachable"


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example/",
        "http://localhost.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https:///path",
        "https://",
        "keys.example",
        "",
        "https://keys.example/a b",
        "https://keys.example/\r\nX: y",
        "https://kéys.example/",
        "https://keys.example:port/",
        "https://keys.example:0/",
        "https://keys.example:65536/",
        "https://[::1/",
        "https://user@keys.example/",
        "https://user:password@keys.example/",
        "https://keys.example/#fragment",
        None,
    ],
)
def test_an_address_must_be_https_and_nothing_odd(url: Any) -> None:
    """Plain HTTP is for this host only; a wrong address ends the start."""
    with pytest.raises(ConfigurationError):
        build_fetcher(url)


@pytest.mark.parametrize(
    "url", ["http://localhost/", "http://127.8.8.8:1/", "http://[::1]:1/", "https://a"]
)
def test_this_host_may_be_asked_by_plain_http(url: str) -> None:
    """For development, and for a server beside ours."""
    assert build_fetcher(url).timeout_seconds == 5.0


def change_tls(**settings: Any) -> ssl.SSLContext:
    """Build a context that checks everything but what is changed."""
    context = ssl.create_default_context()
    for name, value in settings.items():
        setattr(context, name, value)
    return context


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout_seconds": 0},
        {"timeout_seconds": 26},
        {"timeout_seconds": float("nan")},
        {"proxy": "proxy.example"},
        {"proxy": "https://proxy.example"},
        {"proxy": "http://user:password@proxy.example"},
        {"tls": "tls"},
        {"tls": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)},
        {"tls": ssl._create_unverified_context()},  # noqa: S323 - to be refused
        {"tls": change_tls(check_hostname=False)},
        {"tls": change_tls(verify_mode=ssl.CERT_OPTIONAL)},
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(settings: dict[str, Any]) -> None:
    """A worker must not wait for ever, nor trust anybody."""
    with pytest.raises(ConfigurationError):
        build_fetcher("https://keys.example/", **settings)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    place = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([place]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[JsonServer]:
    """A server with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with run_json_server(context) as running:
        running.behaviour = build_answer(b"{}")
        yield running


def test_a_certificate_of_a_stranger_is_not_trusted(tls_server: JsonServer) -> None:
    """The question is not even sent."""
    fetcher = build_fetcher(tls_server.url)

    assert word_of(lambda: fetcher.post({"token": SECRET})) == "not-trusted"
    assert tls_server.asked == []


def test_a_certificate_for_another_host_is_not_trusted(
    tls_server: JsonServer, certificate: Path
) -> None:
    """Even if it is signed by whom we trust."""
    context = ssl.create_default_context(cafile=str(certificate))
    url = tls_server.url.replace("127.0.0.1", "localhost")

    assert word_of(build_fetcher(url, tls=context).get) == "not-trusted"


def test_a_certificate_of_an_own_authority_is_trusted_if_told(
    tls_server: JsonServer, certificate: Path
) -> None:
    """Hospitals have authorities of their own."""
    context = ssl.create_default_context(cafile=str(certificate))

    assert build_fetcher(tls_server.url, tls=context).get().body == b"{}"


def tunnel(status: int) -> Callable[[JsonServer, Any], None]:
    """Behave as a proxy that answers CONNECT and then passes everything on."""

    def behave(server: JsonServer, wire: Any) -> None:
        wire.sendall(f"HTTP/1.1 {status} X\r\n\r\n".encode())
        if status != 200:
            return
        place = server.asked[-1].line.split()[1].rpartition(":")[2]
        with socket.create_connection(("127.0.0.1", int(place))) as inner:
            pair = [(wire, inner), (inner, wire)]
            threads = [threading.Thread(target=pump, args=both) for both in pair]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    return behave


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes, to the end."""
    try:
        while chunk := source.recv(4096):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_a_proxy_is_used_if_told_and_sees_no_question(
    server: JsonServer, tls_server: JsonServer, certificate: Path
) -> None:
    """Hospitals let nothing out but through one; TLS goes through it as it is."""
    context = ssl.create_default_context(cafile=str(certificate))
    proxy = f"http://127.0.0.1:{server.port}"
    fetcher = build_fetcher(tls_server.url, tls=context, proxy=proxy)
    server.behaviour = tunnel(200)

    assert fetcher.post({"token": SECRET}).body == b"{}"
    assert tls_server.asked[0].body == f"token={SECRET}".encode()
    place = f"127.0.0.1:{tls_server.port}"
    assert server.asked == [Asked(f"CONNECT {place} HTTP/1.1", {"host": place}, b"")]


def test_a_proxy_that_refuses_is_a_fault(server: JsonServer) -> None:
    """Nothing goes past it."""
    server.behaviour = tunnel(407)
    proxy = f"http://127.0.0.1:{server.port}"

    fetcher = build_fetcher("https://[::1]/", proxy=proxy)

    assert word_of(fetcher.get) == "disconnected"
    assert server.asked[0].line == "CONNECT [::1]:443 HTTP/1.1"


def test_the_environment_names_no_proxy(
    server: JsonServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that was set for something else must not see tokens."""
    server.behaviour = build_answer(b"{}")
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")

    assert build_fetcher(server.url).get().status == 200


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    head=st.sampled_from(
        [
            b"",
            b"HTTP/1.1 200 X\r\n",
            b"HTTP/1.1 200 X\r\n\r\n",
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 X\r\nContent-Length: ",
        ]
    ),
    rest=st.binary(max_size=80),
)
def test_any_bytes_are_an_answer_or_a_fault(
    server: JsonServer, head: bytes, rest: bytes
) -> None:
    """Nothing else leaves, and nothing of the answer hangs on the error."""
    server.behaviour = head + rest
    fault, size = None, 0
    try:
        size = len(build_fetcher(server.url).get().body)
    except AuthenticatorUnavailable as error:
        fault = error

    assert size <= 1000
    if fault is not None:
        assert fault.code.startswith("thing-")
        assert list_chain(fault) == [fault]


def test_every_word_can_stand_in_a_log() -> None:
    """They are fixed, so that one can search for them."""
    words = {word for _, word in fetching._WORDS}

    assert words
    assert all(re.fullmatch(r"[a-z-]+", word) for word in words)

"""Sending to a WSGI application in process: what it is given, and what comes back."""

from __future__ import annotations

import sys

import pytest

from redox_wsgi.simulator import InProcess, Request, Sender

TOKEN = "correct-horse-battery-staple-0123456789"


def build_recorder(status="200 OK", headers=(), body=(b"",)):
    """Build an application that keeps each environ, and the bodies it reads."""
    seen = []

    def application(environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        seen.append((environ, environ["wsgi.input"].read(length)))
        start_response(status, [("Content-Type", "text/plain"), *headers])
        return list(body)

    return application, seen


def build_sender(application, url="http://localhost/redox"):
    """Build a sender whose requests stay in this process."""
    return Sender(url, verification_token=TOKEN, transport=InProcess(application))


def test_the_application_gets_what_a_server_would_give_it():
    """All of PEP 3333; that it is valid, ``wsgiref.validate`` checks on each call."""
    application, seen = build_recorder()
    url = "https://zoë.example:8443/zo%C3%AB/a%2Fb?key=%20x"
    build_sender(application, url).send(b"[]", "text/plain")
    [(environ, body)] = seen

    assert body == b"[]"
    assert {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/zoë/a/b".encode().decode("latin-1"),
        "QUERY_STRING": "key=%20x",
        "RAW_URI": "/zo%C3%AB/a%2Fb?key=%20x",
        "SERVER_NAME": "xn--zo-ija.example",
        "SERVER_PORT": "8443",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "xn--zo-ija.example:8443",
        "HTTP_VERIFICATION_TOKEN": TOKEN,
        "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
        "wsgi.url_scheme": "https",
    }.items() <= environ.items()
    assert not {"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"} & set(environ)


def test_a_verification_by_get_has_no_body_and_no_length():
    """As over HTTP."""
    application, seen = build_recorder()
    build_sender(application).verify_by_get_old()
    [(environ, body)] = seen

    assert (environ["REQUEST_METHOD"], body) == ("GET", b"")
    assert "CONTENT_LENGTH" not in environ
    assert environ["HTTP_CONNECTION"] == "close"


def test_the_answer_is_judged_as_one_over_http_is():
    """Status, headers and body are those of the application."""
    headers = (("X-Seen", "1"),)
    application, _ = build_recorder("201 Created", headers, [b"half ", b"and half"])
    answer = build_sender(application).send(b"{}")

    assert (answer.status, answer.problem) == (201, "status-not-200")
    assert ("X-Seen", "1") in answer.headers
    assert answer.body == b"half and half"
    assert answer.error is None


def test_a_header_that_comes_twice_is_joined():
    """As servers do it; ``Sender`` never does, a transport may be asked to."""
    application, seen = build_recorder()
    headers = (("x-key", "one"), ("X-Key", "two"))
    InProcess(application).exchange(Request("GET", "http://h/", headers, b""))

    assert seen[0][0]["HTTP_X_KEY"] == "one,two"


def test_what_is_written_comes_before_what_is_returned():
    """The oldest way to answer still counts."""

    def application(environ, start_response):
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"written, ")
        return [b"returned"]

    assert build_sender(application).send(b"{}").body == b"written, returned"


def test_an_answer_that_is_begun_again_counts_as_the_second():
    """A server sends nothing before the first piece of the body."""

    def application(environ, start_response):
        try:
            start_response("200 OK", [("Content-Type", "text/plain")])
            raise LookupError
        except LookupError as error:
            failed = (type(error), error, error.__traceback__)
            start_response(
                "503 Service Unavailable", [("Content-Type", "text/plain")], failed
            )
        return [b"later"]

    assert build_sender(application).send(b"{}").status == 503


def test_what_the_application_raises_reaches_the_test():
    """With the place where it happened, which a bare 500 would hide."""

    def application(environ, start_response):
        raise LookupError("the ward is closed")

    with pytest.raises(LookupError, match="the ward is closed"):
        build_sender(application).send(b"{}")


def test_the_answer_is_closed_even_if_it_breaks_off():
    """Frameworks release connections there."""
    closed = []

    class Body:
        def __iter__(self):
            yield b"begun"
            raise LookupError

        def close(self):
            closed.append(True)

    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Body()

    with pytest.raises(LookupError):
        build_sender(application).send(b"{}")

    assert closed == [True]


@pytest.mark.parametrize("body", [["text"], []])
def test_an_application_that_breaks_pep_3333_is_found_out(body):
    """A server might let it pass; the next one would not."""

    def application(environ, start_response):
        if body:
            start_response("200 OK", [("Content-Type", "text/plain")])
        return body

    with pytest.raises(AssertionError):
        build_sender(application).send(b"{}")


def test_no_optional_package_is_needed_in_process(monkeypatch):
    """Tests of a user's application need pytest and nothing else."""
    monkeypatch.setitem(sys.modules, "urllib3", None)
    application, _ = build_recorder()

    assert build_sender(application).send(b"{}").is_right

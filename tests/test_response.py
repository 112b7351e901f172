"""What an answer may be made of."""

from __future__ import annotations

from typing import Any

import pytest

from redox_wsgi import Response


def test_a_response_has_headers_that_keep_it_private() -> None:
    """Neither a cache nor a browser's guess may get hold of a patient's data."""
    response = Response(b"{}", 404, "text/plain", (("X-Name", "1"),))

    assert response.status_line == "404 Not Found"
    assert response.header_list == [
        ("Content-Type", "text/plain"),
        ("Content-Length", "2"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Name", "1"),
    ]


def test_each_header_list_is_a_new_one() -> None:
    """Servers and other middleware add to the list that they are given."""
    response = Response()

    response.header_list.append(("X-Added", "1"))

    assert ("X-Added", "1") not in response.header_list


def test_a_status_without_a_name_has_a_status_line() -> None:
    """The handler chose it; a reason phrase means nothing to Redox."""
    assert Response(status=299).status_line == "299 Unknown"


@pytest.mark.parametrize("status", [199, 600, 0, -1])
def test_a_status_that_is_no_final_answer_is_refused(status: int) -> None:
    """It would break the connection instead of failing the handler."""
    with pytest.raises(ValueError, match="200 to 599"):
        Response(status=status)


@pytest.mark.parametrize("status", [200, 599])
def test_the_first_and_the_last_status_are_allowed(status: int) -> None:
    """Both ends of the range count."""
    assert Response(status=status).status == status


@pytest.mark.parametrize("body", ["text", None, bytearray(b"x"), 1])
def test_a_body_that_is_not_bytes_is_refused(body: Any) -> None:
    """A server would fail after the status line, when nothing can be mended."""
    with pytest.raises(TypeError):
        Response(body)


@pytest.mark.parametrize("text", ["a\r\nSet-Cookie: b", "a\nb", "a\x00", "\x7f", "Ł"])
def test_a_header_that_could_start_another_one_is_refused(text: str) -> None:
    """A handler may build a header from what it was sent."""
    with pytest.raises(ValueError, match="no HTTP header"):
        Response(headers=(("Location", text),))
    with pytest.raises(ValueError, match="no HTTP header"):
        Response(headers=((text, "x"),))
    with pytest.raises(ValueError, match="no HTTP header"):
        Response(content_type=text)


def test_a_redirect_answers_a_sign_on() -> None:
    """SSO:Sign-on is answered by 302 with a Location."""
    response = Response.redirect("https://example.com/?a=1")

    assert response.status_line == "302 Found"
    assert ("Location", "https://example.com/?a=1") in response.header_list


def test_a_tab_may_stand_in_a_header() -> None:
    """RFC 9110 allows it between words."""
    assert Response(headers=(("X-Name", "a\tb"),)).headers == (("X-Name", "a\tb"),)


def test_a_body_is_not_in_the_representation() -> None:
    """A query's answer is a patient's data."""
    response = Response(b"Zoe", headers=(("Location", "https://x/?t=secret"),))

    assert "Zoe" not in repr(response)
    assert "secret" not in repr(response)


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\n", "\xe9"])
def test_a_header_name_is_one_word(name: str) -> None:
    """Else a server drops the answer, after the handler has done its work."""
    with pytest.raises(ValueError, match="no HTTP header"):
        Response(headers=((name, "x"),))


@pytest.mark.parametrize(
    "headers", [{"X-A": "b"}, (("X", "a", "b"),), (("X", 1),), ((1, "x"),), ("X",)]
)
def test_headers_are_pairs_of_text(headers: Any) -> None:
    """A mapping is what one tries first."""
    with pytest.raises((TypeError, ValueError)):
        Response(headers=headers)


def test_headers_may_be_any_iterable_of_pairs() -> None:
    """They become what start_response wants."""
    for headers in ([["X-A", "b"]], iter([("X-A", "b")])):
        response = Response(headers=headers)  # type: ignore[arg-type]

        assert response.header_list[-1] == ("X-A", "b")


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "content-length", "Transfer-Encoding", "Connection", "Status"],
)
def test_a_header_that_is_not_the_handlers_is_refused(name: str) -> None:
    """Said twice, it would be ambiguous; the connection is the server's."""
    with pytest.raises(ValueError, match="not the handler's"):
        Response(headers=((name, "x"),))


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_none(status: int) -> None:
    """And so no type and no length; a query may be answered so."""
    names = [name for name, _ in Response(status=status).header_list]

    assert "Content-Type" not in names
    assert "Content-Length" not in names
    with pytest.raises(ValueError, match="no body"):
        Response(b"x", status)


@pytest.mark.parametrize("status", [200.5, "200", True, None])
def test_a_status_is_a_whole_number(status: Any) -> None:
    """A status line of "200.5" is none."""
    with pytest.raises(ValueError, match="200 to 599"):
        Response(status=status)

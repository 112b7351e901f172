"""What the example is told by its environment."""

from __future__ import annotations

import doctest
from pathlib import Path
from types import ModuleType

import pytest

from example_app import reading, settings
from example_app.settings import SettingsError, read_address, read_settings
from tests.support.builders import TOKEN

RIGHT = {"REDOX_VERIFICATION_TOKEN": TOKEN, "SECRET_KEY": "k" * 32}


def test_what_is_not_set_has_a_default() -> None:
    """Two secrets are enough to start; there is no board then."""
    given = read_settings(RIGHT)

    assert given.verification_tokens == (TOKEN,)
    assert (given.path, given.database) == ("/redox", Path("ward.db"))
    assert (given.inbox, given.inbox_keys) == ("sqlite:///inbox.db", ())
    assert (given.board_password, given.is_cookie_insecure) == (None, False)
    assert read_address({}) == ("127.0.0.1", 8000)


def test_several_tokens_are_separated_by_commas() -> None:
    """While one is replaced by the next."""
    given = read_settings({**RIGHT, "REDOX_VERIFICATION_TOKEN": " new , old ,"})

    assert given.verification_tokens == ("new", "old")


def test_keys_of_the_inbox_have_blanks_between() -> None:
    """As the command of the worker reads them."""
    given = read_settings({**RIGHT, "REDOX_INBOX_KEYS": " new  old "})

    assert given.inbox_keys == ("new", "old")
    assert "new" not in repr(given)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDOX_VERIFICATION_TOKEN", None),
        ("REDOX_VERIFICATION_TOKEN", ""),
        ("REDOX_VERIFICATION_TOKEN", " , "),
        ("SECRET_KEY", None),
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "hunter2"),
        ("BOARD_PASSWORD", "hunter2"),
        ("REDOX_PATH", "redox"),
        ("REDOX_PATH", "/"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    name: str, value: str | None
) -> None:
    """The sentence says which one, and never a secret."""
    environment = {**RIGHT, name: value}
    given = {key: text for key, text in environment.items() if text is not None}
    with pytest.raises(SettingsError, match=name) as raised:
        read_settings(given)

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("port", ["x", "-1", "65536", "0", "٣", "80 "])
def test_a_port_is_a_number(port: str) -> None:
    """And one that exists."""
    with pytest.raises(SettingsError, match="PORT"):
        read_address({"PORT": port})


def test_no_secret_is_shown() -> None:
    """Settings may end up in a traceback."""
    given = read_settings({**RIGHT, "BOARD_PASSWORD": "the-password-of-it"})

    for secret in (TOKEN, "k" * 32, "the-password-of-it"):
        assert secret not in repr(given)


@pytest.mark.parametrize("module", [reading, settings], ids=lambda it: it.__name__)
def test_the_examples_in_docstrings_are_true(module: ModuleType) -> None:
    """They are what is read first."""
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0

"""What is public, and that it is said so in one place."""

from __future__ import annotations

import inspect

import pytest

import redox_wsgi
from redox_wsgi import authentication, errors


def test_every_public_name_exists_and_is_documented() -> None:
    """Classes and functions explain themselves."""
    for name in redox_wsgi.__all__:
        value = getattr(redox_wsgi, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


def test_every_error_is_exported() -> None:
    """Who cannot import it cannot catch it."""
    public = {
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }

    assert public <= set(redox_wsgi.__all__)


def test_every_error_says_what_redox_does_next() -> None:
    """That is what its reader needs to know at night."""
    for name, value in vars(errors).items():
        if inspect.isclass(value) and name != "RedoxError":
            assert "Redox" in (value.__doc__ or ""), name


def test_what_needs_no_extra_is_exported_from_both_places() -> None:
    """The short name is the same class."""
    for name in set(authentication.__all__) & set(redox_wsgi.__all__):
        assert getattr(redox_wsgi, name) is getattr(authentication, name)


def test_every_strategy_is_found_by_its_name() -> None:
    """Though it is imported when it is asked for."""
    for name in authentication.__all__:
        value = getattr(authentication, name)
        assert value.__name__ == name
        assert value.__doc__
    with pytest.raises(AttributeError, match="NoSuchStrategy"):
        _ = authentication.NoSuchStrategy


def test_nothing_else_is_public() -> None:
    """A name that is not listed is not promised."""
    visible = {
        name
        for name, value in vars(redox_wsgi).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert visible - {"annotations"} == set(redox_wsgi.__all__)

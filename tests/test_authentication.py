"""Verification tokens, and authenticators that are combined."""

from __future__ import annotations

import contextlib
import hmac
import logging
from typing import Any

import pytest

from redox_wsgi import (
    NO_CREDENTIALS,
    AllOf,
    AnyOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyTooLarge,
    ConfigurationError,
    InsufficientScope,
    Principal,
    Request,
    VerificationToken,
)
from redox_wsgi.authentication.authenticator import authenticate
from redox_wsgi.authentication.combined import find_verification_token
from tests.support.builders import OLD_TOKEN, TOKEN
from tests.support.wsgi import build_environ


def ask(authenticator: Any, **headers: str) -> Principal:
    """Ask an authenticator about a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    principal: Principal = authenticator.authenticate(
        Request(build_environ(headers=named))
    )
    return principal


class Fixed:
    """An authenticator with one answer."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked = 0

    def authenticate(self, request: Request) -> Any:
        """Give the answer."""
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("tokens", "sent", "label"),
    [
        (TOKEN, TOKEN, "0"),
        ([TOKEN], TOKEN, "0"),
        ((TOKEN, OLD_TOKEN), OLD_TOKEN, "1"),
        (lambda: TOKEN, TOKEN, "0"),
        (lambda: (TOKEN, OLD_TOKEN), OLD_TOKEN, "1"),
        ([TOKEN, TOKEN], TOKEN, "1"),
    ],
)
def test_a_right_token_proves_redox_and_says_which_it_was(
    tokens: Any, sent: str, label: str
) -> None:
    """The label tells when the old token is no longer used."""
    authenticator = VerificationToken(tokens)

    assert ask(authenticator, verification_token=sent) == Principal(
        "verification-token", label
    )


def test_a_token_may_hold_every_visible_character_but_a_comma() -> None:
    """As it stands, since a dashboard takes whatever was pasted."""
    token = "".join(map(chr, range(0x21, 0x7F))).replace(",", "")
    authenticator = VerificationToken(token)

    assert ask(authenticator, verification_token=token).subject == "0"


def test_the_bearer_token_counts_only_without_the_header() -> None:
    """Authorization may belong to a linked credential."""
    authenticator = VerificationToken(TOKEN)

    assert ask(authenticator, authorization=f"Bearer {TOKEN}").subject == "0"
    assert (
        ask(
            authenticator, verification_token=TOKEN, authorization="Bearer other"
        ).subject
        == "0"
    )
    with pytest.raises(AuthenticationFailed) as caught:
        ask(
            authenticator,
            verification_token="wrong",
            authorization=f"Bearer {TOKEN}",
        )
    assert caught.value.code == "wrong-verification-token"


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("wrong", "wrong-verification-token"),
        (TOKEN[:-1], "wrong-verification-token"),
        (TOKEN + "x", "wrong-verification-token"),
        (TOKEN.upper(), "wrong-verification-token"),
        ("", "malformed-credentials"),
        (f"{TOKEN},{TOKEN}", "malformed-credentials"),
        (f" {TOKEN}", "malformed-credentials"),
        ("\xff", "malformed-credentials"),
        ("\ud800", "malformed-credentials"),
    ],
)
def test_anything_but_the_token_is_refused(sent: str, code: str) -> None:
    """With a fixed word for the log, and one answer for all."""
    with pytest.raises(AuthenticationFailed) as caught:
        ask(VerificationToken([TOKEN, OLD_TOKEN]), verification_token=sent)

    assert (caught.value.status, caught.value.code) == (401, code)
    assert caught.value.error == "invalid_token"
    assert caught.value.www_authenticate == (
        'Bearer realm="redox", error="invalid_token"'
    )


def test_a_request_without_a_token_has_no_credentials() -> None:
    """That is not an error of the sender's, so the header names none."""
    with pytest.raises(AuthenticationFailed) as caught:
        ask(VerificationToken(TOKEN))

    assert caught.value.code == NO_CREDENTIALS
    assert caught.value.www_authenticate == 'Bearer realm="redox"'


@pytest.mark.parametrize(
    "sent", [TOKEN, OLD_TOKEN, "third-token-of-the-destination", "", "wrong", "\xff"]
)
def test_every_outcome_takes_the_same_number_of_comparisons(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests of one length, all of them, in constant time: wherever the match is."""
    compared: list[tuple[bytes, bytes]] = []
    constant_time = hmac.compare_digest

    def count(sent: bytes, digest: bytes) -> bool:
        compared.append((sent, digest))
        return constant_time(sent, digest)

    monkeypatch.setattr(hmac, "compare_digest", count)
    authenticator = VerificationToken(
        [TOKEN, OLD_TOKEN, "third-token-of-the-destination"]
    )

    with contextlib.suppress(AuthenticationFailed):
        ask(authenticator, verification_token=sent)

    assert len(compared) == 3
    assert {len(part) for pair in compared for part in pair} == {32}


@pytest.mark.parametrize(
    "tokens", ["", " ", "a b", "a,b", "a\n", "é" * 20, "\x7f", [], [TOKEN, ""], [1], 7,
               None, {}, b"bytes"]
)  # fmt: skip
def test_a_token_that_cannot_be_right_stops_at_construction(tokens: Any) -> None:
    """A forgotten variable must not open, nor close, the door in production."""
    with pytest.raises(ConfigurationError) as caught:
        VerificationToken(tokens)

    assert "token" in str(caught.value)


@pytest.mark.parametrize("token", ["a,canary", "canary canary"])
def test_a_refused_token_is_not_in_the_sentence(token: str) -> None:
    """It may be the real one with a blank pasted behind."""
    with pytest.raises(ConfigurationError) as caught:
        VerificationToken([TOKEN, token])

    assert "canary" not in str(caught.value)
    assert "index 1" in str(caught.value)


@pytest.mark.parametrize(("token", "warned"), [("x" * 19, True), ("x" * 20, False)])
def test_a_short_token_warns(
    token: str, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Redox itself suggests "123" for a first try; in production it is a guess away."""
    VerificationToken(token)

    assert bool(caplog.records) is warned
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    assert token not in caplog.text


def test_tokens_are_loaded_anew_for_every_request() -> None:
    """So that a rotation needs no restart, even if the same list is changed."""
    tokens = [OLD_TOKEN]
    authenticator = VerificationToken(lambda: tokens)

    assert ask(authenticator, verification_token=OLD_TOKEN).subject == "0"
    tokens[:] = [TOKEN, OLD_TOKEN]
    assert ask(authenticator, verification_token=OLD_TOKEN).subject == "1"
    tokens[:] = [TOKEN]
    with pytest.raises(AuthenticationFailed):
        ask(authenticator, verification_token=OLD_TOKEN)


@pytest.mark.parametrize(
    "load", [lambda: [], lambda: "", lambda: None, lambda: ["a b"], lambda: 1 / 0]
)
@pytest.mark.parametrize("sent", [TOKEN, "", "wrong"])
def test_tokens_that_fail_to_load_blame_nobody(load: Any, sent: str) -> None:
    """503, so that Redox sends again: not 401, and never an open door."""
    authenticator = VerificationToken(load)

    with pytest.raises(AuthenticatorUnavailable) as caught:
        ask(authenticator, verification_token=sent)

    assert caught.value.code == "verification-token-unavailable"


def test_a_short_token_that_is_loaded_warns_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning for every request would fill the disk."""
    authenticator = VerificationToken(lambda: "123")

    ask(authenticator, verification_token="123")
    ask(authenticator, verification_token="123")

    assert len(caplog.records) == 1


FIRST = Principal("first", "a", claims={"x": 1})
SECOND = Principal("second", "b")
NONE = AuthenticationFailed(NO_CREDENTIALS, www_authenticate="None")
WRONG = AuthenticationFailed("wrong")
MALFORMED = AuthenticationFailed("malformed-credentials")
UNSCOPED = InsufficientScope("scope")
DOWN = AuthenticatorUnavailable("down")
DOWN_TOO = AuthenticatorUnavailable("down-too")
TOO_LARGE = BodyTooLarge("body-too-large")


def test_all_of_returns_the_first_principal_with_the_others() -> None:
    """Who was proved by what stays known."""
    principal = ask(AllOf(Fixed(FIRST), Fixed(SECOND)))

    assert (principal.scheme, principal.subject) == ("first", "a")
    assert principal.claims == {"x": 1, "also": (SECOND,)}


@pytest.mark.parametrize(
    ("answers", "raised"),
    [
        ([FIRST, WRONG], WRONG),
        ([WRONG, FIRST], WRONG),
        ([WRONG, NONE], WRONG),
        ([NONE, WRONG], NONE),
        ([DOWN, WRONG], WRONG),
        ([DOWN, UNSCOPED], UNSCOPED),
        ([DOWN, FIRST], DOWN),
        ([FIRST, DOWN], DOWN),
        ([DOWN, DOWN_TOO], DOWN),
        ([FIRST, TOO_LARGE], TOO_LARGE),
    ],
)
def test_all_of_refuses_what_one_refuses(answers: list[Any], raised: Exception) -> None:
    """The first refusal wins, and a failed dependency only if nobody refused."""
    with pytest.raises(type(raised)) as caught:
        ask(AllOf(*map(Fixed, answers)))

    assert caught.value is raised


@pytest.mark.parametrize(
    ("before", "after", "headers", "code"),
    [
        ([FIRST], [], {}, NO_CREDENTIALS),
        ([], [FIRST], {}, NO_CREDENTIALS),
        ([FIRST], [SECOND], {}, NO_CREDENTIALS),
        ([], [], {}, "wrong-verification-token"),
        ([FIRST], [], {"verification_token": "wrong"}, "wrong-verification-token"),
        ([DOWN], [FIRST], {}, "wrong-verification-token"),
        ([FIRST], [DOWN], {}, "wrong-verification-token"),
        ([FIRST], [WRONG], {}, "wrong-verification-token"),
        ([FIRST], [UNSCOPED], {}, "wrong-verification-token"),
        ([FIRST], [TOO_LARGE], {}, "wrong-verification-token"),
    ],
)
def test_all_of_takes_a_bearer_for_anothers_only_if_all_others_are_proved(
    before: list[Any], after: list[Any], headers: dict[str, str], code: str
) -> None:
    """Then it is no wrong verification token, but there is none either."""
    token = VerificationToken(TOKEN)
    parts: list[Any] = [*map(Fixed, before), token, *map(Fixed, after)]

    with pytest.raises(AuthenticationFailed) as caught:
        ask(AllOf(*parts), authorization="Bearer other", **headers)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("answers", "principal"),
    [
        ([FIRST, SECOND], FIRST),
        ([NONE, SECOND], SECOND),
        ([WRONG, SECOND], SECOND),
        ([UNSCOPED, SECOND], SECOND),
        ([DOWN, SECOND], SECOND),
    ],
)
def test_any_of_accepts_what_one_accepts(
    answers: list[Any], principal: Principal
) -> None:
    """In order, past refusals: two kinds of Bearer token share a header."""
    authenticators = [Fixed(answer) for answer in answers]

    assert ask(AnyOf(*authenticators)) is principal
    assert authenticators[-1].asked == (principal is not FIRST)


@pytest.mark.parametrize(
    ("answers", "raised"),
    [
        ([WRONG, NONE], WRONG),
        ([NONE, WRONG], WRONG),
        ([UNSCOPED, WRONG], UNSCOPED),
        ([WRONG, UNSCOPED], WRONG),
        ([WRONG, DOWN], DOWN),
        ([DOWN, NONE], DOWN),
        ([DOWN, DOWN_TOO], DOWN),
        ([MALFORMED, FIRST], MALFORMED),
        ([TOO_LARGE, FIRST], TOO_LARGE),
    ],
)
def test_any_of_refuses_what_nobody_accepts(
    answers: list[Any], raised: Exception
) -> None:
    """A failed dependency comes first: it might have accepted."""
    with pytest.raises(type(raised)) as caught:
        ask(AnyOf(*map(Fixed, answers)))

    assert caught.value is raised


def test_any_of_without_credentials_names_what_all_would_accept() -> None:
    """The sender may choose."""
    with pytest.raises(AuthenticationFailed) as caught:
        ask(
            AnyOf(Fixed(NONE), Fixed(AuthenticationFailed(NO_CREDENTIALS)), Fixed(NONE))
        )

    assert caught.value.code == NO_CREDENTIALS
    assert caught.value.www_authenticate == 'None, Bearer realm="redox"'


@pytest.mark.parametrize("combined", [AllOf, AnyOf])
@pytest.mark.parametrize("arguments", [(), (None,), (TOKEN,), (Principal,)])
def test_a_combination_of_nothing_stops_at_construction(
    combined: Any, arguments: tuple[Any, ...]
) -> None:
    """An empty one would be an "accept everything"."""
    with pytest.raises(ConfigurationError):
        combined(*arguments)


@pytest.mark.parametrize("answer", [True, None, "client", 1])
@pytest.mark.parametrize("wrap", [lambda a: a, AllOf, AnyOf])
def test_an_authenticator_that_returns_no_principal_lets_nobody_in(
    answer: Any, wrap: Any
) -> None:
    """A bool is the classic: a function that says "valid" gets inverted."""
    request = Request(build_environ())

    with pytest.raises(AuthenticatorUnavailable) as caught:
        authenticate(wrap(Fixed(answer)), request)

    assert caught.value.code == "authenticator-returned-no-principal"


@pytest.mark.parametrize("error", [KeyError("canary"), ConfigurationError("x")])
def test_an_authenticator_that_raises_anything_else_blames_nobody(
    error: Exception,
) -> None:
    """It is our mistake, so Redox shall send again."""
    with pytest.raises(AuthenticatorUnavailable) as caught:
        authenticate(Fixed(error), Request(build_environ()))

    assert caught.value.code == "authenticator-raised"
    assert caught.value.__cause__ is error


def test_the_verification_token_is_found_within_a_combination() -> None:
    """The dashboard's challenge is answered with it, whatever else is needed."""
    token = VerificationToken(TOKEN)

    assert find_verification_token(None) is None
    assert find_verification_token(Fixed(FIRST)) is None
    assert find_verification_token(token) is token
    assert find_verification_token(AllOf(Fixed(FIRST), AnyOf(token))) is token


def test_two_verification_tokens_stop_at_construction() -> None:
    """Nobody could say which one answers the challenge."""
    tokens = AnyOf(VerificationToken(TOKEN), VerificationToken(OLD_TOKEN))

    with pytest.raises(ConfigurationError, match="list of all tokens"):
        find_verification_token(tokens)


def test_a_principal_shows_no_claims() -> None:
    """They are text out of a credential."""
    principal = Principal("jwt", "canary", frozenset({"canary"}), {"sub": "canary"})

    assert repr(principal) == "Principal(scheme='jwt')"
    assert Principal("jwt", "x").claims == {}

"""Strategies for Hypothesis: what may arrive at a destination, and how.

What is drawn is labelled where it is made (right, wrong, absent), so that a test can
say what must come of it without parsing it a second time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from tests.support.builders import NOTIFICATION, OLD_TOKEN, QUERY, TOKEN
from tests.support.contract_app import KEY

CHALLENGE = "9c8b7a6f-5e4d-4c3b-a291-807f6e5d4c3b"
#: Above every body that is drawn without being meant to be too large.
MAX_BODY_BYTES = 32 * 1024

Label = Literal["right", "wrong", "absent"]
Credential = Literal[
    "absent", "other", "right bearer", "wrong bearer", "right key", "wrong key"
]
Delivery = Literal["whole", "short", "too large", "broken"]

#: The text that a header may hold in an environ: every byte as one character.
latin1_text = st.text(st.characters(max_codepoint=255), max_size=40)

_VISIBLE = "".join(chr(code) for code in range(33, 127))
visible_words = st.text(_VISIBLE, min_size=1, max_size=60)
token_words = st.text(_VISIBLE.replace(",", ""), min_size=1, max_size=60)

right_tokens = st.sampled_from([TOKEN, OLD_TOKEN])
wrong_tokens = st.one_of(
    st.sampled_from(
        [
            "",
            TOKEN[:-1],
            TOKEN + "x",
            TOKEN.upper(),
            f"{TOKEN},{TOKEN}",
            f"{TOKEN}, {OLD_TOKEN}",
            f"{TOKEN} ",
            f"Bearer {TOKEN}",
            f"{TOKEN}\x00",
            "t\xf6ken",
            "None",
            "***",
        ]
    ),
    latin1_text,
).filter(lambda text: text not in (TOKEN, OLD_TOKEN))


# Values of JSON.

#: Any text of JSON, with half surrogate pairs, which cut text has.
json_text = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(exclude_categories=()), max_size=20),
    st.sampled_from(["\ud83d", "a\udc00b", "\udc00\ud83d"]),
)
json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(allow_nan=False, allow_infinity=False),
    json_text,
)
json_values = st.recursive(
    json_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(json_text, inner, max_size=4)
    ),
    max_leaves=8,
)
json_objects = st.dictionaries(json_text, json_values, max_size=5)


def encode_value(value: Any, *, compact: bool = True) -> bytes:
    """Encode any value of JSON, half surrogate pairs as escapes."""
    separators = (",", ":") if compact else None
    return json.dumps(value, separators=separators).encode("ascii")


@st.composite
def odd_bodies(draw: st.DrawFn) -> bytes:
    """Draw any bytes: noise, JSON, JSON with damage, and depths."""
    body = draw(
        st.one_of(
            st.binary(max_size=200),
            json_values.map(encode_value),
            st.sampled_from([NOTIFICATION, QUERY]),
            st.builds(
                lambda depth, head: head + b"[" * depth,
                st.sampled_from([10, 900, 3500, 9000]),
                st.sampled_from([b"", b'{"Meta":', b'{"Meta":{},"x":']),
            ),
        )
    )
    for _ in range(draw(st.integers(0, 3))):
        position = draw(st.integers(0, len(body)))
        piece = draw(
            st.one_of(
                st.binary(max_size=3),
                st.sampled_from(
                    [b"\xff", b"\\", b'"', b"{", b"NaN", b"\\ud800", b"9" * 5000]
                ),
            )
        )
        body = body[:position] + piece + body[position + draw(st.integers(0, 3)) :]
    return body


# Bodies by the way in which they come.


class Pieces(io.BytesIO):
    """A stream that returns at most so many bytes a read, and may fail."""

    def __init__(self, body: bytes, sizes: Sequence[int], *, fails: bool) -> None:
        super().__init__(body)
        self._sizes = list(sizes)
        self._fails = fails

    def read(self, size: int | None = -1, /) -> bytes:
        """Return less than asked for, as a socket does."""
        wanted = 1 << 30 if size is None or size < 0 else size
        if self._sizes:
            wanted = min(wanted, self._sizes.pop(0))
        piece = super().read(wanted)
        if self._fails and len(piece) < wanted:
            raise ConnectionResetError("the peer is gone")
        return piece


@dataclass(frozen=True)
class Body:
    """A body, what it is, and how it comes."""

    sent: bytes
    delivery: Delivery
    environ: dict[str, Any]
    #: What a short body without ``Meta`` asks for; None for a transmission.
    challenge: str | None = None
    token: Label = "absent"


_challenges = st.one_of(
    st.just(CHALLENGE),
    visible_words,
    st.sampled_from(["", "two words", "\u00e9", "c" * 256, "c" * 257, "\x00", "a\n"]),
)


def is_visible_word(challenge: str) -> bool:
    """Tell whether a challenge may be echoed."""
    return 0 < len(challenge) <= 256 and all(33 <= ord(c) <= 126 for c in challenge)


@st.composite
def _contents(draw: st.DrawFn) -> tuple[bytes, str | None, Label]:
    if draw(st.booleans()):
        # No JSON of this noise has a challenge: that name is not in it.
        noise = odd_bodies().filter(lambda b: b"challenge" not in b and b"\\u" not in b)
        return (
            draw(st.one_of(noise, st.sampled_from([NOTIFICATION, QUERY]))),
            None,
            ("absent"),
        )
    challenge = draw(_challenges)
    token: Label = draw(st.sampled_from(["right", "wrong", "absent"]))
    members: dict[str, Any] = {"challenge": challenge}
    if token == "right":
        members["verification-token"] = draw(right_tokens)
    elif token == "wrong":
        members["verification-token"] = draw(
            st.one_of(wrong_tokens, st.none(), st.just([TOKEN]), st.just(17))
        )
    # Half a surrogate pair anywhere would make it a transmission: nobody sends that.
    more = st.one_of(st.none(), st.integers(), st.text("xyz\u00e9", max_size=5))
    members |= draw(st.dictionaries(st.text("xyz", max_size=3), more))
    spoiler = draw(st.sampled_from(["", "", "", "Meta", "resourceType", "long"]))
    if spoiler == "long":
        members["x"] = "x" * 4096
    elif spoiler:
        members[spoiler] = draw(json_scalars)
    keys = draw(st.permutations(list(members)))
    body = encode_value({key: members[key] for key in keys})
    return (body, None, "absent") if spoiler else (body, challenge, token)


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """Draw a body with its length, as chunks, too short, too long or broken."""
    content, challenge, token = draw(_contents())
    way = draw(
        st.sampled_from(
            ["announced"] * 4
            + ["chunked"] * 3
            + ["short", "junk length", "unreadable", "unannounced", "too large"]
            + ["endless chunks"]
        )
    )
    sizes = draw(st.lists(st.integers(1, 4000), max_size=3))
    environ: dict[str, Any] = {}
    delivery: Delivery = "whole"
    fails = False
    if way == "too large":
        content, challenge, token = b"x" * (MAX_BODY_BYTES + 1), None, "absent"
        delivery = "too large"
        way = draw(st.sampled_from(["announced", "chunked"]))
    if way == "announced":
        environ["CONTENT_LENGTH"] = str(len(content))
    elif way in ("chunked", "endless chunks"):
        environ["HTTP_TRANSFER_ENCODING"] = draw(
            st.sampled_from(["chunked", "Chunked"])
        )
        if way == "chunked":
            environ["wsgi.input_terminated"] = True
        else:
            delivery = "broken"
    elif way == "short":
        announced = len(content) + draw(st.integers(1, 3000))
        environ["CONTENT_LENGTH"] = str(announced)
        delivery = "too large" if announced > MAX_BODY_BYTES else "short"
    elif way == "junk length":
        environ["CONTENT_LENGTH"] = draw(
            st.sampled_from(
                ["-1", "+5", "1_0", " 7", "\u00b2", "0x5", "9" * 20, "a", "5,5"]
            )
        )
        delivery = "broken"
    elif way == "unreadable":
        environ["CONTENT_LENGTH"] = str(len(content) + 1)
        delivery, fails = "broken", True
    else:
        # Neither a length nor chunks: there is no body.
        content, challenge, token = b"", None, "absent"
    environ["wsgi.input"] = Pieces(content, sizes, fails=fails)
    return Body(content, delivery, environ, challenge, token)


# Requests.


@dataclass(frozen=True)
class Arrival:
    """A request, with a label for each thing that decides about it."""

    environ: dict[str, Any]
    method: str
    header: Label
    authorization: Credential
    challenges: tuple[str, ...]
    query_tokens: tuple[Label, ...]
    body: Body


def _mentions_credential(text: str) -> bool:
    return text.lower().lstrip().startswith(("bearer", "key"))


_authorizations: dict[Credential, st.SearchStrategy[str]] = {
    "other": st.one_of(
        st.sampled_from(["", "Basic eDp5", f"Token {TOKEN}", TOKEN, "bearerx y"]),
        latin1_text.filter(lambda text: not _mentions_credential(text)),
    ),
    "right bearer": st.builds(
        lambda scheme, blanks, token: scheme + " " * blanks + token,
        st.sampled_from(["Bearer", "bearer", "BEARER", "bEaReR"]),
        st.integers(1, 3),
        right_tokens,
    ),
    "wrong bearer": st.one_of(
        st.sampled_from(
            ["Bearer", "bearer ", f"Bearer\t{TOKEN}", f"Bearer={TOKEN}"]
        ).filter(lambda text: "=" not in text),
        wrong_tokens.map("Bearer {}".format).filter(
            lambda text: (
                text.removeprefix("Bearer").strip(" ") not in (TOKEN, OLD_TOKEN)
            )
        ),
    ),
    "right key": st.just(f"Key {KEY}"),
    "wrong key": latin1_text.filter(
        lambda text: text not in (KEY, "unscoped", "unknowable")
    ).map("Key {}".format),
}


def _encode_some(draw: st.DrawFn, text: str) -> str:
    """Percent-encode some characters, as clients may."""
    marks = draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    return "".join(
        f"%{ord(c):02x}" if mark else c for c, mark in zip(text, marks, strict=True)
    )


@st.composite
def _queries(draw: st.DrawFn) -> tuple[str, tuple[str, ...], tuple[Label, ...]]:
    pairs: list[str] = []
    challenges: list[str] = []
    tokens: list[Label] = []
    for kind in draw(
        st.lists(
            st.sampled_from(["challenge", "challenge", "right", "right", "wrong", "x"]),
            max_size=4,
        )
    ):
        if kind == "challenge":
            challenge = draw(st.one_of(st.just(CHALLENGE), visible_words, st.just("")))
            challenges.append(challenge)
            encoded = "".join(f"%{ord(character):02X}" for character in challenge)
            pairs.append(f"{_encode_some(draw, 'challenge')}={encoded}")
        elif kind == "x":
            pairs.append(draw(st.sampled_from(["", "x", "x=1", "=", "%", "y=%zz&z"])))
        else:
            name = _encode_some(draw, "verification-token")
            token = draw(right_tokens) if kind == "right" else draw(token_words)
            if kind == "wrong":
                token = token.replace("&", "").replace("%", "") + "!"
            pairs.append(f"{name}={token}")
            tokens.append("right" if kind == "right" else "wrong")
    return "&".join(pairs), tuple(challenges), tuple(tokens)


@st.composite
def arrivals(draw: st.DrawFn) -> Arrival:
    """Draw a request to a destination's path."""
    method = draw(
        st.sampled_from(["POST"] * 8 + ["GET"] * 3 + ["HEAD", "PUT", "post", "BREW"])
    )
    header: Label = "right"
    authorization: Credential = "right key"
    # Half of them are let in by every kind of gate, so that the rest is tried too.
    if draw(st.booleans()):
        header = draw(st.sampled_from(["right", "wrong", "absent"]))
        authorization = draw(st.sampled_from(["absent", *_authorizations]))
    query, challenges, query_tokens = draw(_queries())
    body = draw(bodies())
    environ = {
        **body.environ,
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "wsgi.url_scheme": draw(st.sampled_from(["https", "https", "http"])),
    }
    for key in draw(st.sets(st.sampled_from(["RAW_URI", "REQUEST_URI"]))):
        environ[key] = f"/redox?{query}"
    if header == "right":
        environ["HTTP_VERIFICATION_TOKEN"] = draw(right_tokens)
    elif header == "wrong":
        environ["HTTP_VERIFICATION_TOKEN"] = draw(wrong_tokens)
    if authorization != "absent":
        environ["HTTP_AUTHORIZATION"] = draw(_authorizations[authorization])
    content_type = draw(
        st.sampled_from(
            [None, "application/json", "text/html; charset=utf-7", "", "\xff"]
        )
    )
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    return Arrival(
        environ, method, header, authorization, challenges, query_tokens, body
    )


#: Keys that a client or a server sets, with any text at all as their value.
odd_environs = st.fixed_dictionaries(
    {},
    optional={
        "REQUEST_METHOD": st.one_of(st.sampled_from(["GET", "POST"]), latin1_text),
        "QUERY_STRING": latin1_text,
        "RAW_URI": latin1_text,
        "REQUEST_URI": latin1_text,
        "SCRIPT_NAME": latin1_text,
        "CONTENT_LENGTH": st.one_of(st.integers(0, 99).map(str), latin1_text),
        "CONTENT_TYPE": latin1_text,
        "HTTP_TRANSFER_ENCODING": st.one_of(
            st.sampled_from(["chunked", "identity", "gzip, chunked"]), latin1_text
        ),
        "HTTP_AUTHORIZATION": st.one_of(
            latin1_text, latin1_text.map("Bearer {}".format)
        ),
        "HTTP_VERIFICATION_TOKEN": latin1_text,
        "HTTP_EXPECT": latin1_text,
        "HTTP_CONTENT_ENCODING": latin1_text,
        "wsgi.input_terminated": st.booleans(),
        "wsgi.url_scheme": latin1_text,
    },
)


# Payloads as text, for the identity: there the spelling counts, not the value.

_blanks = st.sampled_from(["", "", "", " ", "\n\t"])


@st.composite
def json_strings(draw: st.DrawFn) -> str:
    """Draw the spelling of a string: raw, or some characters as escapes."""
    characters = []
    for character in draw(st.text(max_size=20)):
        code = ord(character)
        if character in '"\\' or code < 32 or draw(st.integers(0, 9)) == 0:
            utf16 = character.encode("utf-16-be", "surrogatepass")
            units = [utf16[i : i + 2].hex() for i in range(0, len(utf16), 2)]
            characters += [f"\\u{unit}" for unit in units]
        else:
            characters.append(character)
    return f'"{"".join(characters)}"'


scalar_spellings = st.one_of(
    st.sampled_from(["null", "true", "false", "0", "-0", "1e5", "1E400", "1.50"]),
    st.sampled_from(['"AttemptID"', '"a,}]"', r'"\\"', r'"\""', r'"\/"']),
    st.integers(min_value=-(2**63), max_value=2**64 - 1).map(str),
    json_strings(),
)

#: JSON that msgspec refuses, so that the identity is found in another way.
odd_spellings = st.sampled_from(
    ['"\\ud83d"', r'["\udc00\ud83d"]', "9" * 30, "-" + "9" * 99]
)

_names = st.one_of(
    st.sampled_from(['"AttemptID"', '"Logs"', '"ID"', r'"Attempt\u0049D"', '"x"']),
    json_strings(),
)


def _spell_object(members: list[tuple[str, str]], blank: str) -> str:
    inner = f",{blank}".join(f"{name}{blank}:{value}" for name, value in members)
    return "{" + blank + inner + "}"


value_spellings: st.SearchStrategy[str] = st.recursive(
    scalar_spellings,
    lambda inner: st.one_of(
        st.builds(
            lambda items, blank: "[" + f"{blank},".join(items) + blank + "]",
            st.lists(inner, max_size=3),
            _blanks,
        ),
        st.builds(
            _spell_object, st.lists(st.tuples(_names, inner), max_size=3), _blanks
        ),
    ),
    max_leaves=6,
)


@dataclass(frozen=True)
class Payload:
    """The spelling of a payload with ``Meta.Logs``, kept in parts.

    The other members may repeat each other's names, but not those that lead to the
    logs, since the last one counts there.
    """

    before: tuple[tuple[str, str], ...]
    meta_name: str
    meta: tuple[tuple[str, str], ...]
    logs_name: str
    logs: tuple[tuple[tuple[str, str], ...], ...]
    after: tuple[tuple[str, str], ...]
    blank: str

    def spell(self, *, with_attempts: bool = True) -> bytes:
        """Return the bytes; without its attempt IDs for comparison."""
        return self._spell_around(self.spell_logs(with_attempts=with_attempts))

    def has_earlier_copy(self) -> bool:
        """Tell whether the logs stand letter by letter before their place too."""
        logs = self.spell_logs().encode()
        # No JSON holds this character.
        place = self._spell_around("\0").index(b"\0")
        return self.spell().index(logs) < place

    def _spell_around(self, logs: str) -> bytes:
        meta = _spell_object([*self.meta, (self.logs_name, logs)], self.blank)
        members = [*self.before, (self.meta_name, meta), *self.after]
        return _spell_object(members, self.blank).encode()

    def spell_logs(self, *, with_attempts: bool = True) -> str:
        """Return the spelling of the list of logs alone."""
        logs = [
            _spell_object(
                [
                    (name, value)
                    if with_attempts or not self.is_attempt(name, value)
                    else (name, "")
                    for name, value in log
                ],
                self.blank,
            )
            for log in self.logs
        ]
        return "[" + ",".join(logs) + "]"

    @staticmethod
    def is_attempt(name: str, value: str) -> bool:
        """Tell whether a member of a log is left out of the identity."""
        return json.loads(name) == "AttemptID" and not value.startswith(("{", "["))


def _members(*reserved: str) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    names = _names.filter(lambda name: json.loads(name) not in reserved)
    return st.lists(st.tuples(names, value_spellings), max_size=3).map(tuple)


_attempts = st.tuples(
    st.sampled_from(['"AttemptID"', r'"\u0041ttemptID"']), scalar_spellings
)
log_spellings = st.builds(
    lambda before, attempt, after: (*before, attempt, *after),
    _members("AttemptID"),
    _attempts,
    _members("AttemptID"),
)
payloads = st.builds(
    Payload,
    before=_members("Meta"),
    meta_name=st.sampled_from(['"Meta"', r'"M\u0065ta"']),
    meta=_members("Logs"),
    logs_name=st.sampled_from(['"Logs"', r'"\u004cogs"']),
    logs=st.lists(log_spellings, min_size=1, max_size=3).map(tuple),
    after=st.one_of(
        _members("Meta"),
        _members("Meta"),
        odd_spellings.map(lambda odd: (('"Odd"', odd),)),
    ),
    blank=_blanks,
)

"""Canaries: secrets and a patient's data to plant, and the search for them.

The search looks through whatever a log handler, an error reporter or a debugger could
print. It does not judge: a test says where a canary may not be.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from werkzeug.exceptions import NotFound

from redox_wsgi import Destination, RedoxMiddleware, Transmission
from tests.support.builders import TOKEN, build_payload, encode

WRONG_TOKEN = "wr0ng-t0ken-canary-5d1f7a"
WRONG_BEARER = "wr0ng-b3arer-canary-90c2e4"
LAST_NAME = "Kanarienvogel-\u0141ukasiewicz"
DIAGNOSIS = "canary fever, third degree"

#: What is searched for: a part of each canary that no encoding of a letter changes.
CANARIES = {
    "the verification token": TOKEN,
    "a wrong token": WRONG_TOKEN,
    "a Bearer value": WRONG_BEARER,
    "a patient's name": "Kanarienvogel",
    "the text of a body": DIAGNOSIS,
}

#: The same as a stranger's error could hold it.
SENTENCE = f"{LAST_NAME} has {DIAGNOSIS}"

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}")
_MAX_DEPTH = 12


def build_patient(
    data_model: str = "PatientAdmin", event_type: str = "Arrival"
) -> bytes:
    """Build a payload about a patient whose data are canaries."""
    payload = build_payload(data_model, event_type)
    payload["Patient"]["Demographics"]["LastName"] = LAST_NAME
    payload["Patient"]["Diagnoses"] = [{"Name": DIAGNOSIS}]
    return encode(payload)


def find(*values: object) -> list[str]:
    """Name the canaries that can be read out of values, in whatever encoding."""
    found: set[str] = set()
    for value in values:
        for text in _read(value, 0):
            for form in _decode(text):
                found |= {name for name, canary in CANARIES.items() if canary in form}
    return sorted(found)


def _decode(text: str) -> Iterator[str]:
    yield text
    if "%" in text:
        yield unquote(text)
    for match in _BASE64.finditer(text):
        for start in range(4):
            encoded = match[0][start:].replace("-", "+").replace("_", "/")
            try:
                padded = encoded + "=" * (-len(encoded) % 4)
                yield base64.b64decode(padded).decode("latin-1")
            except binascii.Error:
                continue


def _read(value: object, depth: int) -> Iterator[str]:
    """Yield every text that can be read out of a value."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value).decode("latin-1")
    elif isinstance(value, logging.LogRecord):
        yield logging.Formatter().format(value)
        yield from _read(vars(value), depth + 1)
    elif isinstance(value, BaseException):
        yield from _read_exception(value, depth)
    elif isinstance(value, Mapping):
        yield from _read([*value.keys(), *value.values()], depth + 1)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _read(item, depth + 1)
    elif value is not None:
        yield f"{value!r} {value!s} {value:}"


def _read_exception(error: BaseException, depth: int) -> Iterator[str]:
    """Yield what ours hold; of somebody else's exceptions only what hangs on them."""
    if type(error).__module__.split(".")[0] == "redox_wsgi":
        yield f"{error!r} {error!s}"
        yield "".join(traceback.format_exception_only(error))
        yield from _read([error.args, vars(error)], depth + 1)
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from _read(other, depth + 1)


@contextmanager
def capture_logs() -> Iterator[list[logging.LogRecord]]:
    """Keep every log record from level DEBUG on, as it was made."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    root = logging.getLogger()
    handler, level = Keep(logging.NOTSET), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def fail(transmission: Transmission) -> None:
    """Fail as handlers do: the text of the error quotes what was wrong."""
    try:
        raise KeyError(SENTENCE)
    except KeyError as error:
        raise ValueError(f"bad record: {transmission.json()}") from error


def receive(transmission: Transmission) -> None:
    """Receive a transmission."""


def build_served_application() -> Any:
    """Build the application that a server runs while its logs are watched."""
    logging.basicConfig(level=logging.DEBUG)
    return RedoxMiddleware(
        NotFound(),
        {
            "/redox": Destination(receive, verification_token=TOKEN),
            "/fail": Destination(fail, verification_token=TOKEN),
        },
    )


def list_chain(error: BaseException) -> Iterable[BaseException]:
    """List an exception and all that it came from."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is not None and current not in seen:
            seen.append(current)
            waiting += [current.__cause__, current.__context__]
    return seen

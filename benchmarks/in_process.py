"""Requests without a server: passing on, accepting, refusing.

Logging is what an application gets that configures nothing but a handler: the root
logger at WARNING, writing to the null device; ``redox_wsgi``'s own logger untouched.
Rows that say so have that one at INFO: a line for each request is formatted and
written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from werkzeug.middleware.proxy_fix import ProxyFix

from benchmarks import contenders
from benchmarks.measure import (
    Batch,
    Effort,
    call_batch,
    interleave,
    logging_to_null_device,
    start_response,
    wsgi_batch,
)
from benchmarks.table import Row, microseconds
from benchmarks.traffic import TOKEN, WRONG_TOKEN, build_body, gets, posts

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

OURS = "RedoxMiddleware"
ACCEPTED = "accepted"

# Above what may be a verification, which is read even from a stranger.
_LONG_BODY_DOCTORS = 10


def measure_passing_on(effort: Effort) -> Iterator[Row]:
    """Time a request whose path is no destination's, through each middleware."""
    application = contenders.passed_on
    around: dict[str, WSGIApplication] = {
        "no middleware": application,
        OURS: contenders.build_ours(application),
        "werkzeug's ProxyFix": ProxyFix(application),
    }
    if find_spec("whitenoise"):
        # Here and not above: it stands in no extra of the package.
        from whitenoise import WhiteNoise  # noqa: PLC0415

        around["whitenoise"] = WhiteNoise(application)
    build_environ = gets("/patients/1")
    samples = interleave(
        {name: call_batch(one, build_environ) for name, one in around.items()}, effort
    )
    for name in around:
        yield Row(
            name,
            microseconds(samples.typical(name)),
            None if name == OURS else samples.ratio(name, OURS),
            "" if name == OURS else OURS,
            at_least=1.0 if name == "whitenoise" else None,
        )
    if "whitenoise" not in around:
        yield Row("whitenoise", "not installed", at_least=1.0)


def measure_transmission(effort: Effort) -> Iterator[Row]:
    """Time an authenticated transmission, by hand and by the middleware."""
    body = build_body()
    build_environ = posts(body, TOKEN)
    ours = contenders.build_ours()
    batches = {
        "WSGI, body read": wsgi_batch(contenders.bare, build_environ),
        "WSGI, token and envelope": wsgi_batch(contenders.checked, build_environ),
        OURS: wsgi_batch(ours, build_environ),
        f"{OURS}, name not ASCII": wsgi_batch(ours, posts(build_body("Zoë"), TOKEN)),
        f"{OURS}, INFO logging": _at_info(wsgi_batch(ours, build_environ)),
        "werkzeug Request, Response": wsgi_batch(
            contenders.werkzeug_function, build_environ
        ),
        "Flask view": wsgi_batch(contenders.build_flask(), build_environ),
    }
    with logging_to_null_device():
        samples = interleave(batches, effort)
    for name in batches:
        yield Row(
            name,
            microseconds(samples.typical(name)),
            None if name == OURS else samples.ratio(name, OURS),
            "" if name == OURS else OURS,
            at_least=6.0 if name == "Flask view" else None,
        )


def measure_refusal(effort: Effort) -> Iterator[Row]:
    """Time requests that are refused, in the time of one that is accepted."""
    body, long_body = build_body(), build_body(doctors=_LONG_BODY_DOCTORS)
    application = contenders.build_ours()
    kinds = {
        ACCEPTED: (body, TOKEN),
        "wrong token": (body, WRONG_TOKEN),
        "no credentials": (body, None),
        "accepted, long body": (long_body, TOKEN),
        "wrong token, long body": (long_body, WRONG_TOKEN),
        "no credentials, long body": (long_body, None),
    }
    batches = {
        name: wsgi_batch(application, posts(*kind)) for name, kind in kinds.items()
    }
    for name in (ACCEPTED, "wrong token"):
        batches[f"{name}, INFO logging"] = _at_info(batches[name])
    with logging_to_null_device():
        samples = interleave(batches, effort)
        is_read = {name: _is_read(application, *kind) for name, kind in kinds.items()}
    for name in batches:
        kind, _, condition = name.partition(", ")
        whole = f"{ACCEPTED}, {condition}" if condition else ACCEPTED
        text = name
        if name in kinds:
            text += ", body read" if is_read[name] else ", body unread"
        yield Row(
            text,
            microseconds(samples.typical(name)),
            None if kind == ACCEPTED else samples.ratio(name, whole),
            "" if kind == ACCEPTED else whole,
            at_most=None if kind == ACCEPTED or "INFO" in condition else 0.5,
        )


def _is_read(application: WSGIApplication, body: bytes, token: str | None) -> bool:
    environ = posts(body, token)()
    list(application(environ, start_response))
    position: int = environ["wsgi.input"].tell()
    return position > 0


def _at_info(batch: Batch) -> Batch:
    logger = logging.getLogger("redox_wsgi")

    def batch_at_info(calls: int) -> float:
        logger.setLevel(logging.INFO)
        try:
            return batch(calls)
        finally:
            logger.setLevel(logging.NOTSET)

    return batch_at_info

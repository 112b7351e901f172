"""One claim from its handler to its end in the store.

Nothing that a handler does leaves here: not an exception of any kind, and not a second
process that it forked.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from redox_wsgi.errors import InboxUnavailable, LostLease, PermanentFailure
from redox_wsgi.handler import Handler
from redox_wsgi.inbox.store import BodyDamaged
from redox_wsgi.inbox.worker.failure_policy import (
    Consequence,
    Failure,
    FailurePolicy,
)
from redox_wsgi.inbox.worker.handled_entry import HandledEntry
from redox_wsgi.inbox.worker.handling_report import HandledWord, HandlingReporter
from redox_wsgi.inbox.worker.outage import Outage
from redox_wsgi.reporting import describe_exception
from redox_wsgi.response import Response
from redox_wsgi.transmission import Transmission

if TYPE_CHECKING:
    from redox_wsgi.inbox.inbox import Inbox

# Enough for a class and its places, and little enough for a column of a table.
_LONGEST_ERROR = 1000

_FIRST_REFUSAL = 400

# No number: it could be a patient's.
_WORD = re.compile(r"[a-z][a-z0-9-]{0,63}")

_logger = logging.getLogger("redox_wsgi")


class Handling:
    """Handles claimed entries, one at a time in each thread.

    Args:
        inbox: Where they are kept.
        handler: Called with each transmission.
        policy: What follows from a failure.
        reporter: Told what became of each entry.
        outage: Told when the store cannot be used.
        pause: Called before the store is asked again; returns whether to give up.
    """

    def __init__(
        self,
        inbox: Inbox,
        handler: Handler,
        *,
        policy: FailurePolicy,
        reporter: HandlingReporter,
        outage: Outage,
        pause: Callable[[], bool],
    ) -> None:
        self._inbox = inbox
        self._handler = handler
        self._policy = policy
        self._reporter = reporter
        self._outage = outage
        self._pause = pause
        self._has_hinted = False

    def handle(self, entry: HandledEntry) -> HandledWord:
        """Handle one entry, and tell the store and the reporter what came of it.

        Returns:
            The word of its ``HandledOutcome``. Nothing is raised.
        """
        begun = self._begin(entry)
        transmission = begun if isinstance(begun, Transmission) else None
        failure = begun if isinstance(begun, Failure) else None
        if transmission is not None:
            failure = self._call(transmission, entry)
        word = begun if isinstance(begun, str) else self._settle(entry, failure)
        error = failure.error if failure and word != "handled" else None
        self._reporter.report(entry, transmission, word, error)
        return word

    def _begin(self, entry: HandledEntry) -> Transmission | Failure | HandledWord:
        if entry.attempt > self._policy.max_attempts:
            # The last attempts ended without a word, as when they kill their worker.
            return Failure("attempts-unfinished", is_permanent=True)
        try:
            transmission = self._inbox.read(entry.claim, entry)
        except InboxUnavailable as error:
            self._outage.report(error)
            return self.give_back(entry)
        # Whatever is wrong with what is kept: it is not skipped.
        except Exception as error:
            return _describe_damage(error)
        # A worker that was stopped meanwhile would come beside its successor.
        return "lost" if entry.is_lost else transmission

    def give_back(self, entry: HandledEntry) -> HandledWord:
        """Release an entry as if it had not been claimed.

        Returns:
            ``released``; ``lost`` if the store could not be told.
        """
        try:
            entry.release()
        except Exception as error:
            # Then its lease ends by itself, and this attempt counts.
            self._outage.report(error)
            return "lost"
        return "released"

    def _call(self, transmission: Transmission, entry: HandledEntry) -> Failure | None:
        process = os.getpid()
        try:
            reply = self._handler(transmission)
        # sys.exit() in a handler ends no worker: the other lanes have done nothing.
        except BaseException as error:
            if os.getpid() != process:
                _end_forked_process(error)
            return _describe_failure(error)
        if os.getpid() != process:
            _end_forked_process(None)
        if isinstance(reply, Response) and reply.status >= _FIRST_REFUSAL:
            # Without an inbox, Redox would send it again.
            return Failure(f"refused-{reply.status}")
        if entry.is_completed:
            # By itself this decides nothing: the store knows whether it was committed.
            return Failure("completion-not-committed")
        if reply is not None and not self._has_hinted:
            self._has_hinted = True
            _logger.warning(
                "The handler returned a %s: nobody waits for an answer any more, so "
                "it is dropped, now and in future.",
                type(reply).__name__,
            )
        return None

    def _settle(self, entry: HandledEntry, failure: Failure | None) -> HandledWord:
        """Tell the store, again and again until the lease has ended."""
        entry.is_ending = True
        while True:
            try:
                word = self._tell_store(entry, failure)
            except LostLease:
                # So says the store too when the handler's own transaction is committed.
                return "handled" if entry.is_completed else "lost"
            # Whatever the store raises, the entry is safe in it.
            except Exception as error:
                self._outage.report(error)
            else:
                self._outage.end()
                return word
            if entry.is_lost or self._pause():
                return "lost"

    def _tell_store(self, entry: HandledEntry, failure: Failure | None) -> HandledWord:
        store, claim = self._inbox.store, entry.claim
        if failure is None:
            store.complete(claim)
            return "handled"
        consequence = self._policy.decide(entry.lane, entry.attempt, failure)
        if consequence is Consequence.RETRY:
            delay_seconds = self._policy.backoff.delay_seconds(entry.attempt)
            store.retry(claim, failure.error, delay_seconds)
            return "failed"
        if consequence is Consequence.BURY:
            store.bury(claim, failure.error)
            return "dead"
        store.halt(claim, failure.error)
        return "halted"


def _describe_damage(error: Exception) -> Failure:
    return Failure(
        _describe(error),
        is_permanent=isinstance(error, BodyDamaged),
        keeps_order=True,
    )


def _describe_failure(error: BaseException) -> Failure:
    return Failure(_describe(error), is_permanent=isinstance(error, PermanentFailure))


def _describe(error: BaseException) -> str:
    text = describe_exception(error)
    if isinstance(error, BodyDamaged | PermanentFailure):
        # Our own words; anything else that they were given could be a patient's.
        word = error.args[0] if error.args else None
        if isinstance(word, str) and _WORD.fullmatch(word):
            text = f"{word}: {text}"
    return text[:_LONGEST_ERROR]


def _end_forked_process(error: BaseException | None) -> None:
    """End a process that the handler forked, and that came back here.

    It shares the worker's connections: it must neither use nor close them, so nothing
    is cleaned up. Its parent goes on.
    """
    status = 0
    if isinstance(error, SystemExit):
        status = error.code if isinstance(error.code, int) else int(bool(error.code))
    elif error is not None:
        status = 1
    os._exit(status & 0xFF)

"""Bad at taking whatever comes."""

from __future__ import annotations

import json
from typing import Any

from tests.gallery.right import Answer, RightEndpoint, read_json


class Creates(RightEndpoint):
    """Pitfall 15: 201, as other senders like it."""

    FAILS = ("success-is-200",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Say that something was created."""
        return Answer(201)


class Accepts(RightEndpoint):
    """Pitfall 15: 202, still processing."""

    FAILS = ("success-is-200",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Say that it will be done."""
        return Answer(202)


class DemandsMeta(RightEndpoint):
    """Pitfall 12: 400 where ``Meta`` is missing."""

    FAILS = (
        "missing-meta",
        "not-json",
        "fhir-bundle",
    )

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Judge the envelope."""
        payload = read_json(body)
        is_enveloped = isinstance(payload, dict) and "Meta" in payload
        return Answer(200 if is_enveloped else 400)


class DemandsFields(RightEndpoint):
    """Pitfall 12: 422 where a field is missing or null."""

    FAILS = ("nulls-everywhere",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Judge the content of what seems complete."""
        payload = read_json(body)
        patient = payload.get("Patient") if isinstance(payload, dict) else None
        is_null = patient is not None and patient["Demographics"]["LastName"] is None
        return Answer(422 if is_null else 200)


class KnowsItsModels(RightEndpoint):
    """Pitfall 12: 400 for an event that is not in the list."""

    FAILS = ("unknown-data-model",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Judge the event."""
        payload = read_json(body)
        meta = payload.get("Meta", {}) if isinstance(payload, dict) else {}
        known = ("PatientAdmin", "Media", None)
        return Answer(200 if meta.get("DataModel") in known else 400)


class PutsTheUnknownAside(RightEndpoint):
    """Pitfall 15: 202 for what nobody handles, though 200 is known."""

    FAILS = ("unknown-data-model",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Promise to look at it."""
        return Answer(202 if b"Star Chart" in body else 200)


class ReadsJson(RightEndpoint):
    """Pitfall 12: a framework's ``get_json``: 415 or 400."""

    FAILS = (
        "not-json",
        "content-type",
        "fhir-bundle",
    )

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Let the framework judge."""
        if not environ.get("CONTENT_TYPE", "").startswith("application/json"):
            return Answer(415)
        return Answer(400 if read_json(body) is None else 200)


class CrashesOnJson(RightEndpoint):
    """Pitfall 20: nobody thought of what is no JSON, or too deep."""

    FAILS = ("not-json",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Raise on the way."""
        json.loads(body)
        return Answer(200)


class SendsThePayloadBack(RightEndpoint):
    """Pitfall 8: the reply repeats the patient."""

    FAILS = ("nothing-sent-back",)

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Show what came."""
        return Answer(200, body)


class ServesWhatItReceived(RightEndpoint):
    """Pitfall 9: the last transmission, for everybody to read."""

    FAILS = ("nothing-served",)

    last = b""

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Keep it at hand."""
        if read_json(body):
            self.last = body
        return Answer(200)

    def answer_other_method(self, method: str) -> Answer:
        """Show it."""
        return Answer(200, self.last)


class LosesTheAnswer(RightEndpoint):
    """Pitfall 25: queries are answered "ok"."""

    FAILS = ("query-answer",)
    QUERY = True

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Say ok to everything."""
        return Answer(200, b"ok")


class AnswersAnotherQuery(RightEndpoint):
    """Pitfall 25: the ``Meta`` of the answer is that of the question."""

    FAILS = ("query-answer",)
    QUERY = True

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Repeat the event, and nothing of the patient."""
        payload = read_json(body)
        meta = payload.get("Meta") if isinstance(payload, dict) else None
        return Answer(200, json.dumps({"Meta": meta}).encode())


class KnowsNoAnswer(RightEndpoint):
    """No fault of form: the asker is told that nothing was found."""

    WARNS = ("query-answer",)
    QUERY = True

    def receive(self, environ: Any, body: bytes) -> Answer:
        """Answer with errors."""
        meta = {
            "DataModel": "PatientSearch",
            "EventType": "Response",
            "Errors": [{"ID": 1, "Text": "nobody answers", "Type": "", "Module": ""}],
        }
        return Answer(200, json.dumps({"Meta": meta}).encode())

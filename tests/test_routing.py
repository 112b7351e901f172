"""One handler per data model and event type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from redox_wsgi import ConfigurationError, Router, Transmission
from tests.support.builders import Received, build_payload, encode


def build(data_model: Any, event_type: Any) -> Transmission:
    """Build a transmission of one event."""
    body = encode(build_payload(data_model, event_type))
    return Transmission(body, received_at=datetime(2026, 1, 31, tzinfo=UTC))


class Empty(Received):
    """A handler that is false until it has received something, as an inbox may be."""


def test_the_most_specific_handler_is_called() -> None:
    """Event, then data model, then otherwise."""
    router = Router()
    arrival, any_admin, others = Empty(), Empty(), Empty()
    router.on("PatientAdmin", "Arrival")(arrival)
    router.on("PatientAdmin")(any_admin)
    router.otherwise(others)

    router(build("PatientAdmin", "Arrival"))
    router(build("PatientAdmin", "Discharge"))
    router(build("PatientAdmin", None))
    router(build("Notes", "Arrival"))
    router(build(None, None))

    assert [t.event_type for t in arrival] == ["Arrival"]
    assert [t.event_type for t in any_admin] == ["Discharge", None]
    assert [t.data_model for t in others] == ["Notes", None]


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        (("Clinical Summary", "PatientPush"), ("clinicalsummary", "PATIENTPUSH")),
        (("clinicalsummary", "patientpush"), ("Clinical Summary", "Patient Push")),
        (
            ("FHIR.Event.Order", "patient-arrived"),
            ("fhir.event.order", "Patient-Arrived"),
        ),
    ],
)
def test_names_are_compared_without_blanks_and_case(
    registered: tuple[str, str], sent: tuple[str, str]
) -> None:
    """Redox writes them in more than one way."""
    router = Router()
    received = Received()
    router.on(*registered)(received)

    router(build(*sent))

    assert len(received) == 1


def test_what_the_handler_returns_is_returned() -> None:
    """The destination judges it."""
    router = Router()

    @router.on("PatientSearch", "Query")
    @router.on("PatientSearch", "LocationQuery")
    def search(transmission: Transmission) -> dict[str, str | None]:
        return {"seen": transmission.event_type}

    assert router(build("PatientSearch", "Query")) == {"seen": "Query"}
    assert router(build("PatientSearch", "LocationQuery")) == {"seen": "LocationQuery"}
    assert search(build("PatientSearch", "Query")) == {"seen": "Query"}


def test_what_nobody_handles_is_answered_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It must not stop its subscription, and must not vanish unseen."""
    assert Router()(build("Notes", "New")) is None
    assert Router()(build("Zoë's\nNotes", None)) is None

    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "Notes:New" in caplog.messages[0]
    assert "other:-" in caplog.messages[1]


def test_two_handlers_of_one_event_stop_at_construction() -> None:
    """The second would silently win."""
    router = Router()
    router.on("Clinical Summary", "PatientPush")(print)
    router.otherwise(print)

    with pytest.raises(ConfigurationError, match="clinicalsummary:PatientPush"):
        router.on("clinicalsummary", "PatientPush")(print)
    with pytest.raises(ConfigurationError, match="twice"):
        router.otherwise(print)


@pytest.mark.parametrize(
    "names", [("", "New"), (" ", None), ("Notes", ""), ("Notes", " ")]
)
def test_an_empty_name_stops_at_construction(names: Any) -> None:
    """It would match what has no name at all."""
    with pytest.raises(ConfigurationError, match="data model"):
        Router().on(*names)


def test_a_decorator_without_its_names_stops_at_construction() -> None:
    """It is the first slip one makes."""
    decorator: Any = Router().on

    with pytest.raises(ConfigurationError, match="needs names"):
        decorator(print)
    with pytest.raises(ConfigurationError, match="needs names"):
        decorator("Notes", 3)


def test_only_a_handler_can_be_registered() -> None:
    """Such as the result of calling it, by mistake."""
    not_a_handler: Any = None

    with pytest.raises(ConfigurationError):
        Router().on("Notes", "New")(not_a_handler)
    with pytest.raises(ConfigurationError):
        Router().otherwise(not_a_handler)

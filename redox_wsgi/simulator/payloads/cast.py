"""The invented people and places of the built-in payloads.

Nobody here exists. Telephone numbers are of the range 555-01xx, which is kept for
fiction; addresses end in ``example.org``.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "FACILITY",
    "PATIENTS",
    "PHYSICIAN",
    "SURGEON",
    "Bed",
    "Clinician",
    "Patient",
]

FACILITY = "St. Zoë General Hospital"


@dataclass(frozen=True, slots=True)
class Bed:
    """A place in the hospital."""

    department: str
    room: str
    bed: str


@dataclass(frozen=True, slots=True)
class Clinician:
    """An invented clinician, with an ``NPI`` no real one can have."""

    npi: str
    first_name: str
    last_name: str
    credential: str


@dataclass(frozen=True, slots=True)
class Patient:
    """An invented patient and the one visit that the payloads tell of.

    The numbers never change, so that an arrival, a transfer and a discharge of one
    patient belong together.
    """

    first_name: str
    middle_name: str | None
    last_name: str
    birth_date: str
    sex: str
    language: str | None
    home_phone: str
    street: str
    #: The identifier of type ``MR``.
    record_number: str
    #: The identifier of type ``EHRID``, a UUID.
    ehr_id: str
    #: The ``MR`` that ``PatientAdmin:PatientMerge`` retires.
    retired_record_number: str
    #: Of the stay: arrival, transfer, discharge.
    visit_number: str
    #: Of the appointment: all ``Scheduling`` events.
    appointment_number: str
    reason: str
    #: Where the patient arrives.
    bed: Bed
    #: Where ``PatientAdmin:Transfer`` takes the patient.
    next_bed: Bed


PHYSICIAN = Clinician("9990000017", "Guðrún", "Þórsdóttir", "MD")
SURGEON = Clinician("9990000025", "Amadou", "N'Diaye-Léger", "MD")

PATIENTS: tuple[Patient, ...] = (
    Patient(
        first_name="Zoë",
        middle_name="Aurélie",
        last_name="Brontë-Quill",
        birth_date="1984-02-29",
        sex="Female",
        language="en",
        home_phone="+16085550101",
        street="12 Larkspur Way",
        record_number="0000400101",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a101",
        retired_record_number="0000400106",
        visit_number="V-7000101",
        appointment_number="A-8000101",
        reason="Acute appendicitis",
        bed=Bed("Emergency", "E04", "1"),
        next_bed=Bed("3 North", "312", "B"),
    ),
    Patient(
        first_name="Łukasz",
        middle_name=None,
        last_name="Żurawiński",
        birth_date="1951-11-03",
        sex="Male",
        language="pl",
        home_phone="+16085550102",
        street="7 Heron Court",
        record_number="0000400102",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a102",
        retired_record_number="0000390202",
        visit_number="V-7000102",
        appointment_number="A-8000102",
        reason="Chest pain",
        bed=Bed("Emergency", "E02", "1"),
        next_bed=Bed("Cardiology", "208", "A"),
    ),
    Patient(
        first_name="明霞",
        middle_name=None,
        last_name="李",
        birth_date="1999-07-18",
        sex="Female",
        language="zh",
        home_phone="+16085550103",
        street="350 Juniper Street, Apt. 9",
        record_number="0000400103",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a103",
        retired_record_number="0000390203",
        visit_number="V-7000103",
        appointment_number="A-8000103",
        reason="Labour, 39 weeks",
        bed=Bed("Maternity", "105", "A"),
        next_bed=Bed("Maternity", "118", "A"),
    ),
    Patient(
        first_name="Siobhán",
        middle_name="Máire",
        last_name="O'Dálaigh",
        birth_date="1938-05-30",
        sex="Female",
        language="ga",
        home_phone="+16085550104",
        street="1 Old Mill Road",
        record_number="0000400104",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a104",
        retired_record_number="0000390204",
        visit_number="V-7000104",
        appointment_number="A-8000104",
        reason="Hip fracture after a fall",
        bed=Bed("Emergency", "E07", "2"),
        next_bed=Bed("Orthopaedics", "415", "A"),
    ),
    Patient(
        first_name="Íñigo",
        middle_name="José",
        last_name="Núñez Okonjọ",
        birth_date="2016-12-09",
        sex="Male",
        language="es",
        home_phone="+16085550105",
        street="88 Cedar Hollow",
        record_number="0000400105",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a105",
        retired_record_number="0000390205",
        visit_number="V-7000105",
        appointment_number="A-8000105",
        reason="Asthma",
        bed=Bed("Emergency", "E01", "1"),
        next_bed=Bed("Paediatrics", "521", "C"),
    ),
    # The first patient, registered a second time by mistake: the merge of the first
    # retires this record number.
    Patient(
        first_name="Zoé",
        middle_name=None,
        last_name="Bronte Quill",
        birth_date="1984-02-28",
        sex="Female",
        language=None,
        home_phone="+16085550101",
        street="12 Larkspur Way",
        record_number="0000400106",
        ehr_id="6b0c2f3e-0f0a-4c53-9d0e-3a7c54d1a106",
        retired_record_number="0000390206",
        visit_number="V-7000106",
        appointment_number="A-8000106",
        reason="Abdominal pain",
        bed=Bed("Emergency", "E05", "1"),
        next_bed=Bed("3 North", "314", "A"),
    ),
)

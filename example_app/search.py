"""Answer ``PatientSearch:Query`` out of the patients we were sent.

A search finds one, many or none: one is the ``Patient``, many are
``PotentialMatches``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from example_app.patients import fold_name, read_demographics
from example_app.reading import Identifier, read_identifiers, read_member, read_text
from redox_wsgi import JsonObject

_MOST_MATCHES = 20


def search(db: sqlite3.Connection, query: JsonObject, source: str | None) -> JsonObject:
    """Search by identifiers, and if they are unknown by name and date of birth.

    Args:
        db: A transaction.
        query: The payload of the query.
        source: The ID of the asker.

    Returns:
        The payload of the answer, without its ``Meta``.

    Spec:
        https://docs.redoxengine.com/api-reference/datamodels/patient-search/patient-search-response
    """
    identifiers = read_identifiers(query, "Patient", "Identifiers")
    demographics = read_member(query, "Patient", "Demographics")
    if not isinstance(demographics, dict):
        demographics = {}
    matches = _by_identifiers(db, identifiers, demographics, source)
    if not matches:
        matches = _by_demographics(db, demographics)
    found = [_build_patient(db, patient_id) for patient_id in matches]
    if len(found) == 1:
        return {"Patient": found[0], "PotentialMatches": []}
    # "If not, the search returns an empty set": nobody found is an answer and no error.
    # So the shape stays, with nothing in it, and Meta.Errors is for a search that
    # could not be made.
    nobody: JsonObject = {"Identifiers": [], "Demographics": {}, "Notes": []}
    return {"Patient": nobody, "PotentialMatches": found}


def _by_identifiers(
    db: sqlite3.Connection,
    identifiers: Sequence[Identifier],
    demographics: JsonObject,
    source: str | None,
) -> list[int]:
    # Who asks is mostly another source than the one that told us of the patient, and
    # the same number of the same type may be somebody else's there. Under the asker's
    # own source it is proof; under another, another date of birth refutes it.
    asked_birth = read_text(demographics, "DOB")
    matches: dict[int, None] = {}
    for id_type, id_ in identifiers:
        for row in db.execute(
            "SELECT patient_id, identifier.source, birth_date "
            "FROM identifier JOIN patient USING (patient_id) "
            "WHERE id = ? AND id_type = ? ORDER BY patient_id LIMIT ?",
            (id_, id_type, _MOST_MATCHES),
        ):
            if row["source"] == source or not (
                asked_birth and row["birth_date"] and asked_birth != row["birth_date"]
            ):
                matches[row["patient_id"]] = None
    return list(matches)[:_MOST_MATCHES]


def _by_demographics(db: sqlite3.Connection, demographics: JsonObject) -> list[int]:
    # With less than these three it would not be a search for one person.
    name, birth = fold_name(demographics), read_text(demographics, "DOB")
    if not (name and birth):
        return []
    rows = db.execute(
        "SELECT patient_id FROM patient WHERE folded_name = ? AND birth_date = ? "
        "ORDER BY patient_id LIMIT ?",
        (name, birth, _MOST_MATCHES),
    )
    return [row["patient_id"] for row in rows]


def _build_patient(db: sqlite3.Connection, patient_id: int) -> JsonObject:
    rows = db.execute(
        "SELECT id, id_type FROM identifier WHERE patient_id = ? ORDER BY id_type, id",
        (patient_id,),
    )
    return {
        "Identifiers": [{"ID": row["id"], "IDType": row["id_type"]} for row in rows],
        "Demographics": read_demographics(db, patient_id),
        "Notes": [],
    }

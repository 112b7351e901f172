"""Who a message is about: patients, known by all their identifiers within a source."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from example_app.reading import Identifier, clean, fold, read_text


def identify(
    db: sqlite3.Connection,
    source: str,
    identifiers: Sequence[Identifier],
    retired: Collection[Identifier] = (),
) -> int:
    """Find the patient with these identifiers, or begin a new one.

    New identifiers become the patient's. Those of somebody else stay there: only a
    merge makes two patients one, because two people under one name are harder to part
    than one under two. Both are marked as doubtful, for a person to look at.

    Args:
        db: A transaction.
        source: The ID of the source.
        identifiers: At least one, in the order sent.
        retired: Identifiers that do not decide, unless there are no others.

    Returns:
        Our ID of the patient who has most of them; of several, the one named first.
    """
    owners = find_owners(db, source, identifiers)
    decisive = [owners[name] for name in identifiers if name in owners.keys() - retired]
    if owners:
        patient_id = Counter(decisive or owners.values()).most_common(1)[0][0]
    else:
        patient_id = _begin_patient(db, source)
    _add_identifiers(db, source, identifiers, patient_id)
    if len(set(decisive)) > 1:
        db.executemany(
            "UPDATE patient SET is_doubtful = 1 WHERE patient_id = ?",
            [(owner,) for owner in set(decisive)],
        )
    return patient_id


def find_owners(
    db: sqlite3.Connection, source: str, identifiers: Sequence[Identifier]
) -> dict[Identifier, int]:
    """Find whose identifiers these are; unknown ones are left out."""
    owners = {}
    for id_type, id_ in identifiers:
        row = db.execute(
            "SELECT patient_id FROM identifier "
            "WHERE source = ? AND id_type = ? AND id = ?",
            (source, id_type, id_),
        ).fetchone()
        if row:
            owners[id_type, id_] = int(row["patient_id"])
    return owners


def merge(
    db: sqlite3.Connection, source: str, survivor: int, retired: Sequence[Identifier]
) -> None:
    """Make the retired identifiers, and all that they stand for, the survivor's.

    Retired identifiers that were unknown are remembered as well: messages that still
    use them then find the survivor.
    """
    losers = set(find_owners(db, source, retired).values()) - {survivor}
    for loser in sorted(losers):
        known = read_demographics(db, loser)
        # What only the retired record knew is not lost; the survivor's own prevails.
        describe(db, survivor, {**known, **read_demographics(db, survivor)})
        for statement in (
            "UPDATE identifier SET patient_id = :survivor WHERE patient_id = :loser",
            "UPDATE visit SET patient_id = :survivor WHERE patient_id = :loser",
            "DELETE FROM patient WHERE patient_id = :loser",
            "UPDATE patient SET is_doubtful = 0 WHERE patient_id = :survivor",
        ):
            db.execute(statement, {"survivor": survivor, "loser": loser})
    _add_identifiers(db, source, retired, survivor)


def describe(db: sqlite3.Connection, patient_id: int, demographics: object) -> None:
    """Add what is told of a patient; a null takes nothing away."""
    told = clean(demographics)
    if not isinstance(told, dict):
        return
    known = {**read_demographics(db, patient_id), **told}
    db.execute(
        "UPDATE patient SET demographics = ?, folded_name = ?, birth_date = ? "
        "WHERE patient_id = ?",
        (
            json.dumps(known),
            fold_name(known),
            read_text(known, "DOB"),
            patient_id,
        ),
    )


def read_demographics(db: sqlite3.Connection, patient_id: int) -> dict[str, Any]:
    """Return what is known of a patient, under Redox's names."""
    row = db.execute(
        "SELECT demographics FROM patient WHERE patient_id = ?", (patient_id,)
    ).fetchone()
    demographics: dict[str, Any] = json.loads(row["demographics"])
    return demographics


def fold_name(demographics: Mapping[str, Any]) -> str | None:
    """Fold first and last name into one text to search by; None unless both are."""
    first = fold(read_text(demographics, "FirstName"))
    last = fold(read_text(demographics, "LastName"))
    return f"{first} {last}" if first and last else None


def _begin_patient(db: sqlite3.Connection, source: str) -> int:
    row = db.execute("INSERT INTO patient (source) VALUES (?)", (source,))
    return int(row.lastrowid or 0)


def _add_identifiers(
    db: sqlite3.Connection, source: str, identifiers: Sequence[Identifier], owner: int
) -> None:
    db.executemany(
        "INSERT OR IGNORE INTO identifier (source, id_type, id, patient_id) "
        "VALUES (?, ?, ?, ?)",
        [(source, id_type, id_, owner) for id_type, id_ in identifiers],
    )

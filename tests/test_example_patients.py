"""Whom the example takes for the same patient, and whom it finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from redox_wsgi.simulator import PATIENTS
from tests.test_example_ward import Ward

ZOE, LUKASZ, _, _, _, ZOE_AGAIN = PATIENTS


@pytest.fixture
def ward(tmp_path: Path) -> Ward:
    """An empty ward."""
    return Ward(tmp_path)


def name(id_type: str, *ids: str) -> list[dict[str, str]]:
    """Write identifiers of one type."""
    return [{"ID": id_, "IDType": id_type} for id_ in ids]


def arrive(ward: Ward, number: str, identifiers: Any, **meta: Any) -> None:
    """Send an arrival with these identifiers."""
    payload = ward.build("PatientAdmin:Arrival")
    payload["Meta"] |= meta
    payload["Patient"]["Identifiers"] = identifiers
    payload["Visit"]["VisitNumber"] = number
    ward.send(payload)


def merge(ward: Ward, identifiers: Any, previous: Any, event: str = "Patient") -> None:
    """Send a merge."""
    payload = ward.build(f"PatientAdmin:{event}Merge")
    payload["Patient"]["Identifiers"] = identifiers
    payload["Patient"]["PreviousIdentifiers"] = previous
    ward.send(payload)


def groups(ward: Ward) -> list[set[str]]:
    """List the IDs of each patient."""
    rows = ward.select(
        "SELECT group_concat(id) FROM identifier GROUP BY patient_id ORDER BY min(id)"
    )
    return [set(ids.split(",")) for (ids,) in rows]


def visits(ward: Ward) -> dict[str, int]:
    """Tell whose each visit is."""
    return dict(ward.select("SELECT number, patient_id FROM visit"))


def doubtful(ward: Ward) -> int:
    """Count the patients with a doubt."""
    return int(ward.select("SELECT sum(is_doubtful) FROM patient")[0][0])


def test_the_same_number_of_two_sources_is_two_patients(ward: Ward) -> None:
    """Every hospital begins to count at one."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "1"), Source={"ID": "another", "Name": None})

    assert len(set(visits(ward).values())) == 2


def test_the_same_number_of_two_types_is_two_patients(ward: Ward) -> None:
    """A number alone names nobody."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("NIST", "1"))

    assert len(set(visits(ward).values())) == 2


def test_a_message_may_add_identifiers(ward: Ward) -> None:
    """From then on each of them names the patient."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "1", "2"))
    arrive(ward, "v3", name("MR", "2"))

    assert groups(ward) == [{"1", "2"}]
    assert len(set(visits(ward).values())) == 1


def test_naming_two_patients_at_once_marks_both_and_merges_neither(ward: Ward) -> None:
    """Two people under one name are harder to part than one under two."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "2"))
    arrive(ward, "v3", name("MR", "2", "1", "3"))

    assert groups(ward) == [{"1"}, {"2", "3"}]
    assert visits(ward)["v3"] == visits(ward)["v2"] != visits(ward)["v1"]
    assert doubtful(ward) == 2


def test_a_message_belongs_to_who_has_most_of_its_identifiers(ward: Ward) -> None:
    """One number astray does not outweigh the others."""
    arrive(ward, "v1", name("MR", "1", "2"))
    arrive(ward, "v2", name("MR", "9"))
    arrive(ward, "v3", name("MR", "9", "1", "2"))

    assert visits(ward)["v3"] == visits(ward)["v1"]


def test_a_merge_gives_everything_to_the_survivor(ward: Ward) -> None:
    """Identifiers and visits go over, and a late message finds them there."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "2", "22"))
    merge(ward, name("MR", "1"), name("MR", "2"))
    arrive(ward, "v3", name("MR", "22"))

    assert groups(ward) == [{"1", "2", "22"}]
    assert len(set(visits(ward).values())) == 1
    assert ward.select("SELECT count(*) FROM patient") == [(1,)]


def test_a_merge_sent_as_two_messages_changes_nothing_the_second_time(
    ward: Ward,
) -> None:
    """Idempotent by its meaning, not only by the identity of the delivery."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "2"))
    for _ in range(2):
        merge(ward, name("MR", "1"), name("MR", "2"))

    assert (groups(ward), len(ward.board())) == ([{"1", "2"}], 2)


def test_a_merge_of_two_unknown_records_is_remembered(ward: Ward) -> None:
    """A message under the retired number may still be on its way."""
    merge(ward, name("MR", "1"), name("MR", "2"))
    arrive(ward, "v1", name("MR", "2"))

    assert groups(ward) == [{"1", "2"}]


def test_an_identifier_both_old_and_new_does_not_choose_the_retired_record(
    ward: Ward,
) -> None:
    """What both records share says nothing about which one survives."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", [*name("MR", "2"), *name("EHRID", "x", "y")])
    survivor = visits(ward)["v1"]
    shared = name("EHRID", "x", "y")
    merge(ward, [*name("MR", "1"), *shared], [*name("MR", "2"), *shared])

    assert set(visits(ward).values()) == {survivor}
    assert groups(ward) == [{"1", "2", "x", "y"}]


def test_a_merge_ends_the_doubt(ward: Ward) -> None:
    """The hospital has looked at it."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "2"))
    arrive(ward, "v3", name("MR", "1", "2"))
    merge(ward, name("MR", "1"), name("MR", "2"))

    assert doubtful(ward) == 0


def test_a_visit_merge_moves_the_visit_only(ward: Ward) -> None:
    """The other patient stays another patient."""
    arrive(ward, ZOE.visit_number, name("MR", "2"))
    arrive(ward, "v1", name("MR", "1"))
    merge(ward, name("MR", "1"), name("MR", "2"), event="Visit")

    assert visits(ward)[ZOE.visit_number] == visits(ward)["v1"]
    assert groups(ward) == [{"1"}, {"2"}]
    assert len(ward.board()) == 2


def test_a_null_takes_no_name_away(ward: Ward) -> None:
    """Null means that the source did not tell."""
    ward.tell("PatientAdmin:Arrival")
    payload = ward.build("PatientAdmin:PatientUpdate")
    payload["Patient"]["Demographics"] = {"FirstName": None, "LastName": "Quill"}
    ward.send(payload)
    [(known,)] = ward.select("SELECT demographics FROM patient")

    assert json.loads(known)["FirstName"] == ZOE.first_name
    assert json.loads(known)["LastName"] == "Quill"


def search(ward: Ward, patient: Any, source: str | None = None) -> dict[str, Any]:
    """Search a patient."""
    query = ward.build("PatientSearch:Query")
    query["Patient"] = patient
    if source:
        query["Meta"]["Source"]["ID"] = source
    answer: dict[str, Any] = json.loads(ward.send(query).body)
    assert answer["Meta"]["EventType"] == "Response"
    return answer


NAMED = {"FirstName": "LUKASZ", "LastName": "zurawinski", "DOB": LUKASZ.birth_date}


def test_a_search_finds_by_any_identifier(ward: Ward) -> None:
    """The answer has all identifiers, and what is known."""
    ward.tell("PatientAdmin:Arrival", patient=LUKASZ)
    answer = search(ward, {"Identifiers": name("EHRID", LUKASZ.ehr_id)})

    found = answer["Patient"]
    assert found["Demographics"]["LastName"] == LUKASZ.last_name
    assert {"ID": LUKASZ.record_number, "IDType": "MR"} in found["Identifiers"]
    assert answer["PotentialMatches"] == []


def test_a_search_by_name_forgives_case_and_accents(ward: Ward) -> None:
    """Who searches may not have the letters on the keyboard."""
    ward.tell("PatientAdmin:Arrival", patient=LUKASZ)
    answer = search(ward, {"Identifiers": None, "Demographics": NAMED})

    assert answer["Patient"]["Demographics"]["LastName"] == LUKASZ.last_name


@pytest.mark.parametrize(
    "patient",
    [
        None,
        {},
        {"Identifiers": name("MR", "unknown"), "Demographics": None},
        {"Demographics": {**NAMED, "DOB": None}},
        {"Demographics": {**NAMED, "DOB": "1951-11-04"}},
        {"Identifiers": [{"ID": LUKASZ.record_number, "IDType": None}]},
    ],
    ids=[
        "no patient",
        "nothing to search by",
        "unknown identifier",
        "no date of birth",
        "another date of birth",
        "identifier without a type",
    ],
)
def test_a_search_that_finds_nobody_is_an_empty_answer(
    ward: Ward, patient: Any
) -> None:
    """Nobody is an answer, and not an error."""
    ward.tell("PatientAdmin:Arrival", patient=LUKASZ)
    answer = search(ward, patient)

    assert answer["Patient"]["Identifiers"] == answer["PotentialMatches"] == []
    assert "Errors" not in answer["Meta"]


def test_what_is_no_number_does_not_spoil_the_answer(ward: Ward) -> None:
    """1e999 becomes an infinity in Python, and infinity is no JSON."""
    payload = ward.build("PatientAdmin:Arrival")
    payload["Patient"]["Demographics"] |= {
        "Weight": float("inf"),
        "Heights": [float("inf")],
        "Half": "a\ud800b",
    }
    ward.send(payload)
    identifiers = payload["Patient"]["Identifiers"]
    answer = search(ward, {"Identifiers": identifiers})

    known = answer["Patient"]["Demographics"]
    assert known.keys().isdisjoint({"Weight", "Heights"})
    assert known["Half"] == "ab"


def test_a_search_that_finds_several_lists_them(ward: Ward) -> None:
    """Which one it is, the asker has to say."""
    arrive(ward, "v1", name("MR", "1"))
    arrive(ward, "v2", name("MR", "2"))
    answer = search(ward, {"Identifiers": name("MR", "1", "2")})

    assert answer["Patient"]["Identifiers"] == []
    assert len(answer["PotentialMatches"]) == 2


def test_a_number_of_another_source_needs_the_same_date_of_birth(ward: Ward) -> None:
    """The asker's number 1 is somebody else than the hospital's."""
    arrive(ward, "v1", name("MR", "1"))
    asked = {"Identifiers": name("MR", "1"), "Demographics": {"DOB": "1900-01-01"}}

    assert search(ward, asked, source="another")["Patient"]["Identifiers"] == []
    assert search(ward, asked)["Patient"]["Identifiers"] == name("MR", "1")


def test_a_search_after_a_merge_finds_the_survivor(ward: Ward) -> None:
    """Under the retired number too."""
    ward.tell("PatientAdmin:Arrival", patient=ZOE_AGAIN)
    ward.tell("PatientAdmin:PatientMerge")
    answer = search(ward, {"Identifiers": name("MR", ZOE.retired_record_number)})

    assert answer["Patient"]["Demographics"]["LastName"] == ZOE.last_name

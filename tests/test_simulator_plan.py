"""What is delivered: documents byte for byte, changed ones, and built-in events."""

from __future__ import annotations

import itertools
import json
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redox_wsgi.simulator import EVENTS, PATIENTS, SimulatorError, build_payload
from redox_wsgi.simulator.delivery import (
    Changes,
    Outgoing,
    Plan,
    Setting,
    count_repeats,
    parse_setting,
    read_attachment,
    read_paths,
    split_stream,
)
from redox_wsgi.simulator.delivery.envelope import read_envelope, read_json

NOW = datetime(2026, 3, 1, 12, 34, 56, 789_000, tzinfo=UTC)
ARRIVAL = (
    b'{ "Meta": {"DataModel": "Patient Admin", "EventType": "Arrival",'
    b' "Source": {"ID": "s-1"}, "Logs": [{"ID": "l", "AttemptID": "a", "x": 1}]} }\n'
)
BUNDLE = b'{"resourceType": "Bundle", "type": "message"}'


def seeded():
    """Return a source of randomness that repeats itself."""
    return Random(7)  # noqa: S311 - nothing here is a secret


@dataclass(frozen=True)
class Body:
    """A document that is there already."""

    body: bytes
    name: str = "body"

    def read(self) -> bytes:
        """Return it."""
        return self.body


def plan(*bodies: bytes, **arguments: object) -> list[Outgoing]:
    """Plan a delivery at a fixed time and with a fixed seed."""
    fixed = {"now": lambda: NOW, "random": seeded(), **arguments}
    return Plan(list(map(Body, bodies)), **fixed).build()


def take(outgoing: Outgoing, count: int = 1) -> list[bytes]:
    """Return the bodies of the first attempts."""
    return list(itertools.islice(outgoing.bodies(), count))


def settings(*texts: str) -> Changes:
    """Make changes that set values."""
    return Changes(settings=tuple(map(parse_setting, texts)))


@given(st.binary())
def test_any_document_goes_byte_for_byte_and_its_retries_too(body):
    """No identifier of it is touched, and JSON need not be in it."""
    (outgoing,) = Plan([Body(body)]).build()

    assert take(outgoing, 3) == [body] * 3


def test_a_document_stands_in_the_queue_of_its_source_and_data_model():
    """Blanks and case do not count, and the event type does not."""
    other = ARRIVAL.replace(b"Arrival", b"VisitQuery").replace(b"Patient ", b"patient")
    first, second, third = plan(ARRIVAL, other, BUNDLE)

    assert first.envelope.subscription == "s-1|patientadmin"
    assert second.envelope.subscription == first.envelope.subscription
    assert third.envelope.subscription == "-|-"
    assert first.envelope.event == "Patient Admin:Arrival"
    assert [each.envelope.is_query for each in (first, second, third)] == [
        *(False, True, False)
    ]


@pytest.mark.parametrize(
    ("meta", "subscription"),
    [
        ({}, "-|-"),
        (None, "-|-"),
        ([], "-|-"),
        ({"DataModel": 7, "EventType": "Query"}, "-|-"),
        ({"DataModel": "A", "EventType": None}, "-|a"),
        ({"Source": None, "DataModel": "A B"}, "-|ab"),
        ({"Source": "s", "DataModel": "A"}, "-|a"),
        ({"Source": {"ID": None}}, "-|-"),
        ({"Source": {"ID": True}}, "-|-"),
        ({"Source": {"ID": ["s"]}}, "-|-"),
        ({"Source": {"ID": 4294967297}}, "4294967297|-"),
        ({"Source": {"ID": "s"}}, "s|-"),
    ],
)
def test_a_field_of_a_wrong_type_is_a_dash(meta, subscription):
    """Fields are judged one by one, and none is an error."""
    envelope = read_envelope({"Meta": meta})

    assert envelope.subscription == subscription
    assert (envelope.event, envelope.is_query) == ("-", False)


@pytest.mark.parametrize("body", [b"\xff", b"{", b"[" * 100_000, b""])
def test_what_is_no_json_has_no_envelope(body):
    """It goes all the same."""
    assert read_json(body) is None
    assert read_envelope(read_json(body)).subscription == "-|-"


def test_equal_documents_are_counted_and_others_are_not():
    """One identity with different bodies is fine; the same bytes are a duplicate."""
    changed = ARRIVAL.replace(b"Arrival", b"Transfer")

    assert count_repeats(plan(ARRIVAL, changed)) == 0
    assert count_repeats(plan(ARRIVAL, changed, ARRIVAL, ARRIVAL)) == 2
    assert count_repeats(plan(ARRIVAL, ARRIVAL, changes=Changes(new_ids=True))) == 0
    assert count_repeats(plan(events=["Media:New"] * 2)) == 0


def logs(body: bytes) -> dict[str, object]:
    """Return the one log of a body."""
    (log,) = json.loads(body)["Meta"]["Logs"]
    assert isinstance(log, dict)
    return log


@pytest.mark.parametrize(
    "arguments",
    [
        {"changes": Changes(new_ids=True)},
        {"changes": settings("Patient.X=1")},
        {"changes": Changes(subscriptions=1)},
        {"count": 2},
    ],
    ids=["new ids", "set", "subscriptions", "count"],
)
def test_a_changed_document_has_its_own_log_and_a_retry_its_own_attempt(arguments):
    """The rest of the log stays as it is, and so does the rest of the payload."""
    outgoing = plan(ARRIVAL, ARRIVAL, **arguments)
    first, retry, second_retry = take(outgoing[0], 3)
    (other,) = take(outgoing[1])

    assert logs(first)["ID"] == logs(retry)["ID"] == logs(second_retry)["ID"]
    assert len({logs(body)["ID"] for body in (first, other, ARRIVAL)}) == 3
    attempts = {logs(body)["AttemptID"] for body in (first, retry, second_retry, other)}
    assert len(attempts) == 4
    assert logs(first)["x"] == 1
    assert json.loads(first)["Meta"]["DataModel"] == "Patient Admin"


@pytest.mark.parametrize("old", [None, [], "l", [7], {}])
def test_logs_that_are_none_are_made(old):
    """Older payloads have none at all."""
    body = json.dumps({"Meta": {"Logs": old}}).encode()
    (outgoing,) = plan(body, changes=Changes(new_ids=True))
    first, retry = take(outgoing, 2)

    assert logs(first)["ID"] == logs(retry)["ID"]
    assert logs(first)["AttemptID"] != logs(retry)["AttemptID"]


def test_an_identifier_that_is_set_is_not_stamped():
    """Who sets it wants that one, in retries too."""
    (outgoing,) = plan(ARRIVAL, changes=settings("Meta.Logs.0.AttemptID=mine"))

    assert [logs(body)["AttemptID"] for body in take(outgoing, 2)] == ["mine"] * 2


def test_values_are_set_in_what_has_no_meta_either():
    """A FHIR bundle has no log to stamp."""
    (outgoing,) = plan(BUNDLE, changes=settings("entry.0.id=7"))
    first, retry = take(outgoing, 2)

    assert json.loads(first)["entry"] == [{"id": 7}]
    assert first == retry


def test_a_meta_that_is_set_into_what_has_none_is_kept_as_it_is():
    """Not even its retries are stamped: there is no log to stamp."""
    (outgoing,) = plan(
        BUNDLE, changes=settings('Meta={"DataModel":"A"}', "Meta.Logs=7")
    )

    assert outgoing.envelope.subscription == "-|a"
    assert len(set(take(outgoing, 2))) == 1


@pytest.mark.parametrize(
    ("body", "arguments", "words"),
    [
        (b"MSH|", {"count": 2}, "no JSON object"),
        (b"[1]", {"changes": Changes(new_ids=True)}, "no JSON object"),
        (BUNDLE, {"count": 2}, "has no Meta"),
        (BUNDLE, {"changes": Changes(new_ids=True)}, "has no Meta"),
        (BUNDLE, {"changes": Changes(subscriptions=2)}, "has no Meta"),
        (ARRIVAL, {"changes": settings("Meta.DataModel.X=1")}, "is a text"),
        (ARRIVAL, {"events": ["Media:Old"]}, "Media:Old"),
        (ARRIVAL, {"changes": Changes(subscriptions=0)}, "at least 1"),
    ],
)
def test_what_cannot_be_changed_so_is_found_before_anything_is_sent(
    body, arguments, words
):
    """In a sentence that names the document or the place."""
    with pytest.raises(SimulatorError, match=words):
        plan(body, **arguments)


def test_a_count_repeats_the_whole_and_patients_take_turns():
    """A story stays a story: arrival and discharge of one, then of the next."""
    events = ["PatientAdmin:Arrival", "PatientAdmin:Discharge"]
    outgoing = plan(events=events, count=7)
    payloads = [json.loads(take(each)[0]) for each in outgoing]
    names = [each["Patient"]["Demographics"]["LastName"] for each in payloads]
    patients = [*PATIENTS, PATIENTS[0]]

    assert [each.name for each in outgoing] == events * 7
    assert names == [patient.last_name for patient in patients for _ in events]
    assert len({each["Meta"]["Logs"][0]["ID"] for each in payloads}) == 14


def test_built_in_events_have_their_own_attempt_in_each_retry():
    """As everything that is stamped."""
    (outgoing,) = plan(events=["Order:New"])
    first, retry = take(outgoing, 2)

    assert logs(first)["ID"] == logs(retry)["ID"]
    assert logs(first)["AttemptID"] != logs(retry)["AttemptID"]


def test_the_time_of_a_built_in_event_is_that_of_its_turn():
    """Not that of the plan."""
    times = iter([NOW, NOW.replace(hour=13)])
    (outgoing,) = plan(events=["Order:New"], now=lambda: next(times))
    meta = json.loads(take(outgoing)[0])["Meta"]

    assert meta["EventDateTime"] == "2026-03-01T13:34:56.789Z"


def test_each_plan_has_its_own_clock_and_chance_by_default():
    """Nothing has to be given to deliver one event."""
    (outgoing,) = Plan(events=["Order:New"]).build()
    meta = json.loads(take(outgoing)[0])["Meta"]

    assert datetime.fromisoformat(meta["EventDateTime"]).year >= 2026


def sources(outgoing: list[Outgoing]) -> list[str]:
    """Return the sources, checking that plan and body agree on them."""
    found = []
    for each in outgoing:
        source = json.loads(take(each)[0])["Meta"]["Source"]["ID"]
        assert each.envelope.subscription.startswith(f"{source}|")
        found.append(source)
    return found


def test_a_single_copy_is_spread_over_invented_sources():
    """One after the other."""
    spread = sources(plan(*[ARRIVAL] * 5, changes=Changes(subscriptions=2)))

    assert spread[0::2] == [spread[0]] * 3
    assert spread[1::2] == [spread[1]] * 2
    assert len({*spread, "s-1"}) == 3


def test_all_of_one_copy_has_one_source():
    """So that what belongs together keeps its order."""
    events = ["PatientAdmin:Arrival", "PatientAdmin:Discharge"]
    spread = sources(plan(events=events, count=4, changes=Changes(subscriptions=3)))

    assert spread[0] == spread[1] == spread[6] == spread[7]
    assert len({spread[0], spread[2], spread[4]}) == 3


def test_a_source_that_is_set_wins_over_an_invented_one():
    """And the plan knows it."""
    changes = Changes(subscriptions=3, settings=(parse_setting("Meta.Source.ID=mine"),))

    assert set(sources(plan(ARRIVAL, ARRIVAL, changes=changes))) == {"mine"}


@pytest.fixture
def scan(tmp_path):
    """Write a file to attach."""
    path = tmp_path / "Überweisung.pdf"
    path.write_bytes(b"%PDF \xff")
    return path


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ("Media:New", "Media"),
        ("Media:Replace", "Media"),
        ("Notes:New", "Note"),
        ("Notes:Replace", "Note"),
    ],
)
def test_a_file_goes_into_media_and_notes(event, key, scan):
    """With its name and the kind that the name tells."""
    changes = Changes(attachment=read_attachment(scan))
    (outgoing,) = plan(events=[event], changes=changes)
    document = json.loads(take(outgoing)[0])[key]

    assert b64decode(document["FileContents"]) == b"%PDF \xff"
    assert (document["FileName"], document["FileType"]) == ("Überweisung.pdf", "PDF")


@pytest.mark.parametrize("event", ["Results:New", "Results:NewUnsolicited"])
def test_a_file_goes_into_results_as_encapsulated_data(event, scan):
    """In place of the first value."""
    changes = Changes(attachment=read_attachment(scan))
    (outgoing,) = plan(events=[event], changes=changes)
    result = json.loads(take(outgoing)[0])["Orders"][0]["Results"][0]

    assert b64decode(result["Value"]) == b"%PDF \xff"
    assert (result["ValueType"], result["FileType"]) == ("Encapsulated Data", "PDF")


def test_a_file_leaves_alone_what_has_no_place_for_it(scan, tmp_path):
    """One place in the whole run is enough."""
    nameless = tmp_path / "scan"
    nameless.write_bytes(b"")
    places = {
        event
        for event in EVENTS
        if read_attachment(nameless).embed(
            build_payload(event, now=NOW, random=seeded())
        )
    }
    changes = Changes(attachment=read_attachment(scan))
    outgoing = plan(ARRIVAL, BUNDLE, events=["Media:New"], changes=changes)

    assert {event.partition(":")[0] for event in places} == {
        *("Media", "Notes", "Results")
    }
    assert len(places) == 6
    assert read_attachment(nameless).file_type is None
    assert b"FileContents" not in b"".join(take(each)[0] for each in outgoing[:2])


@pytest.mark.parametrize("body", [ARRIVAL, BUNDLE, b'{"Orders":[{"Results":[7]}]}'])
def test_a_file_without_any_place_is_refused(body, scan):
    """Nobody should believe that it was sent."""
    changes = Changes(attachment=read_attachment(scan))

    with pytest.raises(SimulatorError, match="place for a file"):
        plan(body, events=["Media:Delete", "Results:Query"], changes=changes)


def test_a_medium_without_a_meta_takes_a_file(scan):
    """Not everybody writes the envelope into a fixture."""
    changes = Changes(attachment=read_attachment(scan))
    (outgoing,) = plan(b'{"Media":{}}', changes=changes)

    assert json.loads(take(outgoing)[0])["Media"]["FileType"] == "PDF"


def test_an_attachment_that_cannot_be_read_is_named(tmp_path):
    """The sentence says which."""
    with pytest.raises(SimulatorError, match=r"gone\.pdf cannot be read"):
        read_attachment(tmp_path / "gone.pdf")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=1", 1),
        ("A=-1.5e3", -1500.0),
        ("A=true", True),
        ("A=null", None),
        ('A="1"', "1"),
        ('A={"B":[]}', {"B": []}),
        ("A=Zoë", "Zoë"),
        ("A=", ""),
        ("A=x=y", "x=y"),
        ("A={", "{"),
        ("A=NaN", "NaN"),
        ("A=1e999", "1e999"),
        ("A=" + "[" * 100_000, "[" * 100_000),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_value_is_json_if_it_is_json_and_else_a_text(text, value):
    """Numbers and booleans keep their types; quotes make a text of them."""
    setting = parse_setting(text)

    assert setting.path == ("A",)
    assert setting.value == value
    assert type(setting.value) is type(value)


@pytest.mark.parametrize("text", ["", "A", "=1", ".A=1", "A.=1", "A..B=1"])
def test_what_is_no_path_and_value_is_refused(text):
    """With what was given in the sentence."""
    with pytest.raises(SimulatorError):
        parse_setting(text)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("A=1", {}, {"A": 1}),
        ("A=1", {"A": {"B": 2}}, {"A": 1}),
        ("A.B=1", {"A": {"C": 2}}, {"A": {"C": 2, "B": 1}}),
        ("A.B=1", {"A": None}, {"A": {"B": 1}}),
        ("A.B.C=1", {}, {"A": {"B": {"C": 1}}}),
        ("A.0=1", {}, {"A": [1]}),
        ("A.0.B=1", {}, {"A": [{"B": 1}]}),
        ("A.0.B=1", {"A": [None, 7]}, {"A": [{"B": 1}, 7]}),
        ("A.1=x", {"A": [1, 2, 3]}, {"A": [1, "x", 3]}),
        ("A.2=x", {"A": [1, 2]}, {"A": [1, 2, "x"]}),
        ("A.1.0=x", {"A": [1]}, {"A": [1, ["x"]]}),
        ("A.7=x", {"A": {}}, {"A": {"7": "x"}}),
        ("A B.c-d=x", {}, {"A B": {"c-d": "x"}}),
    ],
)
def test_a_value_is_set_where_the_path_leads(text, before, after):
    """Parents that are missing or null are made; doing it twice changes nothing."""
    parse_setting(text).apply(before)
    assert before == after

    parse_setting(text).apply(before)
    assert before == after


@pytest.mark.parametrize(
    ("text", "payload", "sentence"),
    [
        ("A.B=1", {"A": "x"}, "A is a text, so there is no 'B' in it."),
        ("A.0=1", {"A": "x"}, "A is a text, so there is no '0' in it."),
        ("A.B.C=1", {"A": {"B": 7}}, "A.B is a number, so there is no 'C' in it."),
        ("A.B=1", {"A": 1.5}, "A is a number, so there is no 'B' in it."),
        ("A.B=1", {"A": True}, "A is a boolean, so there is no 'B' in it."),
        ("A.B=1", {"A": []}, "A is a list: 'B' should be a number, from 0."),
        ("A.-1=1", {"A": [1]}, "A is a list: '-1' should be a number, from 0."),
        ("A.٣=1", {"A": [1]}, "A is a list: '٣' should be a number, from 0."),
        (
            "A.3.B=1",
            {"A": [1]},
            "A has 1 in it: 3 is beyond its end; 1 would add one.",
        ),
    ],
)
def test_a_path_that_leads_nowhere_is_answered_with_a_sentence(text, payload, sentence):
    """It names the place where it ends."""
    with pytest.raises(SimulatorError) as caught:
        parse_setting(text).apply(payload)

    assert str(caught.value) == sentence


def test_a_value_that_is_set_is_not_shared_between_payloads():
    """Changing one payload must not change the next."""
    setting = Setting(("A",), [1])
    first: dict[str, list[int]] = {}
    second: dict[str, list[int]] = {}
    setting.apply(first)
    first["A"].append(2)
    setting.apply(second)

    assert second == {"A": [1]}


def names_and_bodies(documents):
    """Return what each document is called, and its body."""
    return [(Path(each.name).name, each.read()) for each in documents]


def test_a_folder_gives_its_json_in_order_of_name(tmp_path):
    """Other files and folders in it are passed over."""
    (tmp_path / "b.json").write_bytes(b"\xff second")
    (tmp_path / "a.json").write_bytes(b" first\r\n")
    (tmp_path / "c.txt").write_bytes(b"not sent")
    (tmp_path / "d.json").mkdir()
    (tmp_path / "e.jsonl").write_bytes(b"{}\n")

    assert names_and_bodies(read_paths([tmp_path])) == [
        ("a.json", b" first\r\n"),
        ("b.json", b"\xff second"),
        ("e.jsonl:1", b"{}"),
    ]


def test_a_file_of_lines_is_one_body_a_line(tmp_path):
    """Blank lines are none; the end of a line is not part of it; nothing else goes."""
    path = tmp_path / "all.jsonl"
    path.write_bytes(b' {"a": 1} \r\n\n  \n{"b":\xc3\xab}\n{"c":3}')

    assert names_and_bodies(read_paths([path])) == [
        ("all.jsonl:1", b' {"a": 1} '),
        ("all.jsonl:4", b'{"b":\xc3\xab}'),
        ("all.jsonl:5", b'{"c":3}'),
    ]


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "holds no"), ("empty.jsonl", "no line"), ("gone.jsonl", "cannot be read")],
)
def test_nothing_to_read_is_said(tmp_path, name, words):
    """Better than a run that sends nothing and says all is well."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "empty.jsonl").write_bytes(b"\n \n")

    with pytest.raises(SimulatorError, match=words):
        read_paths([tmp_path / name if name else folder])


def test_a_file_that_is_gone_is_said(tmp_path):
    """Files are read in their turn, not when they are listed."""
    (document,) = read_paths([tmp_path / "gone.json"])

    with pytest.raises(SimulatorError, match=r"gone\.json cannot be read"):
        document.read()


@pytest.mark.parametrize(
    ("stream", "bodies"),
    [
        (b'{"a":\n1}\n', [b'{"a":\n1}\n']),
        (b'{"a":1}\n', [b'{"a":1}\n']),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}']),
        (b'{"a":1}\r\n\r\n{"b":2}', [b'{"a":1}', b'{"b":2}']),
        (b"MSH|1\rPID|2\n", [b"MSH|1\rPID|2\n"]),
        (b'{"a":1}\nMSH|1\n', [b'{"a":1}\nMSH|1\n']),
        (b"1\n2\n", [b"1\n2\n"]),
        (b"[1,\n2]", [b"[1,\n2]"]),
    ],
)
def test_a_stream_is_one_body_or_json_lines(stream, bodies):
    """Lines only if it is no JSON as a whole, and each of them is an object."""
    assert [each.read() for each in split_stream(stream, "it")] == bodies


@pytest.mark.parametrize("stream", [b"", b" \r\n"])
def test_a_blank_stream_is_said(stream):
    """Somebody forgot to pipe something in."""
    with pytest.raises(SimulatorError, match="nothing in standard input"):
        split_stream(stream, "standard input")

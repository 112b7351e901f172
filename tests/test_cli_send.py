"""The command ``send``, against real destinations on loopback."""

from __future__ import annotations

import io
import json
import signal
import sys
from base64 import b64decode
from collections import Counter
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from rich.console import Console

from redox_wsgi.cli import main
from redox_wsgi.cli.report import Report
from redox_wsgi.cli.screen import Screen
from redox_wsgi.cli.tally import MOST_ROWS, Row
from redox_wsgi.simulator import EVENTS, Answer, SimulatorError
from redox_wsgi.simulator.delivery import Deliverer
from tests.support.right_destination import META, TOKEN, serve_right_destination

ARRIVAL = (
    b'{"Meta":{"DataModel":"PatientAdmin","EventType":"Arrival",'
    b'"Source":{"ID":"s"},"Logs":[{"ID":"l","AttemptID":"a"}]}}\n'
)
PRODUCTION = ("--environment", "production", "--time-scale", "0.000001")


@pytest.fixture
def destination():
    """Serve a destination that answers as it should."""
    with serve_right_destination() as destination:
        yield destination


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)


def send(capsys, destination, *arguments):
    """Run the command; return its exit status and both outputs, free of the token."""
    status = main(["send", destination.url, *map(str, arguments)])
    out, err = capsys.readouterr()
    assert TOKEN not in out + err
    return status, out, err


def fail_first(count):
    """Make a status that is 503 so often for each log, and then 200."""
    seen: Counter[str] = Counter()

    def status(body):
        log_id = json.loads(body)["Meta"]["Logs"][0]["ID"]
        seen[log_id] += 1
        return 503 if seen[log_id] <= count else 200

    return status


def test_help_says_that_an_option_is_visible(capsys, destination):
    """A token belongs into the environment."""
    status, out, _ = send(capsys, destination, "--help")

    assert status == 0
    assert "visible in process lists" in " ".join(out.split())
    assert all(event.split()[-1] in out for event in EVENTS)
    assert all(len(line) <= 80 for line in out.splitlines())


def test_with_neither_paths_nor_events_every_built_in_event_is_sent(
    capsys, destination
):
    """Each is in the table by its name, in the order of ``EVENTS``."""
    status, out, err = send(capsys, destination)
    metas = [json.loads(body)["Meta"] for body in destination.bodies]
    sent = [f"{meta['DataModel']}:{meta['EventType']}" for meta in metas]
    rows = [line for line in out.splitlines() if " ms " in line]

    assert (status, err) == (0, "")
    assert sorted(sent) == sorted(EVENTS)
    assert len(rows) == len(EVENTS)
    assert all(event in row for event, row in zip(EVENTS, rows, strict=True))
    assert f"{len(EVENTS)} of {len(EVENTS)} answered as they should be." in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "\x1b" not in out


def test_events_of_one_subscription_come_in_the_order_given(capsys, destination):
    """Those of others may come between them."""
    names = ["Arrival", "Transfer", "Discharge"]
    arguments = [
        argument
        for name in names
        for argument in ("--event", f"PatientAdmin:{name}", "--event", "Media:New")
    ]
    send(capsys, destination, *arguments)
    metas = [json.loads(body)["Meta"] for body in destination.bodies]
    came = [each["EventType"] for each in metas if each["DataModel"] == "PatientAdmin"]

    assert came == names
    assert len(metas) == 6


def test_files_are_sent_byte_for_byte(capsys, destination, tmp_path):
    """A folder's and a file of another format; then the events."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.json").write_bytes(b"\xff second")
    (folder / "a.jsonl").write_bytes(b" first \r\n\n{}\n")
    single = tmp_path / "single.hl7"
    single.write_bytes(b"MSH|\r")
    arguments = (folder, single, "--event", "Media:New")
    status, _, err = send(capsys, destination, *arguments)

    assert (status, err) == (0, "")
    documents = [body for body in destination.bodies if b"Media" not in body]
    assert documents == [b" first ", b"{}", b"\xff second", b"MSH|\r"]
    assert len(destination.bodies) == 5


def test_the_standard_input_may_be_lines(capsys, destination, monkeypatch):
    """So that another program can write them."""
    stdin = SimpleNamespace(buffer=io.BytesIO(b'{"a":1}\n{"b":2}\n'))
    monkeypatch.setattr(sys, "stdin", stdin)
    status, out, _ = send(capsys, destination, "-")

    assert status == 0
    assert destination.bodies == [b'{"a":1}', b'{"b":2}']
    assert "standard input:2" in out


def test_the_standard_input_is_read_only_once(capsys, destination):
    """The second would be empty."""
    status, _, err = send(capsys, destination, "-", "-")

    assert status == 2
    assert "only once" in err


def test_a_folder_without_json_is_wrong_use(capsys, destination, tmp_path):
    """Better than a run that sends nothing and says all is well."""
    status, _, err = send(capsys, destination, tmp_path)

    assert status == 2
    assert "*.json" in err


def test_a_file_that_vanishes_ends_the_run_with_the_sum_so_far(
    capsys, destination, tmp_path
):
    """What was answered before is still shown."""
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    first.write_bytes(b"{}")
    second.write_bytes(b"{}")
    destination.reply = lambda _: second.unlink() or b""
    status, out, err = send(capsys, destination, first, second)

    assert status == 1
    assert "1 of 1 answered as they should be." in out
    assert "Of 2 in all: 0 to be sent again, 1 never answered." in out
    assert "2.json cannot be read" in err


def test_files_that_repeat_each_other_are_noticed(capsys, destination, tmp_path):
    """A destination that passes over duplicates does right."""
    path = tmp_path / "arrival.json"
    path.write_bytes(ARRIVAL)
    twice = send(capsys, destination, path, path)
    as_it_is = list(destination.bodies)
    stamped = send(capsys, destination, path, path, "--new-ids")

    assert (twice[0], stamped[0]) == (0, 0)
    assert "Note: 1 of the files repeat another byte for byte" in twice[2]
    assert stamped[2] == ""
    assert as_it_is == [ARRIVAL] * 2
    assert len({ARRIVAL, *destination.bodies}) == 3


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("patientadmin:arival", "PatientAdmin:Arrival"),
        ("ClinicalSummary:PatientPush", "Clinical Summary:PatientPush"),
        ("xyzzy", "none comes close"),
    ],
)
def test_an_unknown_event_is_answered_with_those_that_come_close(
    capsys, destination, name, cure
):
    """Nothing is sent, not even the known ones."""
    arguments = ("--event", "Media:New", "--event", name)
    status, _, err = send(capsys, destination, *arguments)

    assert status == 2
    assert cure in err
    assert destination.bodies == []


def test_values_are_set_in_every_transmission(capsys, destination):
    """Typed: what is JSON is no text."""
    status, _, _ = send(
        capsys,
        destination,
        *("--event", "PatientAdmin:Arrival", "--event", "PatientAdmin:Discharge"),
        *("--set", "Patient.Demographics.FirstName=Zoë", "--set", "Meta.Test=false"),
    )
    payloads = [json.loads(body) for body in destination.bodies]

    assert status == 0
    for payload in payloads:
        assert payload["Patient"]["Demographics"]["FirstName"] == "Zoë"
        assert payload["Meta"]["Test"] is False


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("Patient.Identifiers.9.ID=1", "9 is beyond its end"),
        ("Patient.Identifiers.X=1", "should be a number"),
        ("Patient", "there is no '=' in it"),
    ],
)
def test_a_setting_that_cannot_be_is_told_before_anything_is_sent(
    capsys, destination, setting, sentence
):
    """In a sentence that names the place."""
    arguments = ("--event", "PatientAdmin:Arrival", "--set", setting)
    status, _, err = send(capsys, destination, *arguments)

    assert status == 2
    assert sentence in err
    assert destination.bodies == []


def test_a_count_spread_over_subscriptions(capsys, destination):
    """Each has its own identifiers, and each source the same number."""
    arguments = ("--event", "PatientAdmin:Arrival", "--count", 6, "--subscriptions", 3)
    status, _, _ = send(capsys, destination, *arguments)
    metas = [json.loads(body)["Meta"] for body in destination.bodies]

    assert status == 0
    assert len({meta["Logs"][0]["ID"] for meta in metas}) == 6
    assert set(Counter(meta["Source"]["ID"] for meta in metas).values()) == {2}


@pytest.mark.parametrize(
    ("options", "connections"),
    [
        ((), 8),
        (("--subscriptions", 2), 8),
        (("--subscriptions", 20), 20),
        (("--subscriptions", 20, "--connections", 1), 1),
    ],
)
def test_as_many_are_under_way_as_are_asked_for(
    capsys, destination, monkeypatch, options, connections
):
    """A small server is not flooded by default."""
    asked = []

    class Spy(Deliverer):
        def __init__(self, *arguments, **options):
            asked.append(options["connections"])
            super().__init__(*arguments, **options)

    monkeypatch.setattr("redox_wsgi.cli.send.Deliverer", Spy)
    status, _, _ = send(capsys, destination, "--event", "Media:New", *options)

    assert (status, asked) == (0, [connections])


def test_the_file_of_a_built_in_event_has_the_size_asked_for(capsys, destination):
    """For trying the limits of a destination."""
    send(capsys, destination, "--event", "Notes:New", "--file-bytes", 70_000)
    note = json.loads(destination.bodies[0])["Note"]

    assert len(b64decode(note["FileContents"])) == 70_000


def test_an_attachment_alone_goes_as_a_medium(capsys, destination, tmp_path):
    """With its own name."""
    scan = tmp_path / "scan.jpeg"
    scan.write_bytes(b"\xff\xd8")
    status, _, _ = send(capsys, destination, "--attach", scan)
    (medium,) = [json.loads(body)["Media"] for body in destination.bodies]

    assert status == 0
    assert b64decode(medium["FileContents"]) == b"\xff\xd8"
    assert (medium["FileName"], medium["FileType"]) == ("scan.jpeg", "JPEG")


def test_an_attachment_without_a_place_is_wrong_use(capsys, destination, tmp_path):
    """Nobody should believe that it was sent."""
    scan = tmp_path / "scan.jpeg"
    scan.write_bytes(b"\xff\xd8")
    arguments = ("--attach", scan, "--event", "PatientAdmin:Arrival")
    status, _, err = send(capsys, destination, *arguments)

    assert status == 2
    assert "place for a file" in err


def test_in_production_what_failed_is_sent_again(capsys, destination):
    """The same log, another attempt; the next one waits for it."""
    destination.status = fail_first(4)
    names = ["Arrival", "Discharge"]
    events = [each for name in names for each in ("--event", f"PatientAdmin:{name}")]
    status, out, _ = send(capsys, destination, *events, *PRODUCTION)
    metas = [json.loads(body)["Meta"] for body in destination.bodies]
    logs = [meta["Logs"][0] for meta in metas]

    assert status == 0
    assert [meta["EventType"] for meta in metas] == ["Arrival"] * 5 + ["Discharge"] * 5
    assert len({log["ID"] for log in logs}) == 2
    assert len({log["AttemptID"] for log in logs}) == 10
    assert "Tries" in out
    assert "2 of 2 answered as they should be." in out
    assert "Failed three times: 2. In production, Redox alerts" in out


def test_a_file_is_sent_again_byte_for_byte(capsys, destination, tmp_path):
    """Not even its attempt is stamped."""
    path = tmp_path / "arrival.json"
    path.write_bytes(ARRIVAL)
    destination.status = fail_first(2)
    status, out, _ = send(capsys, destination, path, *PRODUCTION)

    assert status == 0
    assert destination.bodies == [ARRIVAL] * 3
    assert "Failed three times" not in out


@pytest.mark.parametrize("environment", [(), ("--environment", "staging")])
def test_elsewhere_nothing_is_sent_again(capsys, destination, environment):
    """A run tells of the failure, and goes on."""
    destination.status = fail_first(1)
    arguments = ("--event", "PatientAdmin:Arrival", "--count", 2, *environment)
    status, out, _ = send(capsys, destination, *arguments)

    assert status == 1
    assert len(destination.bodies) == 2
    assert "Tries" not in out
    assert out.count("wrong: the status should be 200") == 2


def test_who_gives_up_ends_with_1(capsys, destination):
    """After so many attempts, each."""
    destination.status = lambda _: 500
    arguments = ("--event", "PatientAdmin:Arrival", "--count", 2, *PRODUCTION)
    status, out, _ = send(capsys, destination, *arguments, "--give-up-after", 3)

    assert status == 1
    assert len(destination.bodies) == 6
    assert "0 of 2 answered as they should be." in out


@pytest.mark.parametrize("option", ["--time-scale", "--give-up-after"])
def test_an_option_about_retries_wants_them(capsys, destination, option):
    """Silence would let people believe that it works."""
    status, _, err = send(capsys, destination, option, 1)

    assert status == 2
    assert "--environment production" in err


def test_json_output_is_one_object_a_line(capsys, destination):
    """For machines: no table, no sum; the body of an answer only for a query."""
    arguments = ("--json", "--event", "PatientSearch:Query")
    status, out, _ = send(capsys, destination, *arguments)
    query = json.loads(out)
    source = json.loads(destination.bodies[0])["Meta"]["Source"]["ID"]

    assert status == 0
    assert query.pop("seconds") > 0
    assert query.pop("at_seconds") >= 0
    assert query == {
        "sent": "PatientSearch:Query",
        "subscription": f"{source}|patientsearch",
        "attempt": 1,
        "retry_after_seconds": None,
        "status": 200,
        "right": True,
        "problem": None,
        "error": None,
        "answer": META.decode(),
    }


def test_json_output_has_a_line_for_each_attempt(capsys, destination):
    """The last one says that it is the last."""
    destination.status = fail_first(2)
    arguments = ("--json", "--event", "PatientAdmin:Arrival", *PRODUCTION)
    status, out, _ = send(capsys, destination, *arguments)
    lines = [json.loads(line) for line in out.splitlines()]

    assert status == 0
    assert [line["attempt"] for line in lines] == [1, 2, 3]
    assert [line["retry_after_seconds"] for line in lines] == [
        0.0,
        pytest.approx(1e-05),
        None,
    ]
    assert [line["answer"] for line in lines] == [None] * 3


def test_nobody_listening_is_told_in_words_and_in_json(capsys):
    """The fixed words are for machines, the sentence is for people."""
    with serve_right_destination() as closed:
        pass
    status, out, _ = send(capsys, closed, "--event", EVENTS[0])
    _, lines, _ = send(capsys, closed, "--event", EVENTS[0], "--json")
    line = json.loads(lines)

    assert status == 1
    assert "wrong: no answer (connection-refused)" in " ".join(out.split())
    assert (line["status"], line["error"]) == (None, "connection-refused")
    assert (line["right"], line["problem"]) == (False, "no-answer")


def test_what_the_sender_cannot_send_ends_the_run(capsys, destination, monkeypatch):
    """With a sentence and no traceback."""

    def refuse(*_):
        raise SimulatorError("It cannot be sent so.")

    monkeypatch.setattr("redox_wsgi.simulator.Sender.send", refuse)
    status, _, err = send(capsys, destination, "--event", EVENTS[0])

    assert (status, err) == (1, "Error: It cannot be sent so.\n")


def test_the_answer_to_a_query_is_shown_shortened(capsys, destination):
    """Enough to see who answered."""
    answer = json.dumps({"Meta": {}, "text": "x" * 5000}).encode()
    destination.reply = lambda _: answer
    _, out, _ = send(capsys, destination, "--event", "PatientSearch:Query")

    assert "PatientSearch:Query was answered:" in out
    assert f"xxx ... ({len(answer)} characters)" in out


@pytest.mark.parametrize(("count", "shown"), [(20, 20), (25, 20), (101, 3)])
def test_not_more_answers_are_shown_than_anybody_reads(
    capsys, destination, count, shown
):
    """The others are counted."""
    arguments = ("--event", "PatientSearch:Query", "--count", count)
    _, out, _ = send(capsys, destination, *arguments)
    left_out = f"Answers not shown here: {count - shown}; --json has all."

    assert out.count("was answered:") == shown
    assert (left_out in out) is (count > shown)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize("token", [TOKEN, 'with"quote', "with/slash&"])
def test_a_token_that_the_destination_echoes_is_blanked(
    capsys, destination, token, form
):
    """As it stands, inside JSON, and inside an address."""
    forms = [token, json.dumps(token)[1:-1], quote(token, safe="")]
    echoed = json.dumps({"Meta": {}, "a": forms}).encode()
    destination.token = token
    destination.reply = lambda _: echoed
    arguments = ["--token", token, "--event", "PatientSearch:Query", *form]
    status = main(["send", destination.url, *arguments])
    out = capsys.readouterr().out

    assert status == 0
    assert "***" in out
    assert not any(each in out for each in forms)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_not_even_half_a_token_is_left_where_an_answer_is_cut(
    capsys, destination, form
):
    """It is blanked first, and shortened then."""
    start = b'{"Meta":{},"a":"'
    padding = b"x" * (400 - len(start) - len(TOKEN) // 2)
    destination.reply = lambda _: start + padding + TOKEN.encode() + b"x" * 400 + b'"}'
    _, out, _ = send(capsys, destination, "--event", "PatientSearch:Query", *form)

    assert "xxx***" in out
    assert TOKEN[:5] not in out


def test_a_token_in_the_name_of_a_file_is_blanked(capsys, destination, tmp_path):
    """In the table, and in lines of JSON."""
    path = tmp_path / f"{TOKEN}.json"
    path.write_bytes(ARRIVAL)
    statuses = [send(capsys, destination, path, *form)[0] for form in ((), ("--json",))]

    assert statuses == [0, 0]


def test_escape_sequences_of_a_destination_do_not_reach_the_terminal(
    capsys, destination
):
    """Nor does it matter if it writes what looks like markup."""
    destination.reply = lambda _: b'{"Meta":{}} \x1b[31m[/bold] \xff'
    _, out, _ = send(capsys, destination, "--event", "PatientSearch:Query")

    assert "\x1b" not in out
    assert '{"Meta":{}} \ufffd[31m[/bold] \ufffd' in out


def test_a_long_run_is_summed_up_by_event(capsys, destination):
    """A row for each event, and one for each of the first that went wrong."""
    destination.status = lambda body: 500 if b'"Media"' in body else 200
    arguments = ("--event", "Media:New", "--event", "Order:New", "--count", 60)
    status, out, _ = send(capsys, destination, *arguments)
    rows = [line.split() for line in out.splitlines()]

    assert status == 1
    assert ["Media:New", "60", "0", "60"] in [row[:4] for row in rows]
    assert ["Order:New", "60", "60", "60"] in [row[:4] for row in rows]
    assert out.count("wrong: the status should be 200") == 20
    assert "60 of 120 answered as they should be." in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_long_run_that_is_right_has_no_rows_of_what_went_wrong(capsys, destination):
    """One table is enough."""
    count = MOST_ROWS + 1
    status, out, _ = send(capsys, destination, "--event", "Order:New", "--count", count)

    assert status == 0
    assert out.count("Order:New") == 1
    assert "Verdict" not in out


ANSWERS = {
    True: Answer(200, (), b"", 0.1, None, None),
    False: Answer(500, (), b"", 0.1, None, "status-not-200"),
}


def row(position, is_right, name="one", **more):
    """Make a row of a report."""
    return Row(position, name, "group", ANSWERS[is_right], **more)


def terminal():
    """Make a console that takes itself for a terminal, and what it writes to."""
    stream = io.StringIO()
    return Console(file=stream, force_terminal=True, width=80), stream


def test_what_the_output_cannot_encode_is_escaped():
    """A name in any letters must not end the run."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    screen = Screen(Console(file=stream), token=TOKEN)
    with Report(screen, total=1, as_json=False) as report:
        report.add(row(0, True, "Łukasz"))
    stream.flush()

    assert b"\\u0141ukasz" in raw.getvalue()


def test_on_a_terminal_there_are_colours_and_a_bar():
    """Only there; the bar tells how many are paused."""
    (console, out), (bar, progress) = terminal(), terminal()
    screen = Screen(console, token=TOKEN)
    with Report(screen, total=3, as_json=False, bar=bar) as report:
        report.announce(f"[red]first[/red] {TOKEN}")
        report.add(row(0, True))
        report.add(row(1, False, is_paused=True))
        report.add(row(1, False, attempts=2))
        report.add(row(2, True))

    assert "\x1b[32mright" in out.getvalue()
    assert "\x1b[31mwrong" in out.getvalue()
    assert "paused" not in out.getvalue()
    assert "Sending" in progress.getvalue()
    assert TOKEN not in progress.getvalue()
    assert report.exit_status == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_of_json_in_a_terminal_have_no_bar_beside_them(capsys, is_terminal):
    """They would overwrite each other; a file has no such trouble."""
    console, _ = terminal() if is_terminal else (Console(file=io.StringIO()), None)
    bar, progress = terminal()
    screen = Screen(console, token=TOKEN)
    with Report(screen, total=1, as_json=True, bar=bar) as report:
        report.add(row(0, True))

    assert ("Sending" in progress.getvalue()) is not is_terminal
    assert json.loads(capsys.readouterr().out)["right"] is True


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
def test_an_interruption_ends_with_the_sum_so_far(
    capsys, destination, monkeypatch, form
):
    """Ctrl-C while the second is awaited: status 130, no traceback."""
    bodies = iter([b"{}"])

    def take(_):
        try:
            return next(bodies)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr("redox_wsgi.simulator.delivery.prepared.encode_payload", take)
    arguments = ("--event", "Order:New", "--event", "Order:Cancel", *form)
    status, out, err = send(capsys, destination, *arguments)

    assert (status, err) == (130, "")
    assert form or "Interrupted: 1 of 1 answered as they should be." in out
    assert form or "Of 2 in all: 0 to be sent again, 1 never answered." in out
    assert not form or json.loads(out)["right"] is True


def test_an_interrupted_run_shows_what_is_paused():
    """That is why somebody interrupted it."""
    stream = io.StringIO()
    screen = Screen(Console(file=stream, width=80), token=TOKEN)
    with Report(screen, total=4, as_json=False) as report:
        report.add(row(1, False, "second", is_paused=True))
        report.add(row(0, True, "first"))
        report.add(row(1, False, "second", is_paused=True, attempts=3))
        raise KeyboardInterrupt
    out = stream.getvalue()

    assert report.exit_status == 130
    assert out.index("first") < out.index("second")
    assert "paused: the status should be 200" in " ".join(out.split())
    assert "Failed three times: 1." in out
    assert "Of 4 in all: 1 to be sent again, 2 never answered." in out


def test_a_run_that_ends_early_is_not_right():
    """Whatever ended it: a script must not believe that all was sent."""
    screen = Screen(Console(file=io.StringIO()), token=TOKEN)
    with Report(screen, total=2, as_json=False) as report:
        report.add(row(0, True))

    assert report.exit_status == 1


def test_a_second_interruption_does_not_spoil_the_sum():
    """Impatient people press twice; after the sum it works as before."""
    before = signal.getsignal(signal.SIGINT)

    class Impatient(io.StringIO):
        def write(self, text):
            signal.raise_signal(signal.SIGINT)
            return super().write(text)

    stream = Impatient()
    screen = Screen(Console(file=stream, width=80), token=TOKEN)
    with Report(screen, total=1, as_json=False) as report:
        raise KeyboardInterrupt

    assert report.exit_status == 130
    assert "never answered" in stream.getvalue()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interruption_before_the_first_answer_has_no_table():
    """An empty one says nothing."""
    stream = io.StringIO()
    screen = Screen(Console(file=stream, width=80), token=TOKEN)
    with Report(screen, total=1, as_json=False):
        raise KeyboardInterrupt

    assert stream.getvalue() == (
        "Interrupted: 0 of 0 answered as they should be.\n"
        "Of 1 in all: 0 to be sent again, 1 never answered.\n"
    )

"""The parts that ``check`` is made of, each by itself."""

from __future__ import annotations

import itertools
import json
import random
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest

from redox_wsgi.simulator import SimulatorError
from redox_wsgi.simulator.check import (
    GROUPS,
    Bench,
    Finding,
    Group,
    Judgement,
    Probe,
    Verdict,
    build_junit,
    run_probes,
    select_probes,
)
from redox_wsgi.simulator.check.connection import CONNECTION
from redox_wsgi.simulator.check.material import Material
from redox_wsgi.simulator.check.queries import QUERIES
from redox_wsgi.simulator.check.redaction import Redaction, neutralise
from redox_wsgi.simulator.check.rules import describe
from redox_wsgi.simulator.check.verification import VERIFICATION
from redox_wsgi.simulator.check.wire import NotConnected, Reply
from redox_wsgi.simulator.exchange import NoAnswer
from tests.gallery.right import TOKEN, Answer, RightEndpoint
from tests.gallery.serving import serve
from tests.support.servers import find_free_port

NOW = datetime(2026, 1, 31, 10, 20, 30, tzinfo=UTC)
URL = "http://localhost/redox?a=b"


def only(url: str, *names: str, **how: Any) -> dict[str, Finding]:
    """Send probes, and what they need."""
    bench = Bench(url, token=TOKEN, **how)
    findings = run_probes(bench, select_probes(names))
    return {finding.probe.name: finding for finding in findings}


def build_query(data_model: str = "PatientSearch", event_type: str = "Query") -> bytes:
    """Build a query as small as it may be."""
    meta = {"DataModel": data_model, "EventType": event_type, "Test": True}
    return json.dumps({"Meta": meta}).encode()


# Choosing and running


def test_every_name_is_short_unique_and_explained() -> None:
    """Pipelines name probes, and people read what they say."""
    probes = [probe for group in GROUPS for probe in group.probes]
    names = [probe.name for probe in probes]
    groups = [group.name for group in GROUPS]

    assert len({*names, *groups}) == len(names) + len(groups)
    for probe in probes:
        assert probe.name == probe.name.lower()
        assert set(probe.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert len(probe.name) <= 24
        assert probe.why.endswith(".")
        assert probe.mend.endswith(".")
        assert set(probe.needs) <= set(names[: names.index(probe.name)])


def test_a_probe_brings_what_it_needs() -> None:
    """Directly, and by what it needs itself."""
    names = [probe.name for probe in select_probes(["large-body"])]

    assert names == [
        "reachable",
        "no-redirect",
        "token-both",
        "megabyte-body",
        "large-body",
    ]


def test_groups_stand_for_their_probes() -> None:
    """In both options; what is skipped is not brought by others either."""
    names = [probe.name for probe in select_probes(["queries"], ["connection"])]

    assert names == ["token-both", "query-answer"]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ((["token-nown"], []), "did you mean token-non"),
        (([], ["body"]), "no probe 'body'"),
        (([], ["zzzzzz"]), "see --list"),
        ((["reachable"], ["reachable"]), "no probe is left"),
    ],
    ids=["nearly a name", "in none", "far from all", "nothing left"],
)
def test_a_wrong_choice_is_told(choices: Any, words: str) -> None:
    """With the name that may have been meant."""
    with pytest.raises(SimulatorError, match=words):
        select_probes(*choices)


def test_a_group_of_ones_own_is_sent_like_the_others() -> None:
    """So an auth strategy brings its probes."""
    group = Group("own", "Of our own", needs=("reachable",))

    @group.probe("own-first", sends="", why="", mend="", needs=("own-second",))
    def _first(bench: Bench) -> Judgement:
        return Judgement(Verdict.FAILED, bench.shown_address)

    [probe] = select_probes(["own"], groups=(group,))

    assert probe.needs == ("reachable", "own-second")
    names = [it.name for it in select_probes(["own"], groups=(CONNECTION, group))]
    assert names == ["reachable", "own-first"]
    [finding] = run_probes(Bench(URL, token=TOKEN), [probe])
    assert (finding.verdict, finding.came) == ("fail", "http://localhost/redox")


def test_where_nobody_answers_one_probe_fails_and_the_rest_is_skipped() -> None:
    """One clear failure, not fifty."""
    found = only(f"http://127.0.0.1:{find_free_port()}/redox")
    first, *others = found.values()

    assert first.probe.name == "reachable"
    assert (first.verdict, first.came) == ("fail", "no connection: connection refused")
    for finding in others:
        assert finding.verdict == "skipped"
        assert finding.came == "no connection since reachable"


def test_what_needs_a_probe_that_failed_is_skipped_with_the_reason() -> None:
    """Also where what it needs was skipped itself."""

    class Refusing(RightEndpoint):
        def may_send(self, tokens: list[str]) -> bool:
            return False

    with serve(Refusing()) as url:
        found = only(url, "large-body")

    assert found["token-both"].came == "POST: status 401, of no type: no (refused)"
    assert found["megabyte-body"].came == "needs token-both, which failed"
    assert found["large-body"].came == "needs token-both, which failed"
    assert found["large-body"].verdict is Verdict.SKIPPED


def test_what_needs_a_skipped_probe_says_so() -> None:
    """It was not judged, so nobody knows."""
    probes = [_probe("first", Verdict.SKIPPED), _probe("second", needs=("first",))]
    findings = list(run_probes(Bench(URL, token=TOKEN), probes))

    assert findings[1].came == "needs first, which was skipped"


def test_an_endpoint_that_goes_away_fails_the_probe_that_saw_it() -> None:
    """Among requests at once, too."""
    bench = Bench(f"http://127.0.0.1:{find_free_port()}/", token=TOKEN)
    [probe] = select_probes(["several-subscriptions"], ["connection", "token-both"])

    with pytest.raises(NotConnected):
        probe.judge(bench)


# The bench


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"url": "ftp://localhost/"}, "must begin with http"),
        ({"token": "two words"}, "visible ASCII"),
        ({"timeout_seconds": 0}, "above 0"),
        ({"query": b"{"}, "not JSON"),
        ({"query": b"[" * 100_000}, "not JSON"),
        ({"query": b"{}"}, "of a query"),
        ({"query": build_query("PatientAdmin", "Arrival")}, "of a query"),
        ({"query": build_query().replace(b"true", b"false")}, "Meta.Test true"),
        ({"query": build_query().replace(b"true", b"1")}, "Meta.Test true"),
    ],
    ids=[
        "an address of another kind",
        "a token that no header takes",
        "no time",
        "a query that is no JSON",
        "a query that is too deep",
        "a query without Meta",
        "a notification",
        "a query that is no test",
        "a query that is not quite a test",
    ],
)
def test_a_bench_that_cannot_work_is_refused(how: dict[str, Any], words: str) -> None:
    """Before anything is sent."""
    with pytest.raises(SimulatorError, match=words):
        Bench(**{"url": URL, "token": TOKEN, **how})


def test_a_bench_shows_neither_token_nor_query() -> None:
    """Both may be secret."""
    bench = Bench(f"http://localhost/redox?key={TOKEN}", token=TOKEN)

    assert repr(bench) == "Bench('http://localhost/redox')"
    assert repr(bench.redaction) == "Redaction(***)"


def test_the_query_of_the_address_is_kept() -> None:
    """The endpoint may need it; what a probe adds comes after it."""
    targets = []

    class Noting(RightEndpoint):
        def respond(self, environ: Any) -> Answer:
            targets.append(environ["QUERY_STRING"])
            return super().respond(environ)

    with serve(Noting()) as url:
        only(url + "?key=1", "reachable", "no-redirect")

    post, get = targets[1:]
    assert targets[0] == post == "key=1"
    assert get.startswith("key=1&challenge=")


def test_another_credential_takes_the_place_of_the_token() -> None:
    """It sees the whole request; right verifications carry it too."""
    seen = []

    class Signature:
        def headers(self, request: Any) -> list[tuple[str, str]]:
            seen.append(request)
            return [("authorization", f"Bearer {TOKEN}")]

    with serve(RightEndpoint()) as url:
        found = only(url, "token-both", credential=Signature())

    assert found["token-both"].verdict is Verdict.PASSED
    by_post, by_get, request = seen
    assert (by_post.method, by_get.method) == ("POST", "GET")
    assert (request.method, request.url) == ("POST", url)
    assert ("content-length", str(len(request.body))) in request.headers
    assert ("content-type", "application/json") in request.headers


def test_a_credential_that_cannot_be_had_fails_the_probe() -> None:
    """Nothing was sent; the word says why."""

    class Unavailable:
        def headers(self, request: Any) -> list[tuple[str, str]]:
            raise NoAnswer("no-credential")

    with serve(RightEndpoint()) as url:
        found = only(url, "token-both", credential=Unavailable())

    came = "POST: no answer: nothing was sent (no-credential)"
    assert found["token-both"].came == came


def test_long_and_hostile_answers_are_shown_short_and_tame() -> None:
    """No escape sequence and no token reaches a terminal or a file."""
    bench = Bench(URL, token=TOKEN)
    headers = (("location", f"/{TOKEN}"), ("content-type", "text/\x1b[31mhtml"))
    body = b"\x1b]0;" + TOKEN.encode() + b"\x00\xff\r\n " + b"x" * 500

    shown = describe(bench, Reply(302, headers, body))

    assert shown.startswith("status 302, to /***, text/\ufffd[31mhtml: \ufffd]0;***")
    assert shown.endswith("... (510 characters)")
    assert shown.isprintable()


# What is sent


def test_everything_that_is_sent_is_marked_as_a_test() -> None:
    """Nobody may take it for a patient's."""
    bodies = []

    class Noting(RightEndpoint):
        def read(self, environ: Any, limit_bytes: int) -> bytes | Answer:
            body = super().read(environ, limit_bytes)
            bodies.append(body)
            return body

    with serve(Noting()) as url:
        bench = Bench(url, token=TOKEN, query=build_query())
        list(run_probes(bench, select_probes(skip=["large-body"])))

    payloads = [_read(body) for body in bodies if isinstance(body, bytes)]
    transmissions = [it for it in payloads if isinstance(it, dict) and "Meta" in it]
    assert len(transmissions) > 20
    for payload in transmissions:
        assert payload["Meta"]["Test"] is True
    for payload in payloads:
        if isinstance(payload, dict) and payload.get("resourceType") == "Bundle":
            labels = [it["resource"]["meta"]["security"] for it in payload["entry"]]
            assert all(label[0]["code"] == "HTEST" for label in labels)


def test_material_is_made_of_the_clock_and_the_randomness_given() -> None:
    """So a run can be repeated byte for byte."""
    first, second = (
        Material(now=NOW, random=random.Random(7))  # noqa: S311 - to be repeated
        for _ in range(2)
    )

    assert first.arrival() == second.arrival() != first.arrival()
    assert b"2026-01-31T" in first.arrival()


def test_a_retry_differs_in_its_attempt_only() -> None:
    """So Redox is believed to retry."""
    material = Material(now=NOW, random=random.SystemRandom())
    body = material.arrival()
    first, second = json.loads(body), json.loads(material.retry_of(body))
    before, after = (it["Meta"]["Logs"][0].pop("AttemptID") for it in (first, second))

    assert before != after
    assert first == second


def test_nulls_stand_everywhere_but_in_the_event() -> None:
    """Only these are always there, and the mark of a test stays."""
    body = Material(now=NOW, random=random.SystemRandom()).arrival_without_values()
    payload = json.loads(body)

    assert payload["Meta"].pop("DataModel") == "PatientAdmin"
    assert payload["Meta"].pop("EventType") == "Arrival"
    assert payload["Meta"].pop("Test") is True
    assert set(_leaves(payload)) <= {None}
    assert payload["Patient"]["Identifiers"] == []


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in _leaves(member)]
    return [] if isinstance(value, list) else [value]


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


# The token


@pytest.mark.parametrize(
    "form",
    [
        lambda token: token,
        lambda token: token.swapcase(),
        lambda token: token[:-1],
        lambda token: token + "x",
        json.dumps,
        lambda token: quote(token, safe=""),
        lambda token: b64encode(token.encode()).decode(),
        lambda token: token.replace("&", "&amp;").replace('"', "&quot;"),
    ],
    ids=[
        "as it is",
        "in the wrong case",
        "a character too few",
        "a character too many",
        "in JSON",
        "in an address",
        "in base64",
        "in a page",
    ],
)
def test_the_token_is_blanked_in_every_form(form: Any) -> None:
    """An endpoint echoes what it was sent, or what it expected."""
    token = 'Sec+ret/"&-token'
    redaction = Redaction(token)
    text = f"<{form(token)}>"

    assert redaction.finds(text)
    assert "ecret" not in redaction.blank(text).lower()
    assert "***" in redaction.blank(text)


def test_a_short_token_is_blanked_as_it_is() -> None:
    """Redox itself suggests 123; a part of it says nothing."""
    redaction = Redaction("123")

    assert not redaction.is_telling
    assert redaction.blank("12, 123") == "12, ***"


def test_what_does_not_print_is_replaced() -> None:
    """Also what no XML may hold."""
    assert neutralise("a\x1b\x00\n\ud800ë") == "a\ufffd\ufffd\ufffd\ufffdë"


# Single probes


def test_a_token_without_letters_has_no_wrong_case() -> None:
    """What cannot be tried is not judged."""

    class Numbered(RightEndpoint):
        token = "12"

    with serve(Numbered()) as url:
        bench = Bench(url, token="12")
        names = ["challenge-token-case", "token-case", "refusal-secret"]
        found = {it.probe.name: it for it in run_probes(bench, select_probes(names))}

    assert found["challenge-token-case"].came == "the token has no letters"
    assert found["token-case"].came == "the token has no letters"
    assert "too short" in found["refusal-secret"].came


def test_a_slow_answer_is_a_warning() -> None:
    """By the median, so that one slow answer is forgiven."""
    with serve(RightEndpoint()) as url:
        clock = itertools.count(0, 1).__next__
        found = only(url, "time-to-answer", clock=clock, timeout_seconds=600)

    assert found["time-to-answer"].verdict is Verdict.WARNING
    assert found["time-to-answer"].came.endswith("000 ms, the median of 3")


def test_the_time_of_failures_is_not_judged() -> None:
    """What was refused at once was not fast."""

    class Once(RightEndpoint):
        count = 0

        def receive(self, environ: Any, body: bytes) -> Answer:
            self.count += 1
            return Answer(200 if self.count == 1 else 500)

    with serve(Once()) as url:
        found = only(url, "time-to-answer")

    assert found["time-to-answer"].verdict is Verdict.FAILED
    assert "the status should be 200" in found["time-to-answer"].came


@pytest.mark.parametrize(
    ("url", "verdict", "came"),
    [
        ("http://localhost/", "skipped", "check the public address too"),
        ("http://127.0.0.2/", "skipped", "check the public address too"),
        ("http://[::1]/", "skipped", "check the public address too"),
        ("http://192.0.2.1/", "warning", "plain HTTP"),
        ("http://example.org/", "warning", "plain HTTP"),
    ],
)
def test_plain_http_is_for_one_machine_only(url: str, verdict: str, came: str) -> None:
    """Nothing is sent to find that out."""
    judgement = _find(CONNECTION, "https").judge(Bench(url, token=TOKEN))

    assert judgement.verdict == verdict
    assert came in judgement.came


def test_https_passes_with_its_version() -> None:
    """The connection itself was judged where it was made."""
    bench = Bench("https://example.org/", token=TOKEN)
    _answer_with(bench, Reply(200, tls="TLSv1.2"))

    assert _find(CONNECTION, "https").judge(bench) == Judgement(
        Verdict.PASSED, "TLSv1.2"
    )


def test_a_verification_without_an_answer_fails() -> None:
    """As one does with a status or without the challenge."""
    bench = Bench(URL, token=TOKEN)
    _answer_with(bench, Reply(None, error="timed out"))

    judgement = _find(VERIFICATION, "verification-by-get").judge(bench)

    assert judgement == Judgement(Verdict.FAILED, "GET: no answer: timed out")


def test_half_a_body_cannot_be_sent_over_tls() -> None:
    """Not so that an answer could be read."""
    [probe] = [
        it for it in select_probes(["truncated-body"]) if it.name == "truncated-body"
    ]
    bench = Bench("https://example.org/", token=TOKEN)

    assert probe.judge(bench).verdict is Verdict.SKIPPED


def test_an_answer_before_the_end_of_a_large_body_is_no_success() -> None:
    """Nobody can have kept what was not sent."""
    [probe] = [
        it for it in select_probes(["megabyte-body"]) if it.name == "megabyte-body"
    ]
    bench = Bench(URL, token=TOKEN)
    _answer_with(bench, Reply(200, is_early=True))

    judgement = probe.judge(bench)

    assert judgement.verdict is Verdict.FAILED
    assert "answered before the body was sent" in judgement.came


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(401, is_early=True), "pass"),
        (Reply(413), "pass"),
        (Reply(None, error="the connection was closed", is_early=True), "pass"),
        (Reply(None, error="timed out", is_early=True), "fail"),
        (Reply(401), "fail"),
        (Reply(200, is_early=True), "fail"),
    ],
    ids=["at once", "at last", "hung up", "waiting", "after reading", "accepted"],
)
def test_a_limit_shows_before_the_body_comes(reply: Reply, verdict: str) -> None:
    """Afterwards nobody can tell whether it would have been read."""
    [probe] = [it for it in select_probes(["body-limit"]) if it.name == "body-limit"]
    bench = Bench(URL, token=TOKEN)
    _answer_with(bench, reply)

    assert probe.judge(bench).verdict == verdict


def _response(event_type: str = "Response", **more: Any) -> bytes:
    meta = {"DataModel": "Patient search", "EventType": event_type, **more}
    return json.dumps({"Meta": meta}).encode()


@pytest.mark.parametrize(
    ("reply", "verdict", "remark"),
    [
        (Reply(200, body=_response()), "pass", "status 200"),
        (Reply(200, body=_response(Errors=[])), "pass", "status 200"),
        (Reply(200, body=_response(Errors=[{"ID": 1}])), "warning", "Meta.Errors"),
        (Reply(None, error="timed out"), "fail", "no answer: timed out"),
        (Reply(200, body=_response(), seconds=121), "fail", "more than 120 seconds"),
        (Reply(404, body=_response()), "fail", "the status should be 200"),
        (Reply(302, (("location", "/"),)), "fail", "the status should be 200"),
        (Reply(200), "fail", "a query wants JSON"),
        (Reply(200, body=b"[" * 100_000), "fail", "a query wants JSON"),
        (Reply(200, body=b"[]"), "fail", "the Meta is missing"),
        (Reply(200, body=b'{"Meta": []}'), "fail", "the Meta is missing"),
        (Reply(200, body=_response("QueryResponse")), "fail", "PatientSearch:Response"),
        (Reply(200, body=b'{"Meta": {}}'), "fail", "PatientSearch:Response"),
    ],
)
def test_the_answer_to_a_query_is_judged(
    reply: Reply, verdict: str, remark: str
) -> None:
    """By its status, its time, and the event its Meta names."""
    bench = Bench(URL, token=TOKEN, query=build_query())
    _answer_with(bench, reply)

    judgement = _find(QUERIES, "query-answer").judge(bench)

    assert judgement.verdict == verdict
    assert remark in judgement.came


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (("PatientSearch", "Query"), "Response"),
        (("Clinical Decisions", "Request"), "Response"),
        (("Clinical Summary", "PatientQuery"), "PatientQueryResponse"),
        (("Scheduling", "Booked"), "BookedResponse"),
    ],
)
def test_every_query_has_its_response(asked: tuple[str, str], answered: str) -> None:
    """Two are answered by just Response."""
    bench = Bench(URL, token=TOKEN, query=build_query(*asked))
    meta = {"DataModel": asked[0], "EventType": answered}
    _answer_with(bench, Reply(200, body=json.dumps({"Meta": meta}).encode()))

    judgement = _find(QUERIES, "query-answer").judge(bench)

    assert judgement.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [((("location", "/session"),), "pass"), ((), "fail")],
    ids=["with a Location", "without"],
)
def test_a_sign_on_may_be_answered_by_a_redirect(
    headers: tuple[tuple[str, str], ...], verdict: str
) -> None:
    """The one query that may."""
    bench = Bench(URL, token=TOKEN, query=build_query("SSO", "Sign-on"))
    _answer_with(bench, Reply(302, headers))

    assert _find(QUERIES, "query-answer").judge(bench).verdict == verdict


def _answer_with(bench: Bench, reply: Reply) -> None:
    """Put an answer in the place of the network."""

    class Wired:
        def exchange(self, _: object) -> Reply:
            return reply

    vars(bench)["_wire"] = Wired()
    vars(bench)["usual"] = Reply(200)


def _find(group: Group, name: str) -> Probe:
    [probe] = [probe for probe in group.probes if probe.name == name]
    return probe


# JUnit


def _probe(
    name: str,
    verdict: Verdict = Verdict.PASSED,
    came: str = "came",
    needs: tuple[str, ...] = (),
) -> Probe:
    judgement = Judgement(verdict, came)
    return Probe(name, "group", "sends", "why", "mend", needs, lambda _: judgement)


def test_junit_tells_failures_skipped_probes_and_warnings() -> None:
    """In the form that pipelines read."""
    findings = [
        Finding(_probe(verdict.name.lower()), verdict, f"<{verdict}>\në", 0.25)
        for verdict in Verdict
    ]

    suite = ElementTree.fromstring(build_junit(findings, "http://localhost/redox"))  # noqa: S314 - our own

    assert suite.tag == "testsuite"
    assert suite.attrib["tests"] == "4"
    assert suite.attrib["failures"] == suite.attrib["skipped"] == "1"
    assert suite.attrib["time"] == "1.000"
    [address] = suite.iter("property")
    assert address.attrib["value"] == "http://localhost/redox"
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert [*cases] == ["passed", "warning", "failed", "skipped"]
    assert {case.attrib["classname"] for case in cases.values()} == {
        "redox-wsgi.check.group"
    }
    assert list(cases["passed"]) == []
    [skipped] = cases["skipped"]
    assert (skipped.tag, skipped.attrib["message"]) == ("skipped", "<skipped>\në")
    [failure] = cases["failed"]
    assert failure.attrib["message"] == "<fail>\në"
    assert failure.text == "sent: sends\ncame: <fail>\në\nwhy: why\nmend: mend\n"
    [out] = cases["warning"]
    assert out.tag == "system-out"
    assert (out.text or "").startswith("warning\nsent: sends\n")

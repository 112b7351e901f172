"""One test for each weakness that was found in authentication; none is ever removed."""

from __future__ import annotations

import base64
import copy
import hmac
import io
import json
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import pytest

from redox_wsgi import (
    AllOf,
    AuthenticationFailed,
    AuthenticatorUnavailable,
    BodyTooLarge,
    ConfigurationError,
    Destination,
    MalformedRequest,
    Principal,
    Request,
    Transmission,
    VerificationToken,
)
from redox_wsgi.authentication.aws_sigv4 import AwsSigV4
from redox_wsgi.authentication.google_token_info import GoogleTokenInfo
from redox_wsgi.authentication.hmac_signature import HmacSignature
from redox_wsgi.authentication.jose.encoding import decode_base64url, parse_object
from redox_wsgi.authentication.jwt_bearer import JwtBearer
from redox_wsgi.authentication.keys import StaticKeySet, parse_key_set
from redox_wsgi.authentication.outgoing.snapshot import read_lifetime
from redox_wsgi.authentication.remote_keys import RemoteKeySet
from redox_wsgi.authentication.replay import MemoryReplayStore, SqliteReplayStore
from redox_wsgi.authentication.self_issued_token import SelfIssuedToken
from redox_wsgi.authentication.token_introspection import (
    ClientCredentials,
    TokenIntrospection,
)
from redox_wsgi.cli import main, private_file
from redox_wsgi.oauth import (
    AssertionRules,
    Client,
    Clients,
    ServerMetadata,
    hash_secret,
)
from redox_wsgi.oauth.token_request import TokenRequestReader
from tests.support import jose
from tests.support.aws import build_signed_environ
from tests.support.aws_app import build_authenticator
from tests.support.builders import TOKEN, build_application
from tests.support.jose import build_key_set
from tests.support.json_server import JsonServer, build_answer, run_json_server
from tests.support.leaks import list_chain
from tests.support.oauth import (
    FORM,
    JWT_BEARER,
    SCOPES,
    URL,
    Clock,
    ask,
    assertion,
    build_claims,
    build_endpoint,
    build_public_keys,
    build_tokens,
    private_key,
    read,
    sign,
)
from tests.support.wsgi import build_environ, send

CANARY = "canary-of-a-secret-7f3a"
KEYS = StaticKeySet(jose.build_key_set("ES256"))
HMAC_SECRET = "made-up-secret-of-forty-characters-00002"


@pytest.fixture
def server() -> Iterator[JsonServer]:
    """Run a server that answers as it is told."""
    with run_json_server() as running:
        yield running


# The token endpoint.


@pytest.mark.parametrize("secret", ["", " ", "\t\n", "x\n", "\u00e9", None, b"x"])
def test_a_secret_that_was_never_set_has_no_hash(secret: Any) -> None:
    """Of an unset variable, it would let anybody in who knows the client's ID."""
    with pytest.raises(ConfigurationError, match="client secret is text"):
        hash_secret(secret)


def test_the_hash_of_nothing_registers_nobody() -> None:
    """Written by another program, it opens the same door."""
    with pytest.raises(ConfigurationError, match="A secret of client redox is empty"):
        Client(client_id="redox", secret_hashes=(sha256().hexdigest(),))


def test_an_assertion_without_a_subject_is_no_grant() -> None:
    """RFC 7523 section 3: "The JWT MUST contain a sub (subject) claim"."""
    endpoint = build_endpoint(jwt_bearer=AssertionRules(URL))

    for subject, status in ((None, 400), ("", 400), ("anybody", 200)):
        token = sign(build_claims(sub=subject))
        reply = ask(endpoint, {"grant_type": JWT_BEARER, "assertion": token})
        assert reply.status == status
        assert read(reply).get("error") == (None if status == 200 else "invalid_grant")


def test_an_assertion_without_a_key_id_authenticates_nobody() -> None:
    """SMART demands a kid, even where the client has one key only."""
    [key, _] = build_public_keys()["keys"]
    only = Client(client_id="smart", key_set=StaticKeySet({"keys": [key]}))
    endpoint = build_endpoint(clients=Clients([only]))
    unnamed = jwt.encode(build_claims(), private_key("RS384"), "RS384")

    reply = ask(endpoint, assertion(unnamed))
    assert (reply.status, read(reply)["error"]) == (401, "invalid_client")
    assert ask(endpoint, assertion(sign())).status == 200


def test_rules_stay_what_they_were_when_they_were_made() -> None:
    """A list that its owner changes later would change who is let in."""
    audiences, algorithms, types = [URL], ["RS384"], ["JWT"]
    rules = AssertionRules(audiences, algorithms, types)
    for changed in (audiences, algorithms, types):
        changed.append("ES384")

    assert rules == AssertionRules(URL, ("RS384",), ("JWT",))
    assert hash(rules) == hash(AssertionRules(URL, ("RS384",), ("JWT",)))


# Secrets that hang on errors.


def read_body(body: bytes, content_type: str) -> None:
    """Read a token request."""
    environ = build_environ(body=body, headers={"content-type": content_type})
    TokenRequestReader({}, accept_json=True).read(Request(environ))


@pytest.mark.parametrize(
    "act",
    [
        lambda: decode_base64url(f"{CANARY}\u00e9"),
        lambda: parse_object(f'{{"client_secret":"{CANARY}"'.encode()),
        lambda: parse_object(f'{{"client_secret":"{CANARY}\u00ff"}}'.encode("latin-1")),
        lambda: parse_object(f'{{"client_secret":"{CANARY}\\ud800"}}'.encode()),
        lambda: read_body(f'{{"client_secret":"{CANARY}'.encode(), "application/json"),
        lambda: read_body(f"client_secret={CANARY}\u00ff".encode("latin-1"), FORM),
        lambda: read_body(f"client_secret={CANARY}%ff".encode(), FORM),
    ],
)
def test_no_document_hangs_on_the_error_that_refuses_it(
    act: Callable[[], object],
) -> None:
    """Errors of decoders hold what they decode, and error reporters follow a chain."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        act()

    for error in list_chain(caught.value):
        held = [error.args, getattr(error, "doc", ""), getattr(error, "object", "")]
        assert CANARY not in repr(held)


@pytest.mark.parametrize(
    "build",
    [
        hash_secret,
        build_tokens,
        Clients.from_json,
        lambda secret: ClientCredentials("ours", secret),
        lambda secret: ClientCredentials(secret, CANARY),
    ],
)
def test_no_secret_hangs_on_the_error_that_refuses_it(
    build: Callable[[str], object],
) -> None:
    """A variable with bytes that are no text has half a surrogate pair in it."""
    with pytest.raises(ConfigurationError) as caught:
        build(f"{CANARY * 2}\udcff")

    for error in list_chain(caught.value):
        held = [error.args, getattr(error, "object", "")]
        assert CANARY not in repr(held)


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_secret_of_ours_leaves_in_no_pickle(duplicate: Any) -> None:
    """As with everything else that holds one: a pickle is a file somewhere."""
    with pytest.raises(TypeError, match="hold a secret"):
        duplicate(ClientCredentials("ours", CANARY))


# What is used once.


@pytest.fixture(params=["memory", "SQLite file"])
def build_store(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[Clock], Any]]:
    """Build a store of either kind for a clock."""
    opened: list[SqliteReplayStore] = []

    def build(clock: Clock) -> Any:
        if request.param == "memory":
            return MemoryReplayStore(now=clock)
        opened.append(SqliteReplayStore(tmp_path / "replay.db", now=clock))
        return opened[-1]

    yield build
    for store in opened:
        store.close()


def test_a_clock_that_jumps_and_is_put_back_lets_nothing_come_twice(
    build_store: Callable[[Clock], Any],
) -> None:
    """What seemed to have expired meanwhile counts again, and so it must be known."""
    clock = Clock()
    endpoint = build_endpoint(now=clock, replay_store=build_store(clock))
    used = sign()
    assert ask(endpoint, assertion(used)).status == 200

    clock.advance(3600)
    later = build_claims(exp=int(clock().timestamp()) + 300, jti="later")
    assert ask(endpoint, assertion(sign(later))).status == 200
    clock.advance(-3600)

    assert ask(endpoint, assertion(used)).status == 401


def test_room_is_made_of_what_has_expired_before_a_store_is_full() -> None:
    """What is kept longer for the sake of a clock must refuse nothing new."""
    clock = Clock()
    store = MemoryReplayStore(max_keys=1, now=clock)

    for number in range(3):
        assert store.add(str(number), clock() + timedelta(seconds=60)) is True
        clock.advance(61)


class BrokenStore:
    """A store over a network, whose library has errors of its own."""

    def add(self, key: str, expires_at: datetime) -> bool:
        """Fail."""
        raise ConnectionError(CANARY)


def test_a_store_that_raises_errors_of_its_own_blames_nobody() -> None:
    """The documented error leaves every authenticator that has a store."""
    signed_at = str(int(datetime.now(UTC).timestamp()))
    mac = hmac.digest(HMAC_SECRET.encode(), f"{signed_at}.{{}}".encode(), "sha256")
    signed_by_hmac = build_environ(
        body=b"{}", headers={"x-signature": mac.hex(), "x-time": signed_at}
    )
    by_hmac: Any = HmacSignature(
        HMAC_SECRET,
        header="x-signature",
        digest="sha256",
        encoding="hex",
        timestamp_header="x-time",
        replay_store=BrokenStore(),
    )
    by_aws = build_authenticator(replay_store=BrokenStore())

    for authenticator, environ in (
        (by_hmac, signed_by_hmac),
        (by_aws, build_signed_environ()),
    ):
        with pytest.raises(AuthenticatorUnavailable) as caught:
            authenticator.authenticate(Request(environ))
        assert caught.value.code == "replay-store-unavailable"


# Keys.


@pytest.mark.parametrize(
    "operations", [["verify", "verify"], ["verify", "x", "x"], ["verify", 1]]
)
def test_a_key_whose_operations_are_malformed_is_left_out(operations: Any) -> None:
    """RFC 7517 section 4.3: no duplicates; they are texts."""
    good = jose.build_jwk(jose.make_key("ES256"), "good")
    other = jose.build_jwk(jose.make_key("ES384"), "other", key_ops=operations)
    document = jose.spell({"keys": [good, other]})

    assert list(parse_key_set(document)) == ["good"]


@pytest.mark.parametrize("cache_control", ["max-age=5", "max-age=0", "no-store"])
def test_a_clients_key_is_gone_when_its_server_says_so(
    server: JsonServer, cache_control: str
) -> None:
    """SMART: keys are kept no longer than the Cache-Control of their set says."""
    clock = Clock()
    server.answer(jose.build_key_set("ES256"), Cache_Control=cache_control)
    keys = RemoteKeySet(server.url, stale_if_error_seconds=0, now=clock)
    assert keys.get("ES256").algorithm == "ES256"

    server.answer(jose.build_key_set("ES384"), Cache_Control=cache_control)
    clock.advance(5)

    with pytest.raises(AuthenticationFailed) as caught:
        keys.get("ES256")
    assert caught.value.code == "unknown-key"


def test_an_answer_that_may_not_be_kept_is_kept_the_shortest_time() -> None:
    """It was taken for one that says nothing, and kept for five minutes."""
    assert read_lifetime({"cache-control": "no-store"}) == timedelta(seconds=60)


# What other servers say.


@pytest.mark.parametrize(
    "answer",
    [
        b'{"active":false,"active":true,"aud":"ours","client_id":"redox"}',
        b'{"active":true,"aud":"theirs","aud":"ours","client_id":"redox"}',
    ],
)
def test_an_introspection_of_two_meanings_proves_nobody(
    server: JsonServer, answer: bytes
) -> None:
    """A name in it that breaks out of its quotes must not say the last word."""
    server.behaviour = build_answer(answer)
    authenticator = TokenIntrospection(
        server.url, ClientCredentials("ours", CANARY), audience="ours"
    )

    with pytest.raises(AuthenticatorUnavailable) as caught:
        authenticator.authenticate(bear("opaque"))
    assert caught.value.code == "introspection-malformed"


def test_a_token_info_of_two_meanings_proves_nobody(server: JsonServer) -> None:
    """As with an introspection."""
    server.behaviour = build_answer(
        b'{"exp":"9999999999","azp":"theirs","azp":"ours","scope":""}'
    )
    authenticator = GoogleTokenInfo(clients=["ours"], endpoint=server.url)

    with pytest.raises(AuthenticatorUnavailable) as caught:
        authenticator.authenticate(bear("opaque"))
    assert caught.value.code == "token-info-malformed"


def test_a_handler_cannot_change_what_is_kept_of_a_token(server: JsonServer) -> None:
    """The principal is the same object for a minute, in every request."""
    server.answer({"active": True, "aud": ["ours", "other"], "client_id": "redox"})
    authenticator = TokenIntrospection(
        server.url, ClientCredentials("ours", CANARY), audience="ours"
    )

    assert authenticator.authenticate(bear("opaque")).claims["aud"] == ("ours", "other")


def bear(token: str) -> Request:
    """Build a request that bears a token."""
    return Request(build_environ(headers={"authorization": f"Bearer {token}"}))


# Requests.


class Taster:
    """An authenticator of somebody's own that looks at the beginning of a body."""

    def authenticate(self, request: Request) -> Principal:
        """Accept whatever comes."""
        with pytest.raises(BodyTooLarge):
            request.body(10)
        return Principal("taster", "anybody")


def test_the_rest_of_a_body_never_passes_for_the_whole() -> None:
    """It was handled, and answered by 200, without its first bytes."""
    received: list[Transmission] = []
    environ = {
        **build_environ(HTTP_TRANSFER_ENCODING="chunked"),
        "wsgi.input": io.BytesIO(b"x" * 99_999),
        "wsgi.input_terminated": True,
    }
    destination = Destination(received.append, name="x", authenticator=Taster())

    request = Request(environ)
    response = destination.respond(request)

    assert getattr(response, "status", None) == 400
    assert not received
    with pytest.raises(MalformedRequest) as caught:
        request.body()
    assert caught.value.code == "body-already-read"


@pytest.mark.parametrize("name", ["nonce", "at_hash", "c_hash", "events"])
def test_an_id_token_is_no_access_token_whichever_client_it_names(name: str) -> None:
    """Of type JWT, and with azp, it came in where the client was on the list."""
    authenticator = JwtBearer(
        KEYS,
        jose.ISSUER,
        jose.AUDIENCE,
        accepted_types=["JWT"],
        clients=["client-1"],
        now=lambda: jose.NOW,
    )
    header = jose.build_header(typ="JWT")
    claims = jose.build_claims(client_id=None, azp="client-1")
    right = bear(jose.build_token(header, claims))
    assert authenticator.authenticate(right).subject == "client-1"

    with pytest.raises(AuthenticationFailed) as caught:
        authenticator.authenticate(bear(jose.build_token(header, {**claims, name: 1})))
    assert caught.value.code == "no-access-token"


# Settings that were taken though they cannot be meant, or ended in another error.

OURS = ClientCredentials("ours", CANARY)
ADDRESS = "https://issuer.example/x"


def introspect(**settings: Any) -> object:
    """Build an authenticator that asks."""
    return TokenIntrospection(ADDRESS, OURS, **{"audience": "ours", **settings})


def describe(url: Any = URL, **settings: Any) -> object:
    """Build the metadata of an endpoint."""
    redox = Client(client_id="redox", secret_hashes=(hash_secret(CANARY),))
    endpoint = build_endpoint(clients=Clients([redox]), assertions=None)
    return ServerMetadata(endpoint, url=url, **settings)


def sign_by_aws(**settings: Any) -> AwsSigV4:
    """Build an authenticator of AWS signatures."""
    return build_authenticator(**settings)


@pytest.mark.parametrize(
    ("build", "settings"),
    [
        (AssertionRules, {"audiences": None}),
        (AssertionRules, {"audiences": 1}),
        (AssertionRules, {"audiences": {URL: 1}}),
        (AssertionRules, {"audiences": URL, "algorithms": [["RS384"]]}),
        (Client, {"client_id": "x", "key_set": build_public_keys()}),
        (Client, {"client_id": "x", "key_set": ""}),
        (Client, {"client_id": "x", "secret_hashes": ["0" * 64], "scopes": [["x"]]}),
        (Client, {"client_id": "x", "secret_hashes": ["0" * 64], "grants": [{}]}),
        (Client, {"client_id": "x", "secret_hashes": [0]}),
        (Clients, {"clients": None}),
        (Clients.from_json, {"document": {"clients": []}}),
        (ClientCredentials, {"client_id": "x", "client_secret": 1}),
        (ClientCredentials, {"client_id": ["x"], "client_secret": "x"}),
        (describe, {"url": "https://user:password@ours.example/oauth/token"}),
        (describe, {"url": f"{URL}\n"}),
        (describe, {"url": "https://ours.example/a b"}),
        (describe, {"scopes": None}),
        (describe, {"scopes": [1, "x"]}),
        (introspect, {"issuer": ""}),
        (introspect, {"issuer": ["https://issuer.example"]}),
        (introspect, {"cache_seconds": "60"}),
        (introspect, {"cache_seconds": True}),
        (introspect, {"timeout_seconds": "5"}),
        (introspect, {"leeway": None}),
        (introspect, {"now": datetime.now}),
        (introspect, {"now": "now"}),
        (introspect, {"tls": "cert.pem"}),
        (introspect, {"tls": False}),
        (RemoteKeySet, {"url": ADDRESS, "stale_if_error_seconds": "0"}),
        (RemoteKeySet, {"url": ADDRESS, "now": datetime.now}),
        (RemoteKeySet, {"url": ADDRESS, "timeout_seconds": None}),
        (SelfIssuedToken, {"token_service": build_tokens(), "scopes": None}),
        (SelfIssuedToken, {"token_service": build_tokens(), "scopes": ["a b"]}),
        (SelfIssuedToken, {"token_service": build_tokens(), "scopes": [["a"]]}),
        (build_tokens, {"now": datetime.now}),
        (build_endpoint, {"tokens": build_tokens(), "now": datetime.now}),
        (sign_by_aws, {"session_token": b""}),
        (sign_by_aws, {"now": lambda: None}),
        (
            JwtBearer,
            {"key_set": KEYS, "issuer": "x", "audience": "x", "now": lambda: 1},
        ),
    ],
)
def test_a_setting_that_cannot_be_meant_stops_at_construction(
    build: Any, settings: dict[str, Any]
) -> None:
    """By the documented error, before a request comes, and quoting no secret."""
    with pytest.raises(ConfigurationError) as caught:
        build(**settings)
    assert "password" not in str(caught.value)
    assert CANARY not in str(caught.value)


def test_these_settings_are_right_beside_those() -> None:
    """So that the list above fails for its reasons and no other."""
    introspect(issuer="https://issuer.example", cache_seconds=0, leeway=1.5)
    describe(scopes=SCOPES)
    sign_by_aws(session_token=b"x" * 32)
    SelfIssuedToken(build_tokens(), scopes=iter(SCOPES))
    assert base64.b64decode(OURS.headers()[0][1].removeprefix("Basic ")).endswith(
        CANARY.encode()
    )


def test_a_private_key_is_not_registered_as_a_public_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would be shown on the screen and kept in the file of clients."""
    key_set = build_key_set("RS384")
    key_set["keys"][0]["d"] = CANARY
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(key_set))

    assert main(["oauth", "new-client", "redox", "--jwks", str(file)]) == 2
    output = capsys.readouterr()
    assert "private" in output.err
    assert CANARY not in output.out + output.err


def test_keys_of_commands_at_once_are_all_kept(tmp_path: Path) -> None:
    """Each adds its line; none writes the file anew."""
    path = tmp_path / "keys"
    path.write_text("first, without an end")
    threads = [
        threading.Thread(target=private_file.add_line, args=(path, f"line {number}"))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lines = path.read_text().splitlines()
    assert lines[0] == "first, without an end"
    assert sorted(filter(None, lines[1:])) == sorted(f"line {n}" for n in range(20))


def test_a_file_of_keys_stays_the_file_that_it_was(tmp_path: Path) -> None:
    """A symbolic link, and of its owner: the service has to read it."""
    path, link = tmp_path / "keys", tmp_path / "link"
    link.symlink_to(path)
    private_file.add_line(link, "line")

    assert link.is_symlink()
    assert path.read_text() == "line\n"
    assert path.stat().st_mode & 0o777 == 0o600


class _Accepts:
    def authenticate(self, request: Request) -> Principal:
        return Principal("other", "subject")


class _Refuses:
    def authenticate(self, request: Request) -> Principal:
        raise AuthenticationFailed("wrong")


@pytest.mark.parametrize("is_first", [True, False], ids=["before", "behind"])
def test_a_linked_bearer_is_no_wrong_token_of_a_verification(is_first: bool) -> None:
    """The verification's own token stands in its body then."""
    token = VerificationToken(TOKEN)
    parts: list[Any] = [token, _Accepts()] if is_first else [_Accepts(), token]
    application = build_application(
        print, verification_token=None, authenticator=AllOf(*parts)
    )
    body = json.dumps({"verification-token": TOKEN, "challenge": "abc"}).encode()
    linked = {"authorization": "Bearer a.b.c"}

    assert send(application, body=body, headers=linked).body == b"abc"
    wrong = body.replace(TOKEN.encode(), b"wrong")
    assert send(application, body=wrong, headers=linked).status == 401
    assert send(application, body=b"{}", headers=linked).status == 401
    both = {**linked, "verification-token": "wrong"}
    assert send(application, body=body, headers=both).status == 401


def test_a_verification_needs_the_other_credentials_beside_a_bearer() -> None:
    """Who fails them has a wrong token in the header, and its body stays unread."""
    alone: list[Any] = [VerificationToken(TOKEN)]
    for parts in ([*alone, _Refuses()], alone):
        application = build_application(
            print, verification_token=None, authenticator=AllOf(*parts)
        )
        body = json.dumps({"verification-token": TOKEN, "challenge": "abc"}).encode()
        headers = {"authorization": "Bearer a.b.c"}

        assert send(application, body=body, headers=headers).status == 401

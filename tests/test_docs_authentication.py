"""The documentation's auth strategies: each block accepts a real credential."""

from __future__ import annotations

import base64
import hmac
import inspect
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from authlib.oauth2.rfc7523 import private_key_jwt_sign  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from joserfc.jwk import RSAKey
from werkzeug.exceptions import NotFound

import redox_wsgi
from redox_wsgi import (
    AnyOf,
    AuthenticationFailed,
    Destination,
    RedoxMiddleware,
    VerificationToken,
    authentication,
)
from redox_wsgi.authentication import (
    AwsSigV4,
    GoogleTokenInfo,
    HmacSignature,
    JwtBearer,
    RemoteKeySet,
    TokenIntrospection,
    google_id_token,
)
from redox_wsgi.cli import main
from redox_wsgi.oauth import (
    AssertionRules,
    Client,
    Clients,
    TokenService,
    hash_secret,
)
from tests.support import aws
from tests.support.builders import build_payload, encode
from tests.support.jose import build_jwk, make_key
from tests.support.json_server import JsonServer, run_json_server
from tests.support.wsgi import Reply, send

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "authentication.md").read_text()
README = (ROOT / "README.md").read_text()

TOKEN = "correct-horse-battery-staple-0123"
SECRET = "made-up-secret-of-forty-characters-00001"
OURS = "https://redox.example.com/redox"
ENDPOINT = "https://redox.example.com/oauth/token"
SERVER = "https://login.example.com"
ACCOUNT = "redox@your-project.iam.gserviceaccount.com"

BODY = encode(build_payload("PatientAdmin", "Arrival"))
FORM = "application/x-www-form-urlencoded"


@dataclass
class Site:
    """Where a block runs: its folder, the server it asks, and what a command said."""

    folder: Path
    server: JsonServer
    said: str = ""

    def place(self, text: str) -> str:
        """Put this folder and this server in the place of the documentation's."""
        text = re.sub(r"/(?:etc|var/lib)/redox/", f"{self.folder}/", text)
        for address in (f"{SERVER}/.well-known/jwks.json", f"{SERVER}/oauth2"):
            text = re.sub(rf"{re.escape(address)}[/a-z]*", self.server.url, text)
        return text

    def run(self, command: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Run a command that is shown, and keep what the reader is told to keep."""
        [program, *arguments] = self.place(command).split()
        assert program == "redox-wsgi"
        capsys.readouterr()
        assert main(arguments) == 0
        self.said = capsys.readouterr().out
        if "--type" in arguments:
            public = self.said[self.said.index("{") :]
            (self.folder / "redox-public.json").write_text(public)

    def read_key(self) -> tuple[Any, str]:
        """Return the private key that a command made, and its ID."""
        pem = (self.folder / "redox-private.pem").read_bytes()
        keys = json.loads((self.folder / "redox-public.json").read_text())["keys"]
        return serialization.load_pem_private_key(pem, None), keys[0]["kid"]


#: Returns the headers of a transmission that has the credential.
Sender = Callable[[Site, Any], dict[str, str]]


def bearer(token: str) -> dict[str, str]:
    """Build the header of a Bearer token."""
    return {"authorization": f"Bearer {token}"}


def ask(application: Any, form: dict[str, str], **headers: str) -> str:
    """Ask the application's own endpoint for an access token."""
    body = urlencode({"grant_type": "client_credentials", **form}).encode()
    headers = {"content-type": FORM, **headers}
    reply = send(application, path="/oauth/token", body=body, headers=headers)
    assert reply.status == 200
    return str(json.loads(reply.body)["access_token"])


def send_with_secret(site: Site, application: Any) -> dict[str, str]:
    """Get a token by the ID and secret that the command printed for Redox."""
    printed = dict(re.findall(r"^  (Client \w+) +(\S+)$", site.said, re.MULTILINE))
    pair = f"{printed['Client ID']}:{printed['Client secret']}".encode()
    basic = f"Basic {base64.b64encode(pair).decode()}"
    return bearer(ask(application, {}, authorization=basic))


def send_with_assertion(site: Site, application: Any) -> dict[str, str]:
    """Get a token by an assertion that Authlib signs."""
    key, key_id = site.read_key()
    header = {"kid": key_id}
    until = {"exp": int(time.time()) + 300}
    signer = RSAKey.import_key(key)
    assertion = private_key_jwt_sign(
        signer, "redox", ENDPOINT, "RS384", until, header=header
    )
    form = {
        "client_assertion_type": (
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        ),
        "client_assertion": assertion,
    }
    return bearer(ask(application, form))


def send_access_token(site: Site, application: Any) -> dict[str, str]:
    """Sign an access token as an authorization server does, by PyJWT."""
    now = int(time.time())
    claims = {
        "iss": SERVER,
        "aud": OURS,
        "sub": "redox",
        "client_id": "redox",
        "iat": now,
        "exp": now + 300,
        "jti": "1",
    }
    key = make_key("RS256")
    site.server.answer({"keys": [build_jwk(key, "a", alg="RS256")]})
    header = {"kid": "a", "typ": "at+jwt"}
    return bearer(jwt.encode(claims, key, "RS256", header))


def send_opaque_token(site: Site, application: Any) -> dict[str, str]:
    """Have the authorization server know the token."""
    site.server.answer({"active": True, "client_id": "redox"})
    return bearer("opaque")


def send_own_jwt(site: Site, application: Any) -> dict[str, str]:
    """Sign a JWT with the key that was made for Redox, by PyJWT."""
    key, key_id = site.read_key()
    claims = {"iss": "redox", "sub": "redox", "aud": OURS, "exp": time.time() + 300}
    return bearer(jwt.encode(claims, key, "ES384", {"kid": key_id}))


def send_google_id_token(site: Site, application: Any) -> dict[str, str]:
    """Sign an ID token as Google does, by PyJWT."""
    now = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": OURS,
        "sub": "1",
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    key = make_key("RS256")
    site.server.answer({"keys": [build_jwk(key, "g", alg="RS256")]})
    return bearer(jwt.encode(claims, key, "RS256", {"kid": "g"}))


def send_google_access_token(site: Site, application: Any) -> dict[str, str]:
    """Have Google know the token."""
    info = {
        "azp": "1",
        "exp": str(int(time.time()) + 3600),
        "email": ACCOUNT,
        "email_verified": "true",
    }
    site.server.answer(info)
    return bearer("ya29.opaque")


def send_aws_signature(site: Site, application: Any) -> dict[str, str]:
    """Sign by botocore."""
    return aws.sign(OURS, BODY, access_key="REDOX2026A", secret=SECRET)


def send_hmac(site: Site, application: Any) -> dict[str, str]:
    """Sign with the newer of two secrets."""
    digest = hmac.new(SECRET.encode(), BODY, "sha256").hexdigest()
    return {"x-signature": f"sha256={digest}"}


#: By what stands in a block; the first that does counts.
SENDERS: dict[str, Sender] = {
    "AssertionRules(": send_with_assertion,
    "TokenEndpoint(": send_with_secret,
    "StaticKeySet(": send_own_jwt,
    "JwtBearer(": send_access_token,
    "TokenIntrospection(": send_opaque_token,
    "GoogleIdToken(": send_google_id_token,
    "GoogleTokenInfo(": send_google_access_token,
    "AwsSigV4(": send_aws_signature,
    "HmacSignature(": send_hmac,
}


def find_blocks() -> Iterator[Any]:
    """Find each block that has an authenticator, with the commands of its section."""
    for file in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for section in re.split(r"^##+ ", file.read_text(), flags=re.MULTILINE):
            heading = section.partition("\n")[0]
            commands = re.findall(r"^redox-wsgi (?:keys|oauth) .*$", section, re.M)
            blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
            shown = [block for block in blocks if "authenticator=" in block]
            for number, block in enumerate(shown, start=1):
                name = f"{file.name}, {heading} {number}"
                yield pytest.param(block, commands, id=name)


BLOCKS = list(find_blocks())
every_block = pytest.mark.parametrize(("block", "commands"), BLOCKS)


def find_marker(block: str) -> str:
    """Return the strategy of a block."""
    return next(marker for marker in SENDERS if marker in block)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty folder, and a server on the loopback interface."""
    with run_json_server() as server:
        yield Site(tmp_path, server)


@pytest.fixture
def build(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, list[str]], Any]:
    """Run the commands of a section and then its block, as a reader does."""
    monkeypatch.setenv("REDOX_VERIFICATION_TOKEN", TOKEN)
    monkeypatch.setenv("REDOX_SECRET_KEY", SECRET)
    monkeypatch.setenv("REDOX_SIGNING_SECRETS", f"{'o' * 32} {SECRET}")
    monkeypatch.setenv("INTROSPECTION_SECRET", SECRET)
    monkeypatch.setattr(google_id_token, "KEYS_URL", site.server.url)
    settings: Any = GoogleTokenInfo.__init__.__kwdefaults__
    monkeypatch.setitem(settings, "endpoint", site.server.url)

    def build(block: str, commands: list[str]) -> Any:
        for command in commands:
            site.run(command, capsys)
        shown: dict[str, Any] = {"__name__": "shown"}
        exec(compile(site.place(block), "shown", "exec"), shown)  # noqa: S102 - ours
        if "application" in shown:
            return shown["application"]
        return RedoxMiddleware(NotFound(), {"/redox": shown["destination"]})

    return build


def transmit(application: Any, headers: dict[str, str]) -> Reply:
    """Send a transmission."""
    return send(application, body=BODY, headers=headers)


@every_block
def test_every_strategy_takes_its_credential_and_no_other(
    block: str, commands: list[str], build: Any, site: Site
) -> None:
    """What is shown is what is copied; the verification token alone is too little."""
    application = build(block, commands)
    is_change = "VerificationToken(" in block
    headers = SENDERS[find_marker(block)](site, application)
    with_token = {"verification-token": TOKEN}
    with_wrong = {"verification-token": TOKEN[::-1]}

    assert transmit(application, headers).status == 200
    assert transmit(application, {**headers, **with_token}).status == 200
    assert transmit(application, {}).status == 401
    assert transmit(application, {**headers, **with_wrong}).status == 401
    assert transmit(application, with_token).status == (200 if is_change else 401)


@every_block
def test_every_strategy_refuses_a_changed_credential(
    block: str, commands: list[str], build: Any, site: Site
) -> None:
    """It is the credential that is checked, not that there is one."""
    application = build(block, commands)
    right = SENDERS[find_marker(block)](site, application)
    name = "authorization" if "authorization" in right else "x-signature"
    # Still of the right form: hex stays hex, base64url base64url.
    wrong = {**right, name: right[name][:-8] + "a0a0a0a0"}
    if "opaque" in right[name]:
        site.server.answer({"error": "invalid_token"}, 400)
        if "TokenIntrospection(" in block:
            site.server.answer({"active": False})

    assert wrong != right
    assert transmit(application, wrong).status == 401


@every_block
def test_every_strategy_answers_the_challenge_for_the_token(
    block: str, commands: list[str], build: Any
) -> None:
    """Nobody says whether Redox sends the credential when it verifies."""
    application = build(block, commands)
    body = json.dumps({"verification-token": TOKEN, "challenge": "c0ffee"}).encode()
    wrong = body.replace(TOKEN.encode(), b"x" * len(TOKEN))

    assert send(application, body=body).body == b"c0ffee"
    assert send(application, body=wrong).status == 401


def test_every_strategy_is_shown() -> None:
    """A list that became empty would prove nothing."""
    shown = {find_marker(param.values[0]) for param in BLOCKS}

    assert shown == set(SENDERS)


def test_the_log_tells_when_the_change_to_a_credential_is_done(
    build: Any, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """Even if Redox goes on sending the token beside the credential."""
    [block] = [param.values[0] for param in BLOCKS if "AnyOf(" in param.values[0]]
    application = build(block, [])
    token = {"verification-token": TOKEN, "authorization": f"Bearer {TOKEN}"}
    caplog.set_level("INFO", "redox_wsgi")

    assert transmit(application, token).status == 200
    assert "principal=verification-token:0 " in caplog.messages[-1]
    both = {**token, **send_access_token(site, application)}
    assert transmit(application, both).status == 200
    assert "principal=jwt " in caplog.messages[-1]


def test_the_signing_secret_changes_without_a_refusal() -> None:
    """Redox signs with the new secret before anybody here can know it."""
    form: Any = {"header": "x-signature", "digest": "sha256", "encoding": "hex"}
    old = HmacSignature("o" * 32, prefix="sha256=", **form)
    either = AnyOf(old, VerificationToken(TOKEN))
    destination = Destination(print, authenticator=either)
    application = RedoxMiddleware(NotFound(), {"/redox": destination})
    headers = send_hmac(Site(Path(), JsonServer()), application)
    both = {**headers, "verification-token": TOKEN}

    assert transmit(application, both).status == 200
    assert transmit(application, headers).status == 401


def test_the_key_of_the_tokens_changes_without_a_refusal() -> None:
    """In every step, whoever has done it and who has not take each other's tokens."""
    old, new = "o" * 32, "n" * 32
    clients = Clients([Client(client_id="redox", secret_hashes=(hash_secret(SECRET),))])
    steps = [
        TokenService(keys, audience=OURS, clients=clients)
        for keys in ([old], [new, old], [old, new], [new])
    ]

    for before, after in pairwise(steps[:3]):
        assert after.verify(before.issue("redox", ())).subject == "redox"
        assert before.verify(after.issue("redox", ())).subject == "redox"
    assert steps[3].verify(steps[2].issue("redox", ())).subject == "redox"
    with pytest.raises(AuthenticationFailed):
        steps[0].verify(steps[2].issue("redox", ()))


def test_every_word_that_is_explained_is_one_of_ours() -> None:
    """Who looks a word up at night finds it; a word that was renamed is found here."""
    package = Path(redox_wsgi.__file__).parent
    source = "".join(path.read_text() for path in package.rglob("*.py"))
    rows = re.findall(r"^\| (`[a-z-]+`.*?) \|", GUIDE, re.MULTILINE)
    words = [
        word for row in rows for word in re.findall(r"`([a-z]+(?:-[a-z]+)+)`", row)
    ]

    assert len(words) >= 15
    for word in words:
        assert f'"{word}"' in source, word


@pytest.mark.parametrize(
    ("called", "setting", "default", "sentence"),
    [
        (TokenService, "lifetime_seconds", 300, "good for 5 minutes"),
        (JwtBearer, "leeway", 60, "60 seconds are forgiven for tokens"),
        (JwtBearer, "max_lifetime", 3600, "above an hour it is refused"),
        (AwsSigV4, "max_skew", 300, "5 minutes for AWS"),
        (TokenIntrospection, "cache_seconds", 60, "for 60 seconds (`cache_seconds=`)"),
        (GoogleTokenInfo, "cache_seconds", 60, "in the last 60 seconds are taken"),
        (
            RemoteKeySet,
            "stale_if_error_seconds",
            24 * 3600,
            "stays in use for 24 hours",
        ),
        (RemoteKeySet, "timeout_seconds", 5, "waits longer than 5 seconds"),
        (AssertionRules, "max_lifetime_seconds", 300, "`exp` at most 5 minutes ahead"),
        (AssertionRules, "algorithms", ("RS384", "ES384"), "RS384 and ES384 are taken"),
    ],
)
def test_every_default_that_the_guide_states_is_so(
    called: Any, setting: str, default: object, sentence: str
) -> None:
    """Who plans a rotation counts on these times."""
    assert inspect.signature(called).parameters[setting].default == default
    assert sentence in " ".join(GUIDE.split())


def test_every_anchor_of_the_guide_is_a_heading() -> None:
    """A dead link in the middle of the night is worse than none."""
    headings = re.findall(r"^##+ (.*)$", GUIDE, re.MULTILINE)
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", h.lower()).replace(" ", "-") for h in headings
    }
    links = re.findall(r"\]\(#([^)]*)\)", GUIDE)

    assert links
    assert set(links) <= anchors


def test_every_authenticator_is_in_the_table_of_the_readme() -> None:
    """It leads to all that exists, and to nothing that does not."""
    table = README.split("## Authenticators")[1].split("\n\n")[1]
    everything = {
        name: getattr(authentication, name) for name in authentication.__all__
    }
    ours = {name for name, each in everything.items() if hasattr(each, "authenticate")}

    # The protocol itself is the row "your own", the token that of its own argument.
    assert set(re.findall(r"`authenticator=(\w+)\(", table)) == ours - {
        "Authenticator",
        "VerificationToken",
    }

"""The command line: clients and keys of one's own token endpoint."""

from __future__ import annotations

import json
import stat
import sys

import jwt
import pytest

from redox_wsgi import AuthenticationFailed
from redox_wsgi.cli import main, private_file
from redox_wsgi.oauth import AssertionRules, Clients, TokenService, hash_secret
from tests.support.oauth import (
    JKU,
    URL,
    ask,
    assertion,
    basic,
    build_claims,
    build_endpoint,
    build_public_keys,
)


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def run(capsys, *arguments):
    """Run the command; return its exit status and both outputs, none too wide."""
    status = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    # A key and the path of a file cannot be wrapped.
    lines = [line for line in out.splitlines() if '"' not in line and "/" not in line]
    assert all(len(line) <= 79 for line in lines)
    return status, out, err


def find(out, name):
    """Return the value of a field that is to be entered."""
    [value] = [line[17:] for line in out.splitlines() if line.startswith(f"  {name}  ")]
    return value


def mode(path):
    """Return who may do what with a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_client_can_get_a_token(capsys, tmp_path):
    """What is printed for Redox fits what is kept for the servers."""
    path = tmp_path / "clients.json"
    status, out, err = run(
        capsys,
        *("oauth", "new-client", "redox", "--scope", "a", "--scope", "b"),
        *("--url", URL, "--file", path),
    )
    secret = find(out, "Client secret")

    assert (status, err) == (0, "")
    assert (find(out, "URL"), find(out, "Client ID")) == (URL, "redox")
    assert (find(out, "Grant type"), find(out, "Scopes")) == (
        "client_credentials",
        "a b",
    )
    endpoint = build_endpoint(clients=Clients.from_file(path))
    assert ask(endpoint, headers=basic("redox", secret)).status == 200


def test_the_secret_is_shown_once_and_never_kept(capsys, tmp_path):
    """In the file stands its hash, readable by the owner only."""
    path = tmp_path / "clients.json"
    _, out, _ = run(capsys, "oauth", "new-client", "--file", path)
    secret = find(out, "Client secret")

    assert out.count(secret) == 1
    assert len(secret) == 43
    assert secret not in path.read_text()
    assert hash_secret(secret) in path.read_text()
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["clients.json"]


def test_without_a_file_the_settings_are_printed(capsys):
    """The ID is made up, and another each time."""
    _, out, _ = run(capsys, "oauth", "new-client")
    _, again, _ = run(capsys, "oauth", "new-client")
    document = out[out.index("{") :]
    client_id = find(out, "Client ID")

    client = Clients.from_environment("X", {"X": document}).get(client_id)
    assert client is not None
    assert client.secret_hashes == (hash_secret(find(out, "Client secret")),)
    assert client_id != find(again, "Client ID")
    assert find(out, "URL") == "the https address of your token endpoint"


def test_a_second_client_is_added_to_the_file(capsys, tmp_path):
    """One that exists is left as it is."""
    path = tmp_path / "clients.json"
    run(capsys, "oauth", "new-client", "one", "--file", path)
    before = path.read_text()
    status, _, err = run(capsys, "oauth", "new-client", "one", "--file", path)
    assert (status, path.read_text()) == (2, before)
    assert "new-secret" in err
    path.chmod(0o644)
    run(capsys, "oauth", "new-client", "two", "--file", path)

    assert [c.client_id for c in Clients.from_file(path)] == ["one", "two"]
    assert mode(path) == 0o600


def test_a_client_that_signs_has_no_secret(capsys, tmp_path):
    """Its keys come from a file, or from where it publishes them."""
    keys, path = tmp_path / "keys.json", tmp_path / "clients.json"
    keys.write_text(json.dumps(build_public_keys()))
    new = ("oauth", "new-client")
    status, out, _ = run(capsys, *new, "smart", "--jwks", keys, "--file", path)
    _, remote, _ = run(capsys, *new, "remote", "--jwks-url", JKU, "--file", path)

    assert (status, "secret" in out + remote) == (0, False)
    assert "SMART Backend" in out
    clients = Clients.from_file(path)
    assert ask(build_endpoint(clients=clients), assertion()).status == 200
    assert [client.key_set_url for client in clients] == [None, JKU]


def test_a_new_secret_stands_beside_the_last_one(capsys, tmp_path):
    """So that nothing is refused meanwhile; the one before that ends."""
    path = tmp_path / "clients.json"
    _, out, _ = run(capsys, "oauth", "new-client", "redox", "--file", path)
    secrets = [find(out, "Client secret")]
    for _ in range(2):
        status, out, err = run(capsys, "oauth", "new-secret", "redox", "--file", path)
        assert (status, err) == (0, "")
        secrets.append(find(out, "Client secret"))
    endpoint = build_endpoint(clients=Clients.from_file(path))
    statuses = [ask(endpoint, headers=basic("redox", s)).status for s in secrets]

    assert statuses == [401, 200, 200]
    assert mode(path) == 0o600


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["new-client", "a b"], "client_id"),
        (["new-client", "x", "--scope", 'a"'], "scopes"),
        (["new-client", "x", "--jwks-url", "http://x.example"], "http"),
        (["new-client", "x", "--file", "{tmp}/none/clients.json"], "No such file"),
        (["new-client", "x", "--file", "{tmp}/bad.json"], "no file of clients"),
        (["new-client", "x", "--file", "{tmp}/none.json"], "no file of clients"),
        (["new-client", "x", "--file", "{tmp}"], "no file of clients"),
        (["new-client", "x", "--jwks", "{tmp}/bad.json"], "no JSON"),
        (["new-client", "x", "--jwks", "{tmp}/none.json"], "JWK set"),
        (["new-secret", "x", "--file", "{tmp}/right.json"], "no client x"),
    ],
)
def test_what_the_servers_would_refuse_is_refused_and_not_written(
    capsys, tmp_path, arguments, text
):
    """With exit status 2, and no file changed or left behind."""
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "none.json").write_text('{"keys": []}')
    run(capsys, "oauth", "new-client", "y", "--file", tmp_path / "right.json")
    before = {path: path.read_text() for path in tmp_path.iterdir()}
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    status, out, err = run(capsys, "oauth", *arguments)

    assert (status, out) == (2, "")
    assert text in " ".join(err.split())
    assert {path: path.read_text() for path in tmp_path.iterdir()} == before


def test_a_secret_key_is_long_enough_for_the_token_service(capsys):
    """And another each time."""
    made = set()
    for _ in range(2):
        status, out, _ = run(capsys, "keys", "new")
        secret = out.splitlines()[-1].strip()
        assert status == 0
        assert out.count(secret) == 1
        TokenService(secret, audience="x", clients=Clients.from_json(CLIENTS))
        made.add(secret)

    assert len(made) == 2


CLIENTS = json.dumps(
    {"clients": [{"client_id": "x", "client_secret_hashes": ["0" * 64]}]}
)


def test_secret_keys_in_a_file_are_rotated_by_adding_lines(capsys, tmp_path):
    """The newest last, as the token service wants them; none is shown."""
    path = tmp_path / "keys"
    clients = Clients.from_json(CLIENTS)

    def build():
        return TokenService(path.read_text().split(), audience="x", clients=clients)

    _, out, _ = run(capsys, "keys", "new", "--file", path)
    old = build().issue("x", ())
    path.write_text(path.read_text().rstrip("\n"))
    run(capsys, "keys", "new", "--file", path)
    lines = path.read_text().split()

    assert len(lines) == 2
    assert lines[0] not in out
    assert mode(path) == 0o600
    assert build().verify(old).subject == "x"
    with pytest.raises(AuthenticationFailed):
        TokenService(lines[1], audience="x", clients=clients).verify(old)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
def test_a_pair_of_keys_signs_what_the_endpoint_accepts(capsys, tmp_path, algorithm):
    """The private one for Redox, the public one for the servers."""
    path, public = tmp_path / "private.pem", tmp_path / "public.json"
    status, out, _ = run(capsys, "keys", "new", "--type", algorithm, "--file", path)
    public.write_text(out[out.index("{") :])
    [key] = json.loads(public.read_text())["keys"]
    clients = tmp_path / "clients.json"
    run(capsys, "oauth", "new-client", "smart", "--jwks", public, "--file", clients)
    endpoint = build_endpoint(
        clients=Clients.from_file(clients), assertions=AssertionRules(URL)
    )
    private = path.read_text()
    token = jwt.encode(build_claims(), private, algorithm, {"kid": key["kid"]})

    assert (status, mode(path)) == (0, 0o600)
    assert f"  Key ID  {key['kid']}" in out
    assert "PRIVATE" not in out
    assert (key["alg"], key["use"], "d" in key) == (algorithm, "sig", False)
    assert ask(endpoint, assertion(token)).status == 200


def test_without_a_file_the_private_key_is_shown_once(capsys):
    """Nothing is kept then."""
    status, out, _ = run(capsys, "keys", "new", "--type", "ES384")

    assert status == 0
    assert out.count("BEGIN PRIVATE KEY") == 1


def test_a_private_key_is_never_written_over(capsys, tmp_path):
    """Redox may still sign with the old one."""
    path = tmp_path / "private.pem"
    path.write_text("old")
    status, out, err = run(capsys, "keys", "new", "--type", "ES384", "--file", path)

    assert (status, out, path.read_text()) == (2, "", "old")
    assert "File exists" in err


def test_without_pyjwt_the_extra_is_named(capsys, monkeypatch):
    """A secret key needs no package."""
    monkeypatch.setitem(sys.modules, "jwt.algorithms", None)
    status, _, err = run(capsys, "keys", "new", "--type", "ES384")

    assert (status, 'redox_wsgi[jwt]"' in err) == (2, True)
    assert run(capsys, "keys", "new")[0] == 0


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    """Neither half of it nor a copy of the secrets."""
    path = tmp_path / "folder"
    (path / "x").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory"):
        private_file.replace(path, "secret")

    assert [each.name for each in tmp_path.iterdir()] == ["folder"]


def test_the_help_names_both_groups(capsys):
    """They are imported only when they are asked for."""
    _, out, _ = run(capsys, "--help")
    _, oauth, _ = run(capsys, "oauth", "--help")
    _, keys, _ = run(capsys, "keys", "new", "--help")

    assert "  keys " in out
    assert "  oauth " in out
    assert "new-client" in oauth
    assert "--type" in keys

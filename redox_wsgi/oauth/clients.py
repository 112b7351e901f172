"""Who may ask for an access token: the registered clients."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from redox_wsgi.authentication.jose.encoding import parse_object
from redox_wsgi.authentication.jose.token_verifier import check_key_set
from redox_wsgi.authentication.keys import KeySet, StaticKeySet
from redox_wsgi.authentication.remote_keys import RemoteKeySet
from redox_wsgi.errors import ConfigurationError, is_scope

CLIENT_CREDENTIALS = "client_credentials"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GRANTS = (CLIENT_CREDENTIALS, JWT_BEARER)

#: How many secrets a client may have at once: the new one and the old one.
MAX_SECRETS = 2

# Visible ASCII without what form-encoding or Basic would change: then the decoded and
# the raw form of an ID are the same.
_CLIENT_ID = re.compile(r"""[!#$&'()*,\-./0-9;<=>?@A-Z\[\]^_`a-z{|}~]{1,128}""")
_SHA256_HEX = re.compile(r"[0-9a-f]{64}")

# Of a secret that was never set: with it, the ID alone would prove the client.
_HASH_OF_NOTHING = hashlib.sha256(b"").hexdigest()

# The names of dynamic client registration, so that a file may be written from one.
# -- https://www.rfc-editor.org/rfc/rfc7591#section-2
_MEMBERS = {
    "client_id",
    "client_secret_hashes",
    "jwks",
    "jwks_uri",
    "scope",
    "grant_types",
}


def hash_secret(secret: str) -> str:
    """Return what is kept of a client secret: its SHA-256 as lower-case hexadecimal.

    A fast hash suits a secret of 32 random bytes, which nobody can guess. Do not use it
    for passwords that people think of.

    Raises:
        ConfigurationError: The secret is empty or blank, as a variable that is not set,
            or holds what is not printable ASCII.

    Spec:
        https://www.rfc-editor.org/rfc/rfc6749#appendix-A.2

    Example:
        >>> hash_secret("abc")[:16]
        'ba7816bf8f01cfea'
    """
    if not (
        isinstance(secret, str)
        and secret.strip()
        and secret.isascii()
        and secret.isprintable()
    ):
        raise ConfigurationError("A client secret is text: printable ASCII, not blank.")
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Somebody who may ask for access tokens: Redox, once for each credential.

    Args:
        client_id: The ID as entered in Redox's dashboard: visible ASCII without blanks,
            quotes, ``%``, ``+``, ``:`` and backslashes.
        secret_hashes: ``hash_secret`` of each valid secret: one, or two while it is
            rotated.
        key_set: The public keys of a client that signs assertions. Its fetched keys
            must not outlive their ``Cache-Control``: ``stale_if_error_seconds=0``.
        key_set_url: The only ``jku`` that an assertion of this client may name.
        scopes: What the client may ask for, and gets if it asks for nothing.
        grants: The grant types that it may use.

    Raises:
        ConfigurationError: A setting is wrong, or the client could never authenticate.
    """

    client_id: str
    secret_hashes: tuple[str, ...] = field(default=(), repr=False)
    key_set: KeySet | None = field(default=None, repr=False)
    key_set_url: str | None = field(default=None, repr=False)
    scopes: frozenset[str] = frozenset()
    grants: frozenset[str] = frozenset({CLIENT_CREDENTIALS})

    def __post_init__(self) -> None:
        if not _matches(_CLIENT_ID, self.client_id):
            raise ConfigurationError(
                "A client_id is 1 to 128 visible ASCII characters without blanks, "
                "quotes, percent, plus, colon and backslash."
            )
        hashes = _list_texts("secret_hashes", self.secret_hashes)
        scopes = _list_texts("scopes", self.scopes)
        grants = _list_texts("grants", self.grants)
        object.__setattr__(self, "secret_hashes", tuple(hashes))
        object.__setattr__(self, "scopes", frozenset(scopes))
        object.__setattr__(self, "grants", frozenset(grants))
        self._check_proofs()
        if not all(is_scope(scope) and " " not in scope for scope in self.scopes):
            raise ConfigurationError(
                f"The scopes of client {self.client_id} are words of visible ASCII."
            )
        if not self.grants or not self.grants <= set(GRANTS):
            raise ConfigurationError(
                f"The grants of client {self.client_id} are among {', '.join(GRANTS)}."
            )

    def _check_proofs(self) -> None:
        if len(self.secret_hashes) > MAX_SECRETS or not all(
            _matches(_SHA256_HEX, digest) for digest in self.secret_hashes
        ):
            raise ConfigurationError(
                f"Client {self.client_id} has at most {MAX_SECRETS} secret hashes, "
                "each as hash_secret() returns it: 64 lower-case hexadecimal digits. "
                "Never give the secret itself."
            )
        if _HASH_OF_NOTHING in self.secret_hashes:
            raise ConfigurationError(
                f"A secret of client {self.client_id} is empty: make one with "
                "redox-wsgi oauth new-secret."
            )
        if self.key_set is not None:
            check_key_set(self.key_set)
        if not self.secret_hashes and self.key_set is None:
            raise ConfigurationError(
                f"Client {self.client_id} has neither a secret nor keys, so that it "
                "could never authenticate."
            )


class ClientRegistry(Protocol):
    """Finds a client; ``Clients`` does, or a class of your own over a database."""

    def get(self, client_id: str) -> Client | None:
        """Return the client with this ID, or None.

        Raises:
            AuthenticatorUnavailable: Nobody can tell now.
        """


def check_is_registry(candidate: object) -> None:
    """Raise ``ConfigurationError`` unless ``candidate`` has ``get``."""
    if isinstance(candidate, type) or not callable(getattr(candidate, "get", None)):
        raise ConfigurationError("clients has a method get(client_id): see Clients.")


def find_client(clients: ClientRegistry, client_id: str) -> Client:
    """Find the client with exactly this ID, which anybody may have sent.

    Returns:
        The client, or ``NOBODY``.

    Raises:
        AuthenticatorUnavailable: As the registry raised it.
    """
    # A registry over a database need not bear with every character.
    if not _matches(_CLIENT_ID, client_id):
        return NOBODY
    found = clients.get(client_id) or NOBODY
    # It may compare without regard to case. Nobody is compared too, in the same time,
    # so that this does not tell which clients there are.
    return found if hmac.compare_digest(found.client_id, client_id) else NOBODY


class Clients:
    """The registered clients, fixed when the application starts.

    Args:
        clients: At least one; no two with the same ID.

    Raises:
        ConfigurationError: There is none, or two have the same ID.

    Example:
        >>> clients = Clients([Client(client_id="redox", secret_hashes=("0" * 64,))])
        >>> clients.get("redox").client_id
        'redox'
    """

    def __init__(self, clients: Iterable[Client]) -> None:
        listed = tuple(clients) if isinstance(clients, Iterable) else ()
        if not listed or not all(isinstance(client, Client) for client in listed):
            raise ConfigurationError("Clients() takes at least one Client.")
        self._by_id = {client.client_id: client for client in listed}
        if len(self._by_id) != len(listed):
            raise ConfigurationError("Two clients have the same client_id.")

    @classmethod
    def from_json(cls, document: str | bytes) -> Self:
        """Read the clients from JSON: ``{"clients": [{"client_id": ..., ...}]}``.

        Each has the members ``client_id``, ``client_secret_hashes``, ``jwks`` or
        ``jwks_uri``, ``scope`` (words with blanks between) and ``grant_types``.

        Raises:
            ConfigurationError: It is not such a document, or a client in it is wrong.

        Spec:
            https://www.rfc-editor.org/rfc/rfc7591#section-2
        """
        entries = _read_entries(document)
        if not isinstance(entries, list):
            raise ConfigurationError(
                'The clients are a JSON object with one list, {"clients": [...]}.'
            )
        return cls(_read_client(number, entry) for number, entry in enumerate(entries))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the clients from a JSON file, as ``redox-wsgi oauth`` writes it.

        Raises:
            ConfigurationError: The file cannot be read, or see ``from_json``.
        """
        try:
            document = Path(path).read_bytes()
        except OSError as error:
            raise ConfigurationError(
                f"The file of clients cannot be read: {error.strerror}."
            ) from error
        return cls.from_json(document)

    @classmethod
    def from_environment(
        cls, name: str = "REDOX_OAUTH_CLIENTS", environ: Mapping[str, str] | None = None
    ) -> Self:
        """Read the clients from the JSON in an environment variable.

        Args:
            name: The name of the variable.
            environ: The variables; by default those of the process.

        Raises:
            ConfigurationError: The variable is not set, or see ``from_json``.
        """
        document = (os.environ if environ is None else environ).get(name)
        if not document:
            raise ConfigurationError(f"The environment variable {name} is not set.")
        return cls.from_json(document)

    def get(self, client_id: str) -> Client | None:
        """Return the client with this ID, or None."""
        return self._by_id.get(client_id)

    def __iter__(self) -> Iterator[Client]:
        """Iterate over the clients, in the order given."""
        return iter(self._by_id.values())


def _matches(pattern: re.Pattern[str], candidate: object) -> bool:
    return isinstance(candidate, str) and pattern.fullmatch(candidate) is not None


def _list_texts(name: str, candidate: object) -> list[str]:
    # A string is a collection of characters, and never meant so.
    if not isinstance(candidate, str) and isinstance(candidate, Iterable):
        texts = list(candidate)
        if all(isinstance(text, str) for text in texts):
            return texts
    raise ConfigurationError(f"{name} is a collection of text, not one text.")


def _read_entries(document: object) -> object:
    # Suppressed: the error of an encoder or decoder would hold the document.
    with contextlib.suppress(ValueError):
        encoded = document.encode("utf-8") if isinstance(document, str) else document
        if isinstance(encoded, bytes):
            return parse_object(encoded).get("clients")
    return None


def _read_client(number: int, entry: object) -> Client:
    if not isinstance(entry, dict) or not entry.keys() <= _MEMBERS:
        raise ConfigurationError(
            f"The client with index {number} is an object with some of the members "
            f"{', '.join(sorted(_MEMBERS))}."
        )
    scope = entry.get("scope", "")
    if not isinstance(scope, str):
        raise ConfigurationError(
            f"The scope of the client with index {number} is one text with blanks."
        )
    return Client(
        client_id=entry.get("client_id", ""),
        secret_hashes=entry.get("client_secret_hashes", ()),
        key_set=_read_key_set(number, entry),
        key_set_url=entry.get("jwks_uri"),
        scopes=frozenset(scope.split()),
        grants=entry.get("grant_types", [CLIENT_CREDENTIALS]),
    )


def _read_key_set(number: int, entry: Mapping[str, Any]) -> KeySet | None:
    # "The jwks_uri and jwks parameters MUST NOT both be present".
    # -- https://www.rfc-editor.org/rfc/rfc7591#section-2
    if "jwks" in entry and "jwks_uri" in entry:
        raise ConfigurationError(
            f"The client with index {number} has jwks and jwks_uri: give one of them."
        )
    if "jwks" in entry:
        # SMART names RS384 and ES384; an RSA key without "alg" serves the former.
        return StaticKeySet(entry["jwks"], rsa_algorithm="RS384")
    if "jwks_uri" in entry:
        # "Not to be used after its Cache-Control says so": no stale keys.
        # -- https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
        return RemoteKeySet(
            entry["jwks_uri"], rsa_algorithm="RS384", stale_if_error_seconds=0
        )
    return None


#: In place of the hash of a secret that does not exist; what equals it counts for
#: nothing.
NO_HASH = "0" * 64

#: In place of a client that does not exist, for as much work as with one that does.
NOBODY = Client(client_id="-" * 32, secret_hashes=(NO_HASH,))

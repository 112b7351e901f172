"""Make what an endpoint answered fit to be shown: no token, nothing for a terminal."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import deque
from html import escape
from urllib.parse import quote

__all__ = ["Redaction", "neutralise"]

# Too short to be told from any other text.
_SHORTEST_SECRET = 4
_SHOWN_CHARACTERS = 160
# Tokens and signatures that were sent; an endpoint may echo one of the last.
_KEPT_PROOFS = 64
# Shorter ones are times and the like.
_SHORTEST_PROOF = 20
_BLANKS = re.compile(r"[ \t\r\n]+")


class Redaction:
    """Finds a secret in what an endpoint answered, and blanks it."""

    def __init__(self, secret: str) -> None:
        forms = {
            secret,
            json.dumps(secret)[1:-1],
            quote(secret, safe=""),
            escape(secret),
            b64encode(secret.encode()).decode().rstrip("="),
        }
        # The probes also send it cut by a character and in the wrong case: who sees
        # those echoed knows nearly all of it.
        if len(secret) > _SHORTEST_SECRET:
            forms |= {form[:-1] for form in forms}
        longest_first = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile(
            "|".join(map(re.escape, longest_first)), re.IGNORECASE
        )
        #: Whether finding it in a text means anything.
        self.is_telling = len(secret) >= _SHORTEST_SECRET
        self._proofs: deque[str] = deque(maxlen=_KEPT_PROOFS)

    def __repr__(self) -> str:
        """Show nothing of the secret."""
        return "Redaction(***)"

    def add(self, header: str) -> None:
        """Blank the value of a header that was sent as proof, from now on.

        The scheme, such as ``Bearer``, is none of it. Of many, the last are kept.
        """
        proof = header.partition(" ")[2] or header
        if len(proof) >= _SHORTEST_PROOF and proof not in self._proofs:
            self._proofs.append(proof)

    def finds(self, text: str) -> bool:
        """Tell whether a text holds the secret, in whatever form it is blanked."""
        is_proof = any(proof in text for proof in [*self._proofs])
        return is_proof or self._pattern.search(text) is not None

    def blank(self, text: str) -> str:
        """Replace the secret, wherever a text holds it, by ``***``."""
        for proof in [*self._proofs]:
            text = text.replace(proof, "***")
        return self._pattern.sub("***", text)

    def show(self, text: str) -> str:
        """Make text of an endpoint's fit to be shown: blanked, tame, short, one line.

        The secret is looked for before anything is cut off.
        """
        text = neutralise(_BLANKS.sub(" ", self.blank(text)))
        if len(text) <= _SHOWN_CHARACTERS:
            return text
        return f"{text[:_SHOWN_CHARACTERS]} ... ({len(text)} characters)"


# An endpoint could send escape sequences to the terminal, or what no XML may hold.
def neutralise(text: str) -> str:
    """Replace every character that does not print by U+FFFD."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)

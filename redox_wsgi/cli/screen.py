"""What people read: without the token, and without what could harm a terminal."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import quote

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Screen"]


class Screen:
    """A console that never shows the token.

    Args:
        console: Where tables and sentences go.
        token: The token to blank wherever a destination echoes it.
        proofs: What else is to be blanked; it may grow.
    """

    def __init__(
        self, console: Console, *, token: str, proofs: Collection[str] = ()
    ) -> None:
        self.console = console
        self._proofs = proofs
        # As it stands, inside JSON, and inside an address.
        forms = {token, json.dumps(token)[1:-1], quote(token, safe="")}
        # The longest first: a form may be part of another.
        self._secrets = sorted(forms, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Blank the token, in all its forms, and the proofs."""
        for secret in [*self._proofs, *self._secrets]:
            text = text.replace(secret, "***")
        return text

    def text(self, text: str) -> Text:
        """Make text that the console can show, and that is not read as markup."""
        # What the output cannot encode is written as an escape, not as an error.
        encoding = self.console.encoding
        writable = _printable(self.hide(text)).encode(encoding, "backslashreplace")
        return Text(writable.decode(encoding))

    def say(self, sentence: str) -> None:
        """Show a sentence, wrapped by words."""
        self.console.print(self.text(sentence))


# A destination could send escape sequences to the terminal.
def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)

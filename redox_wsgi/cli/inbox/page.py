"""What people read: 80 columns, readable in a pipe, harmless to a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Page"]

# However narrow the terminal, there is room for words.
_LEAST_WIDTH = 20


class Page:
    """Writes lines to standard output.

    Args:
        console: Where they go.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def say(self, text: str = "", style: str = "") -> None:
        """Write a sentence, wrapped by words."""
        self._write(Text(), text, 0, style)

    def head(self, text: str) -> None:
        """Write a heading, after an empty line."""
        self.say()
        self.line(text, style="bold")

    def line(self, text: str, style: str = "") -> None:
        """Write one line however long it is: names and commands are copied whole."""
        self._console.print(self._text(text, style), soft_wrap=True)

    def beside(self, label: str, text: str, *, width: int, style: str = "dim") -> None:
        """Write text beside a label, both in columns of their own."""
        left = Text()
        left.append(label, style)
        self._write(left, text, width)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Write a table; a column whose name ends in ``#`` holds numbers."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in columns:
            is_number = name.endswith("#")
            table.add_column(
                name.rstrip("#"),
                justify="right" if is_number else "left",
                no_wrap=is_number,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(self._text(cell) for cell in row))
        with self._console.capture() as capture:
            self._console.print(table)
        # Nobody needs the blanks that fill its last column, nor empty lines around it.
        for line in capture.get().splitlines():
            if line.strip():
                self._console.out(line.rstrip(), highlight=False)

    def _write(self, left: Text, text: str, width: int, style: str = "") -> None:
        room = max(self._console.width - width, _LEAST_WIDTH)
        for line in self._text(text, style).wrap(self._console, room) or [Text()]:
            left.truncate(width, pad=True)
            left.append_text(line)
            left.rstrip()
            self._console.print(left, soft_wrap=True)
            left = Text()

    def _text(self, text: str, style: str = "") -> Text:
        # Bodies and names are others' text: they could send escape sequences to the
        # terminal. What the output cannot encode is written as an escape.
        printable = "".join(it if it.isprintable() else "\ufffd" for it in text)
        encoding = self._console.encoding
        writable = printable.encode(encoding, "backslashreplace").decode(encoding)
        return Text(writable, style)

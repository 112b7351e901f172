"""The simulator's one exception; it shares none with the receiver."""

from __future__ import annotations

__all__ = ["SimulatorError"]


class SimulatorError(Exception):
    """The simulator was asked for something it cannot do; nothing was sent.

    The message names the cure and never holds a token.
    """

"""States as the database keeps them: so that the common change takes no room."""

from __future__ import annotations

from redox_wsgi.inbox.entry import State

# A row whose length stays is changed in its place, without its body; and of integers
# only 0 and 1 take no byte of it: https://www.sqlite.org/fileformat2.html#record_format
_NUMBERS = {State.WAITING: 0, State.DONE: 1, State.DEAD: 3, State.EMPTIED: 4}
_STATES = {number: state for state, number in _NUMBERS.items()}


def write_state(state: State) -> int:
    """Return the number that stands in a row.

    Example:
        >>> write_state(State.DONE), read_state(1)
        (1, <State.DONE: 2>)
    """
    return _NUMBERS[state]


def read_state(number: int) -> State:
    """Return the state that a row's number stands for."""
    return _STATES[number]

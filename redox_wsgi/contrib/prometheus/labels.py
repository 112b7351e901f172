"""Label values that stay few: each one is a time series for Prometheus to keep."""

from __future__ import annotations

import threading

from redox_wsgi.errors import ConfigurationError

#: The extra that this package needs.
MISSING = 'Metrics need a package: pip install "redox_wsgi[prometheus]".'


class BoundedLabels:
    """Lets the first so many distinct labels pass; any further one is ``other``.

    Args:
        most: How many.

    Raises:
        ConfigurationError: It is not a number above 0.

    Example:
        >>> bounded = BoundedLabels(1)
        >>> bounded("Order", "New"), bounded("Order", None), bounded("Order", "New")
        (('Order', 'New'), ('other', 'other'), ('Order', 'New'))
    """

    def __init__(self, most: int) -> None:
        if isinstance(most, bool) or not isinstance(most, int) or most < 1:
            raise ConfigurationError("The most labels are a number above 0.")
        self._most = most
        self._known: set[tuple[str, ...]] = set()
        self._adding = threading.Lock()

    def __call__(self, *values: str | None) -> tuple[str, ...]:
        """Return the values as labels, ``-`` for None, or ``other`` for each."""
        labels = tuple(value or "-" for value in values)
        if labels in self._known:
            return labels
        with self._adding:
            if len(self._known) < self._most:
                self._known.add(labels)
        return labels if labels in self._known else ("other",) * len(labels)

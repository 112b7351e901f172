"""Put one entry after the other, as Redox would send them, until killed.

``python -m tests.support.postgresql_writer URL LANE FIRST`` writes the number of each
entry that was acknowledged, one a line; what was refused is put again.
"""

from __future__ import annotations

import itertools
import os
import sys
import time

from redox_wsgi import InboxUnavailable
from redox_wsgi.inbox.postgresql import PostgresqlStore
from tests.support.arrivals import build_arrival


def main(url: str, lane: str, first: str) -> None:
    """Put for ever."""
    store = PostgresqlStore(url)
    for number in itertools.count(int(first)):
        while True:
            try:
                store.put(build_arrival(number, lane))
            except InboxUnavailable:
                time.sleep(0.02)
                continue
            break
        # In one piece, so that a kill leaves no half line.
        os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main(*sys.argv[1:])

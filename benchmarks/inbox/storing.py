"""Keep a transmission: ours, a bare insert and other queues, on one disk in one run."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.inbox import contenders
from benchmarks.inbox.contenders import Contender, Open
from benchmarks.inbox.server import open_postgresql
from benchmarks.measure import Effort, Samples
from benchmarks.table import Row

_SQLITE = "bare insert, SQLite"
_POSTGRESQL = "bare insert, PostgreSQL"
_OUR_SQLITE = "Inbox, SQLite"
_OUR_POSTGRESQL = "Inbox, PostgreSQL"
_OURS: dict[str, tuple[Open, str]] = {
    _SQLITE: (contenders.bare_sqlite, _SQLITE),
    _OUR_SQLITE: (contenders.inbox_sqlite, _SQLITE),
    _POSTGRESQL: (contenders.bare_postgresql, _POSTGRESQL),
    _OUR_POSTGRESQL: (contenders.inbox_postgresql, _POSTGRESQL),
}
#: Bounds by name, with one writer and with several.
_REACH = {_OUR_SQLITE: (0.7, 0.6), _OUR_POSTGRESQL: (0.6, 0.6)}

_WRITERS = 4
_THREADS = 8


def measure(effort: Effort) -> Iterator[Row]:
    """Measure one writer, several processes, and several threads of one process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(open_postgresql())
        yield from _measure_one(effort, folder, url)
        yield from _measure_several(effort, folder, url)
        yield from _measure_threads(effort, folder)


def _measure_one(effort: Effort, folder: Path, url: str) -> Iterator[Row]:
    others = contenders.find_others()
    opened = {name: opener for name, (opener, _) in _OURS.items()} | others
    with ExitStack() as stack:
        putting: dict[str, Contender] = {}
        for name, opener in opened.items():
            own = folder / f"one {name}"
            own.mkdir()
            putting[name] = stack.enter_context(opener(own, url))
            putting[name].time(putting[name].build(1))
        samples = Samples(putting)
        for number in range(effort.slow_rounds * 2):
            for name in list(putting) if number % 2 else reversed(putting):
                contender = putting[name]
                seconds = contender.time(contender.build(effort.puts))
                samples.seconds[name].append(seconds / effort.puts)
    for name in opened:
        of = _OURS[name][1] if name in _OURS else _SQLITE
        yield _build_row(name, samples, of, 0)


def _measure_several(effort: Effort, folder: Path, url: str) -> Iterator[Row]:
    samples = Samples(_OURS)
    with ExitStack() as stack:
        writers = {}
        for name, (opener, _) in _OURS.items():
            own = folder / f"several {name}"
            own.mkdir()
            writers[name] = stack.enter_context(_processes(opener, own, url))
        for number in range(effort.slow_rounds):
            for name in list(writers) if number % 2 else reversed(writers):
                seconds = _time_together(writers[name], effort.puts)
                samples.seconds[name].append(seconds / (effort.puts * _WRITERS))
    for name, (_, of) in _OURS.items():
        yield _build_row(name, samples, of, 1, f", {_WRITERS} processes")


def _build_row(
    name: str, samples: Samples, of: str, position: int, more: str = ""
) -> Row:
    return Row(
        name + more,
        f"{1 / samples.typical(name):.0f} /s",
        None if name == of else samples.ratio(of, name),
        "" if name == of else of + more,
        at_least=_REACH[name][position] if name in _REACH else None,
    )


@contextmanager
def _processes(opener: Open, folder: Path, url: str) -> Iterator[list[Connection]]:
    spawn = multiprocessing.get_context("spawn")
    pipes = [spawn.Pipe() for _ in range(_WRITERS)]
    processes = [
        spawn.Process(target=_write, args=(theirs, opener, folder, url), daemon=True)
        for _, theirs in pipes
    ]
    for process in processes:
        process.start()
    ours = [our_end for our_end, _ in pipes]
    for connection in ours:
        connection.recv()
    yield ours
    for connection in ours:
        connection.send(0)
    for process in processes:
        process.join()


def _write(connection: Connection, opener: Open, folder: Path, url: str) -> None:
    """Put as many as one is told, again and again; in a process of its own."""
    with opener(folder, url) as contender:
        contender.time(contender.build(1))
        connection.send(0)
        while count := connection.recv():
            things = contender.build(count)
            connection.send(count)
            connection.recv()
            contender.time(things)
            connection.send(count)


def _time_together(connections: list[Connection], count: int) -> float:
    _tell_all(connections, count)
    started_at = time.perf_counter()
    _tell_all(connections, count)
    return time.perf_counter() - started_at


def _tell_all(connections: list[Connection], count: int) -> None:
    for connection in connections:
        connection.send(count)
    for connection in connections:
        connection.recv()


def _measure_threads(effort: Effort, folder: Path) -> Iterator[Row]:
    grouped, alone = f"{_THREADS} threads, grouped", f"{_THREADS} threads, one by one"
    samples = Samples([grouped, alone])
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
        putting: dict[str, Contender] = {}
        for name in samples.seconds:
            own = folder / name
            own.mkdir()
            putting[name] = stack.enter_context(contenders.inbox_sqlite(own, ""))
        putting[alone] = _behind_a_lock(putting[alone])
        for _ in range(effort.slow_rounds):
            for name, contender in putting.items():
                things = [contender.build(effort.puts) for _ in range(_THREADS)]
                started_at = time.perf_counter()
                for done in [pool.submit(contender.time, mine) for mine in things]:
                    done.result()
                seconds = time.perf_counter() - started_at
                samples.seconds[name].append(seconds / (effort.puts * _THREADS))
    for name in (alone, grouped):
        yield Row(
            f"{_OUR_SQLITE}, {name}",
            f"{1 / samples.typical(name):.0f} /s",
            samples.ratio(alone, grouped) if name == grouped else None,
            "one by one" if name == grouped else "",
            at_least=2.0 if name == grouped else None,
        )


def _behind_a_lock(contender: Contender) -> Contender:
    lock = threading.Lock()

    def put_alone(thing: object) -> object:
        with lock:
            return contender.put(thing)

    return replace(contender, put=put_alone)

"""Callers that post one thing after the other, and the work they share inside a process."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from itertools import accumulate
from threading import Thread
from typing import Final

from django.db import connections

from deploy.benchmarks.ledger.cases import Poster
from deploy.benchmarks.ledger.workload import Transfer

DRAWN: Final = 20_000
"""How many transfers a process draws ahead: a multiple of what any call takes."""


class Work:
    """The transfers of one process, gone through again and again."""

    def __init__(self, drawn: Sequence[Transfer]) -> None:
        self.drawn = drawn
        self._house_cents = [0, *accumulate(transfer.house_cents for transfer in drawn)]

    def slice(self, first: int, count: int) -> Sequence[Transfer]:
        first %= len(self.drawn)
        return self.drawn[first : first + count]

    def house_cents(self, first: int, count: int) -> int:
        """By how much the house's account grows from `count` transfers, the first of which is number `first`."""
        return self._until(first + count) - self._until(first)

    def _until(self, number: int) -> int:
        laps, rest = divmod(number, len(self.drawn))
        return laps * self._house_cents[-1] + self._house_cents[rest]


class Caller:
    """One caller that waits for each answer before it asks again."""

    def __init__(self, poster: Poster, work: Work, per_call: int, tag: str, number: int) -> None:
        self._poster = poster
        self._work = work
        self._per_call = per_call
        self._tag = tag
        # Callers of one process go through the same work from places far apart; a call never runs over its end.
        self._first = number * 7919 * per_call % len(work.drawn)
        self.done = 0
        self.latencies_ns = array("q")

    @property
    def house_cents(self) -> int:
        return self._work.house_cents(self._first, self.done)

    def drive(self, start_at: float, seconds: float) -> None:
        """Post from `start_at` until `seconds` are over, at least once."""
        time.sleep(max(0.0, start_at - time.monotonic()))
        poster, work, per_call, latencies = self._poster, self._work, self._per_call, self.latencies_ns
        end_at_ns = int((start_at + seconds) * 1e9)
        now_ns = time.monotonic_ns()
        while True:
            begun_at_ns = now_ns
            keys = [f"{self._tag}-{number}" for number in range(self.done, self.done + per_call)]
            poster(keys, work.slice(self._first + self.done, per_call))
            now_ns = time.monotonic_ns()
            latencies.append(now_ns - begun_at_ns)
            self.done += per_call
            if now_ns >= end_at_ns:
                return


def drive_together(callers: Sequence[Caller], start_at: float, seconds: float) -> None:
    """Let the callers post side by side; one alone needs no thread."""
    if seconds <= 0:
        return
    if len(callers) == 1:
        callers[0].drive(start_at, seconds)
        return
    failures: list[BaseException] = []

    def drive(caller: Caller) -> None:
        try:
            caller.drive(start_at, seconds)
        except BaseException as failure:
            failures.append(failure)
        finally:
            connections.close_all()

    threads = [Thread(target=drive, args=[caller]) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]

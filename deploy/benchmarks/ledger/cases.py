"""The yardsticks, and the table of cases that a run goes through."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, cast

from deploy.benchmarks.ledger.workload import CONTENTIONS, Transfer

Poster = Callable[[Sequence[str], Sequence[Transfer]], object]
"""Books transfers under their keys, in one call; raises when one is not booked."""

CALLERS: Final = (8, 64, 256)
CONNECTIONS: Final = (8, 64)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a ledger is laid out on: so many client accounts, with the SQL that brings its tables if it needs any."""

    accounts: int
    scripts: tuple[str, ...] = ()


class Ledger(Protocol):
    """What a module of a ledger offers; it is imported in a client's process after Django's setup."""

    SCHEMA: str

    def lay(self, ground: Ground) -> None:
        """Make its tables and funded accounts."""

    def poster(self, name: str) -> Poster:
        """The way to book by the yardstick `name`."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """One way to book: `per_call` journals in each call, by a module of this package under its settings."""

    name: str
    module: str
    per_call: int = 1
    is_threaded: bool = False
    callers: tuple[int, ...] = CALLERS
    is_read: bool = False
    settings: str = "lombard"

    def ledger(self) -> Ledger:
        return cast(Ledger, import_module(f"{__package__}.{self.module}"))


YARDSTICKS: Final = (
    Yardstick("orm", "naive"),
    Yardstick("hordak", "hordak", settings="hordak"),
    Yardstick("pgledger", "pgledger"),
    Yardstick("pgledger1000", "pgledger", per_call=1000),
    Yardstick("single", "books"),
    Yardstick("coalesced", "books", is_threaded=True),
    Yardstick("http_single", "books", is_threaded=True, callers=CONNECTIONS),
    Yardstick("batch100", "books", per_call=100),
    Yardstick("batch1000", "books", per_call=1000),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One yardstick under one contention by so many clients: processes, or callers of a serving process."""

    yardstick: Yardstick
    contention: str
    clients: int

    def __str__(self) -> str:
        return f"{self.yardstick.name}/{self.contention}/{self.clients}"


def all_cases(yardsticks: Sequence[Yardstick], clients: Sequence[int]) -> list[Case]:
    """Every contention and number of clients for each yardstick."""
    return [
        Case(yardstick, contention, count)
        for yardstick in yardsticks
        for contention in CONTENTIONS
        for count in (yardstick.callers if yardstick.is_threaded else clients)
    ]


def chosen(cases: Sequence[Case], patterns: Sequence[str]) -> list[Case]:
    """The cases that one of the patterns matches, such as `single`, `batch*/hot` or `*/*/8`; all without any."""
    if not patterns:
        return list(cases)
    full = [f"{pattern}{'/*' * (2 - pattern.count('/'))}" for pattern in patterns]
    return [case for case in cases if any(fnmatch.fnmatchcase(str(case), pattern) for pattern in full)]

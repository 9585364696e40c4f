"""What a full book costs against an empty one: two databases side by side, measured in turn after one was filled.

The full one is filled through the posting service in large batches, so every law holds for every entry.
Measuring both at the end, and not one before and one after, keeps a change of the machine out of the difference.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from deploy.benchmarks.figures import Figure, growth_percent, median_figure
from deploy.benchmarks.ledger import proof
from deploy.benchmarks.ledger.cases import Case, Ground, Yardstick
from deploy.benchmarks.ledger.clients import Clients, Measured, clients
from deploy.benchmarks.ledger.rounds import Step, Tell, order
from deploy.benchmarks.servers import Server, connected_to, migrated_database, settle

_BOOKS: Final = {
    name: Yardstick(name, "books", per_call, is_read=name == "read")
    for name, per_call in {"single": 1, "batch1000": 1000, "read": 1, "fill": 2000}.items()
}
CASES: Final = (
    Case(_BOOKS["single"], "uniform", 1),
    Case(_BOOKS["single"], "uniform", 8),
    Case(_BOOKS["batch1000"], "uniform", 2),
    Case(_BOOKS["read"], "uniform", 1),
)
_FILLING: Final = Case(_BOOKS["fill"], "uniform", 2)
_FILLING_SECONDS: Final = 5.0
_ENTRIES_PER_JOURNAL: Final = 2


@dataclass(frozen=True, slots=True)
class Growth:
    """One case in the empty and in the full book; `percent` is by how much a call's cost grew."""

    case: Case
    empty: Figure
    full: Figure

    @property
    def percent(self) -> float:
        """Of the median latency of a read, of the time a posting takes of the whole."""
        if self.case.yardstick.is_read:
            return growth_percent(self.empty.p50_ms, self.full.p50_ms)
        return growth_percent(1 / self.empty.per_second, 1 / self.full.per_second)


@dataclass(frozen=True, slots=True)
class GrowthOutcome:
    """`entries` were in the full book at the start; measuring left `empty_entries_after` in the empty one."""

    entries: int
    empty_entries_after: int
    cases: tuple[Growth, ...]
    faults: tuple[str, ...]


class Side:
    """One of the two databases."""

    def __init__(self, at: Clients, ground: Ground) -> None:
        self._at = at
        self._ground = ground
        self.counted: Counter[str] = Counter()
        self.figures: defaultdict[Case, list[Figure]] = defaultdict(list)

    @property
    def entries(self) -> int:
        return (self._ground.accounts + self.counted["acknowledged"]) * _ENTRIES_PER_JOURNAL

    def run(self, case: Case, seconds: float, warm_up_seconds: float) -> Measured:
        measured = self._at.run(
            case, accounts=self._ground.accounts, seconds=seconds, warm_up_seconds=warm_up_seconds
        )
        self.counted["acknowledged"] += measured.acknowledged
        self.counted["house_cents"] += measured.house_cents
        return measured


def measure_growth(
    server: Server,
    entries: int,
    *,
    ground: Ground,
    rounds: int,
    seconds: float,
    tell: Tell,
    step: Step,
) -> GrowthOutcome:
    """Fill one book with `entries` entries and measure it against another that has hardly any."""
    faults: list[str] = []
    with ExitStack() as stack:
        databases = [stack.enter_context(migrated_database(server)) for _side in range(2)]
        with ExitStack() as running:
            sides = []
            for database in databases:
                at = running.enter_context(clients(database, "lombard", max(case.clients for case in CASES)))
                at.lay(_BOOKS["fill"], ground)
                sides.append(Side(at, ground))
            empty, full = sides
            fill(full, entries, step)
            filled = full.entries
            tell("Vacuuming both databases")
            for database in databases:
                with connected_to(database):
                    settle()
            take_turns(sides, rounds, seconds, step)
        for database, side in zip(databases, sides, strict=True):
            tell(f"Auditing a book of {side.entries:,} entries")
            with connected_to(database):
                faults += proof.faults(
                    ground.accounts, side.counted["acknowledged"], side.counted["house_cents"]
                )
    grown = tuple(
        Growth(case, median_figure(empty.figures[case]), median_figure(full.figures[case])) for case in CASES
    )
    return GrowthOutcome(filled, empty.entries, grown, tuple(faults))


def fill(side: Side, entries: int, step: Step) -> None:
    """Post until the side holds at least so many entries."""
    while side.entries < entries:
        step(f"filling a book: {side.entries:,} entries", side.entries, entries)
        side.run(_FILLING, _FILLING_SECONDS, warm_up_seconds=0)
    step("filled", entries, entries)


def take_turns(sides: Sequence[Side], rounds: int, seconds: float, step: Step) -> None:
    """Measure each case on both sides before the next, and let the other side begin in the next round."""
    for round_number in range(rounds):
        for position, case in enumerate(order(CASES, round_number)):
            step(f"growth: {case}", round_number * len(CASES) + position, rounds * len(CASES))
            for side in sides if round_number % 2 == 0 else reversed(sides):
                side.figures[case].append(side.run(case, seconds, seconds / 4).figure)
    step("growth measured", rounds * len(CASES), rounds * len(CASES))

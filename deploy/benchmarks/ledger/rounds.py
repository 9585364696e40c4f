"""One run: lay out every ledger, go through the cases round by round, prove the books."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median
from typing import Final

from deploy.benchmarks.figures import Figure, median_figure
from deploy.benchmarks.ledger import proof
from deploy.benchmarks.ledger.cases import Case, Ground
from deploy.benchmarks.ledger.clients import Clients, clients
from deploy.benchmarks.servers import Database, Server, migrated_database, settle, shown_settings
from deploy.benchmarks.tpcb import Tpcb

CASES_PER_TPCB: Final = 12

Tell = Callable[[str], None]
"""Says one line to whoever waits."""

Step = Callable[[str, int, int], None]
"""Shows how far a long piece of work is: what is being done, steps done, steps in all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    cases: tuple[Case, ...]
    rounds: int
    seconds: float
    warm_up_seconds: float
    ground: Ground
    tpcb_scale: int
    serving: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The median of the rounds; `faults` is what is wrong with the books afterwards."""

    tpcb_per_second: float | None
    figures: dict[Case, Figure]
    faults: tuple[str, ...]


def measure(server: Server, plan: Plan, tell: Tell, step: Step) -> Outcome:
    """Run the plan on a database of its own on `server`."""
    with migrated_database(server) as database:
        tell("server: " + ", ".join(f"{name} {value}" for name, value in shown_settings().items()))
        tell(f"server: {server.place}")
        tpcb = _tpcb(server, database, plan, tell)
        with ExitStack() as stack:
            by_settings = {
                settings: stack.enter_context(clients(database, settings, count, serving=plan.serving))
                for settings, count in _processes(plan).items()
            }
            _lay(by_settings, plan, tell)
            settle()
            measurement = _Measurement(plan, tpcb, by_settings)
            measurement.run(step)
        tell("Auditing the books")
        faults = tuple(
            proof.faults(plan.ground.accounts, measurement.acknowledged, measurement.house_cents)
            if any(case.yardstick.module == "books" for case in plan.cases)
            else ()
        )
    return Outcome(
        median(measurement.tpcb_per_second) if measurement.tpcb_per_second else None,
        {case: median_figure(rounds) for case, rounds in measurement.figures.items()},
        faults,
    )


def order(cases: Sequence[Case], round_number: int) -> list[Case]:
    """Every other round goes backwards, so that what drifts during a round favours nobody."""
    return list(cases) if round_number % 2 == 0 else list(reversed(cases))


class _Measurement:
    """The rounds of one plan and what was counted so far."""

    def __init__(self, plan: Plan, tpcb: Tpcb | None, by_settings: dict[str, Clients]) -> None:
        self._plan = plan
        self._tpcb = tpcb
        self._by_settings = by_settings
        self.tpcb_per_second: list[float] = []
        self.figures: defaultdict[Case, list[Figure]] = defaultdict(list)
        self.acknowledged = 0
        self.house_cents = 0

    def run(self, step: Step) -> None:
        steps = self._plan.rounds * len(self._plan.cases)
        for round_number in range(self._plan.rounds):
            for position, case in enumerate(order(self._plan.cases, round_number)):
                done = round_number * len(self._plan.cases) + position
                if self._tpcb is not None and position % CASES_PER_TPCB == 0:
                    step(f"round {round_number + 1}: TPC-B", done, steps)
                    self.tpcb_per_second.append(self._tpcb.per_second(self._plan.seconds))
                step(f"round {round_number + 1}: {case}", done, steps)
                self._run_case(case)
        step("measured", steps, steps)

    def _run_case(self, case: Case) -> None:
        measured = self._by_settings[case.yardstick.settings].run(
            case,
            accounts=self._plan.ground.accounts,
            seconds=self._plan.seconds,
            warm_up_seconds=self._plan.warm_up_seconds,
        )
        self.figures[case].append(measured.figure)
        if case.yardstick.module == "books":
            self.acknowledged += measured.acknowledged
            self.house_cents += measured.house_cents


def _processes(plan: Plan) -> dict[str, int]:
    """How many processes each set of settings needs."""
    wanted: defaultdict[str, int] = defaultdict(int)
    for case in plan.cases:
        count = plan.serving if case.yardstick.is_threaded else case.clients
        wanted[case.yardstick.settings] = max(wanted[case.yardstick.settings], count)
    return dict(wanted)


def _tpcb(server: Server, database: Database, plan: Plan, tell: Tell) -> Tpcb | None:
    """Fill and warm up TPC-B: its pages have all been written since the last checkpoint, like everybody's."""
    if server.pgbench is None:
        tell("TPC-B: left out, and all ratios with it: there is no pgbench on PATH")
        return None
    tell(f"Filling TPC-B at scale {plan.tpcb_scale}")
    tpcb = Tpcb(server.pgbench, database)
    tpcb.lay(plan.tpcb_scale)
    tpcb.per_second(plan.warm_up_seconds * 10)
    return tpcb


def _lay(by_settings: dict[str, Clients], plan: Plan, tell: Tell) -> None:
    for yardstick in {case.yardstick.module: case.yardstick for case in plan.cases}.values():
        tell(f"Opening {plan.ground.accounts:,} accounts: {yardstick.module}")
        by_settings[yardstick.settings].lay(yardstick, plan.ground)

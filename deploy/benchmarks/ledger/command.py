"""What `manage.py benchmark ledger` takes, does and prints. Only the result goes to standard output."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.core.management import CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from deploy.benchmarks import tpcb
from deploy.benchmarks.ledger import hordak, pgledger, report
from deploy.benchmarks.ledger.cases import YARDSTICKS, Ground, Yardstick, all_cases, chosen
from deploy.benchmarks.ledger.clients import ClientFailed
from deploy.benchmarks.ledger.growth import GrowthOutcome, measure_growth
from deploy.benchmarks.ledger.rounds import Outcome, Plan, Tell, measure
from deploy.benchmarks.servers import UnfitServer, running_server

HELP: Final = "Measure posting to the book against TPC-B and other ledgers on one server with fsync on."
ACCOUNTS: Final = 10_000
ACCOUNTS_QUICK: Final = 500
CLIENTS_MAX: Final = 64


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=_positive, help="how often to go through all cases (default: 3)")
    add("--seconds", type=_seconds, help="how long each case runs in a round (default: 3)")
    add("--clients", type=_counts, default=(1, 2, 8), help="numbers of client processes (default: 1,2,8)")
    add("--serving", type=int, choices=(1, 2), default=1, help="processes the coalesced callers share")
    add("--only", type=_words, default=(), help="cases to run, such as single,batch*/hot,orm/uniform/8")
    add(
        "--quick", action="store_true", help="see that everything works: little data, one round, 0.3 s a case"
    )
    add("--growth", type=_positive, metavar="ENTRIES", help="also measure a book filled with so many entries")
    add("--pgledger-sql", nargs="+", metavar="FILE", help=f"pgledger: {pgledger.HOW_TO_HAVE_IT}")
    add("--json", action="store_true", help="print one JSON object")


def run(options: dict[str, Any], stdout: Any) -> None:
    """Measure what the options ask for and print it; fails when the books are not what they must be."""
    stderr = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    ground = Ground(ACCOUNTS_QUICK if options["quick"] else ACCOUNTS, _scripts(options["pgledger_sql"]))
    plan = _plan(options, ground, stderr.print)
    outcome, growth = _measured(options, plan, stderr)
    if options["json"]:
        stdout.write(json.dumps(report.as_json(outcome, growth)))
    else:
        out = Console(file=stdout)
        out.print(report.as_table(outcome, _title(outcome, plan, is_quick=options["quick"])))
        if growth:
            out.print(report.growth_table(growth))
    faults = [*outcome.faults, *(growth.faults if growth else ())]
    for fault in faults:
        stderr.print(fault)
    if faults:
        raise CommandError(f"The books are not what was posted: {len(faults)} faults.")
    stderr.print("Every acknowledged journal and every cent is in the books, and the audit found nothing.")


def _measured(options: dict[str, Any], plan: Plan, stderr: Console) -> tuple[Outcome, GrowthOutcome | None]:
    columns = (TextColumn("{task.description:<38}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    try:
        with running_server() as server, Progress(*columns, console=stderr) as progress:
            bar = progress.add_task("starting", total=None)

            def step(description: str, done: int, total: int) -> None:
                progress.update(bar, description=description, completed=done, total=total)

            outcome = measure(server, plan, stderr.print, step)
            growth = None
            if options["growth"]:
                growth = measure_growth(
                    server,
                    options["growth"],
                    ground=plan.ground,
                    rounds=plan.rounds,
                    seconds=plan.seconds,
                    tell=stderr.print,
                    step=step,
                )
    except (UnfitServer, ClientFailed) as failure:
        raise CommandError(str(failure)) from failure
    return outcome, growth


def _plan(options: dict[str, Any], ground: Ground, tell: Tell) -> Plan:
    is_quick = options["quick"]
    if is_quick:
        tell(
            f"A quick run: {ground.accounts} accounts, TPC-B at scale {tpcb.SCALE_QUICK}. Quote no figure of it."
        )
    left_out = dict(_left_out(ground))
    for name, why in left_out.items():
        tell(f"{name}: left out: {why}")
    yardsticks = [each for each in YARDSTICKS if each.module not in left_out and each.name not in left_out]
    seconds = options["seconds"] or (0.3 if is_quick else 3.0)
    return Plan(
        cases=tuple(_cases(yardsticks, options)),
        rounds=options["rounds"] or (1 if is_quick else 3),
        seconds=seconds,
        warm_up_seconds=0.0 if is_quick else min(1.0, seconds / 4),
        ground=ground,
        tpcb_scale=tpcb.SCALE_QUICK if is_quick else tpcb.SCALE,
        serving=options["serving"],
    )


def _cases(yardsticks: list[Yardstick], options: dict[str, Any]) -> list[Any]:
    cases = chosen(all_cases(yardsticks, options["clients"]), options["only"])
    if not cases:
        raise CommandError("There is no such case: a case is NAME/CONTENTION/CLIENTS, such as single/hot/8.")
    return cases


def _left_out(ground: Ground) -> Iterator[tuple[str, str]]:
    if not hordak.is_installed():
        yield "hordak", hordak.HOW_TO_HAVE_IT
    if not ground.scripts:
        yield "pgledger", pgledger.HOW_TO_HAVE_IT


def _scripts(named: list[str] | None) -> tuple[str, ...]:
    """The texts of pgledger's files, named on the command line or in the environment."""
    files = named or [each for each in os.environ.get(pgledger.VARIABLE, "").split(os.pathsep) if each]
    try:
        return tuple(Path(each).read_text(encoding="utf-8") for each in files)
    except OSError as error:
        raise CommandError(f"pgledger's SQL cannot be read: {error}") from error


def _title(outcome: Outcome, plan: Plan, *, is_quick: bool) -> str:
    rate = outcome.tpcb_per_second
    yardstick = f"TPC-B: {rate:,.0f} a second" if rate else "no TPC-B"
    quick = ", quick run" if is_quick else ""
    return f"{yardstick} (scale {plan.tpcb_scale}, {tpcb.CLIENTS} clients{quick})"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.01 <= seconds <= 3600:
        raise ArgumentTypeError("must be between 0.01 and 3600")
    return seconds


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(word) for word in _words(text))
    if not counts or not all(1 <= count <= CLIENTS_MAX for count in counts):
        raise ArgumentTypeError(f"must be numbers from 1 to {CLIENTS_MAX}")
    return counts

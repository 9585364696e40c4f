"""What `manage.py benchmark sales` takes, does and prints. Only the result goes to standard output."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from statistics import median
from time import perf_counter_ns
from typing import Any, Final

from django.core.management import CommandError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from collateral.valuation import Debt, Holding, value_account
from deploy.benchmarks.figures import percentile
from deploy.benchmarks.sales import workload
from margin.sales.firm import FirmPlan, plan_firm
from margin.sales.planner import Outcome, SalePlan, plan_sale

HELP: Final = "Measure the planning of forced sales: accounts of 20 assets, and a firm of 300 accounts."
ACCOUNTS: Final = 200
FIRMS: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its questions, how one is answered, and what an answer must show."""

    name: str
    questions: tuple[workload.Question, ...]
    answer: Callable[..., Any]
    faults: Callable[[workload.Question, Any], Iterator[str]]
    is_proved: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Result:
    name: str
    p50_ms: float
    p95_ms: float
    proved: int
    plans: int
    faults: tuple[str, ...]


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--rounds", type=_positive, default=3, help="how often to plan all of them (default: 3)")
    add("--accounts", type=_positive, default=ACCOUNTS, help=f"accounts planned alone (default: {ACCOUNTS})")
    add("--firms", type=_positive, default=FIRMS, help=f"firms of 300 accounts (default: {FIRMS})")
    add(
        "--quick", action="store_true", help="see that everything works: one round of 10 accounts and 2 firms"
    )
    add("--json", action="store_true", help="print one JSON object")


def run(options: dict[str, Any], stdout: Any) -> None:
    """Plan what the options ask for and print it; fails when a plan does not do what it says."""
    stderr = Console(stderr=True, soft_wrap=True, markup=False, highlight=False)
    rounds, accounts, firms = options["rounds"], options["accounts"], options["firms"]
    if options["quick"]:
        rounds, accounts, firms = 1, min(accounts, 10), min(firms, 2)
        stderr.print("A quick run. Quote no figure of it.")
    results = [_measured(case, rounds) for case in _cases(accounts, firms)]
    if options["json"]:
        stdout.write(json.dumps({"cases": [_as_json(each) for each in results]}))
    else:
        Console(file=stdout).print(_as_table(results))
    faults = [fault for each in results for fault in each.faults]
    for fault in faults:
        stderr.print(fault)
    if faults:
        raise CommandError(f"The plans are not what they say: {len(faults)} faults.")
    stderr.print(
        "Every plan was valued again: each account is cured, and nothing sold beyond cap or holding."
    )


def _cases(accounts: int, firms: int) -> tuple[Case, Case]:
    return (
        Case(
            "account_20_assets",
            tuple(workload.account(seed) for seed in range(accounts)),
            plan_sale,
            account_faults,
            lambda plan: plan.is_optimality_proved,
        ),
        Case(
            "firm_300x8",
            tuple(workload.firm(seed) for seed in range(firms)),
            plan_firm,
            firm_faults,
            lambda plan: plan.is_within_a_lot,
        ),
    )


def _measured(case: Case, rounds: int) -> Result:
    """Plan everything once to warm up and to check it, then in rounds against the clock."""
    plans = [case.answer(**question) for question in case.questions]
    faults = [
        f"{case.name} {number}: {fault}"
        for number, (question, plan) in enumerate(zip(case.questions, plans, strict=True))
        for fault in case.faults(question, plan)
    ]
    latencies = []
    for _ in range(rounds):
        taken = []
        for question in case.questions:
            started = perf_counter_ns()
            case.answer(**question)
            taken.append(perf_counter_ns() - started)
        latencies.append(taken)
    return Result(
        name=case.name,
        p50_ms=median(percentile(taken, 50) for taken in latencies) / 1e6,
        p95_ms=median(percentile(taken, 95) for taken in latencies) / 1e6,
        proved=sum(case.is_proved(plan) for plan in plans),
        plans=len(plans),
        faults=tuple(faults),
    )


def account_faults(question: workload.Question, plan: SalePlan) -> Iterator[str]:
    """Value the account after its plan from nothing but the legs, and say what is wrong with it."""
    if plan.outcome is not Outcome.CURES:
        yield f"is {plan.outcome}"
    left = {holding.code: holding for holding in question["holdings"]}
    for leg in plan.legs:
        if leg.quantity > left[leg.code].quantity:
            yield f"sells more {leg.code} than is held"
    after = [
        Holding(code, holding.quantity - sold, holding.price, holding.haircut)
        for code, holding in left.items()
        for sold in [sum((leg.quantity for leg in plan.legs if leg.code == code), Decimal(0))]
    ]
    proceeds = sum((leg.net for leg in plan.legs), Decimal(0))
    value = value_account(
        after, [Debt("loan", question["loan"])], cash=proceeds, credit_limit=question["credit_limit"]
    )
    if value.is_above(question["target"]):
        yield f"ends at a utilisation of {value.utilisation}"


def firm_faults(question: workload.Question, plan: FirmPlan) -> Iterator[str]:
    """Value every account of a firm after the plan, and hold the block orders against caps and legs."""
    assets = {asset.code: asset for asset in question["assets"]}
    for block in plan.blocks:
        cap = assets[block.code].cap
        if cap is not None and block.quantity > cap:
            yield f"sells {block.quantity} {block.code}, above the cap of {cap}"
        if sum((quantity for _, quantity in block.split), Decimal(0)) != block.quantity:
            yield f"splits {block.code} into something else than its order"
    legs = {(leg.account, leg.code): leg for leg in plan.legs}
    uncured = dict(plan.uncured)
    for account in question["accounts"]:
        cash, after = Decimal(0), []
        for code, held in account.held.items():
            leg = legs.get((account.key, code))
            sold = leg.quantity if leg else Decimal(0)
            cash += leg.gross - leg.charges if leg else Decimal(0)
            if sold > held:
                yield f"sells more {code} than {account.key} holds"
                return
            after.append(Holding(code, held - sold, assets[code].price, assets[code].haircut))
        value = value_account(after, [Debt("loan", account.loan)], cash=cash)
        if value.is_above(account.target) != (account.key in uncured):
            yield f"{account.key} ends at a utilisation of {value.utilisation}"


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "p50_ms": round(result.p50_ms, 3),
        "p95_ms": round(result.p95_ms, 3),
        "proved": result.proved == result.plans,
    }


def _as_table(results: list[Result]) -> Table:
    table = Table(caption="milliseconds a plan", box=SIMPLE_HEAD)
    table.add_column("case")
    for name in ("p50", "p95", "proved"):
        table.add_column(name, justify="right")
    for each in results:
        proved = f"{each.proved} of {each.plans}"
        table.add_row(each.name, f"{each.p50_ms:.1f}", f"{each.p95_ms:.1f}", proved)
    return table


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number

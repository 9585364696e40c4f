"""`manage.py backtest`: forced sales from 2021 to 2025 on real prices, beside the rules of others or by haircut."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentTypeError
from datetime import date
from decimal import Decimal
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.backtest.accounts import Sale, drawn, live_through
from deploy.backtest.haircuts import outcome
from deploy.backtest.history import History, load
from deploy.backtest.report import as_table, figures, haircut_figures, haircut_table
from deploy.backtest.rules import RULES
from ledger.core.decimals import InexactValue, exact
from margin.stress.backtests import keep_backtest

ACTOR: Final = "manage.py backtest"


class Command(BaseCommand):
    help = (
        "Live the same accounts through 2021 to 2025 under our rule of what to sell and under four of others,"
        " or under several haircuts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--accounts", type=int, default=200, help="how many accounts (default: 200)")
        add("--seed", type=int, default=1, help="which accounts are drawn (default: 1)")
        add("--from", dest="start", type=date.fromisoformat, default=date(2021, 1, 4), help="first day")
        add("--to", dest="end", type=date.fromisoformat, default=date(2025, 5, 22), help="last day")
        add("--haircuts", type=_haircuts, help="instead, try these haircuts on coins: 0.4,0.5,0.6,0.7")
        add("--keep", action="store_true", help="keep the result of --haircuts for the back office")
        add("--json", action="store_true", help="print one JSON object")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        start, end, count, seed = (options[name] for name in ("start", "end", "accounts", "seed"))
        if count < 1:
            raise CommandError("There must be at least one account.")
        history = load(start, end)
        if not history.closes:
            raise CommandError(f"There are no prices from {start} to {end}.")
        title = f"{count} accounts, {start} to {end}"
        result = {"from": start.isoformat(), "to": end.isoformat(), "accounts": count}
        if options["haircuts"]:
            self._try_haircuts(history, title, result, options)
            return
        if options["keep"]:
            raise CommandError("Only what --haircuts finds is kept.")
        rows = []
        with _progress() as progress:
            bar = progress.add_task("Rules", total=len(RULES) * count)
            for rule in RULES:
                accounts = drawn(history, count, seed)
                sales: list[Sale] = []
                for account in accounts:
                    sales += live_through(account, history, rule)
                    progress.update(bar, advance=1, description=rule)
                rows.append(figures(rule, sales, accounts))
        self._show(result | {"rules": rows}, as_table(rows, title), is_json=options["json"])
        breached = {name: number for row in rows for name, number in row["breaches"].items() if number}
        if breached:
            raise CommandError(f"Sales did what none may do: {breached}")

    def _try_haircuts(
        self, history: History, title: str, result: dict[str, Any], options: dict[str, Any]
    ) -> None:
        haircuts, count, seed = options["haircuts"], options["accounts"], options["seed"]
        with _progress() as progress:
            bar = progress.add_task("Haircuts", total=len(haircuts) * count)
            outcomes = [
                outcome(history, haircut, count, seed, lambda: progress.advance(bar)) for haircut in haircuts
            ]
        if options["keep"]:
            keep_backtest(
                started_on=options["start"],
                ended_on=options["end"],
                account_count=count,
                seed=seed,
                outcomes=outcomes,
                actor=ACTOR,
            )
        rows = [haircut_figures(each) for each in outcomes]
        self._show(
            result | {"seed": seed, "of": "virtual_assets", "haircuts": rows},
            haircut_table(outcomes, title),
            is_json=options["json"],
        )

    def _show(self, result: dict[str, Any], table: Table, *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(json.dumps(result))
        else:
            stdout: Any = self.stdout
            Console(file=stdout, width=120).print(table)


def _haircuts(text: str) -> list[Decimal]:
    """Read `0.4,0.5,0.6` as rising fractions below 1, each once."""
    try:
        found = sorted({exact(part.strip()) for part in text.split(",")})
    except InexactValue as error:
        raise ArgumentTypeError(str(error)) from error
    if not all(0 <= haircut < 1 for haircut in found):
        raise ArgumentTypeError(f"{text} holds what is no haircut: fractions from 0 to below 1")
    return found


def _progress() -> Progress:
    """A bar where somebody looks, on the other stream than the result."""
    columns = (TextColumn("{task.description:<14}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True, quiet=not sys.stderr.isatty()), transient=True)

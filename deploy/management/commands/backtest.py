"""`manage.py backtest`: forced sales from 2021 to 2025 on real prices, beside the rules of others."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from deploy.backtest.accounts import drawn, live_through
from deploy.backtest.history import load
from deploy.backtest.report import as_table, figures
from deploy.backtest.rules import RULES


class Command(BaseCommand):
    help = (
        "Live the same accounts through 2021 to 2025 under our rule of what to sell and under four of others."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--accounts", type=int, default=200, help="how many accounts (default: 200)")
        add("--seed", type=int, default=1, help="which accounts are drawn (default: 1)")
        add("--from", dest="start", type=date.fromisoformat, default=date(2021, 1, 4), help="first day")
        add("--to", dest="end", type=date.fromisoformat, default=date(2025, 5, 22), help="last day")
        add("--json", action="store_true", help="print one JSON object")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        start, end, count, seed = (options[name] for name in ("start", "end", "accounts", "seed"))
        if count < 1:
            raise CommandError("There must be at least one account.")
        history = load(start, end)
        if not history.closes:
            raise CommandError(f"There are no prices from {start} to {end}.")
        rows = []
        for rule in RULES:
            accounts = drawn(history, count, seed)
            sales = [sale for account in accounts for sale in live_through(account, history, rule)]
            rows.append(figures(rule, sales, accounts))
        if options["json"]:
            result = {"from": start.isoformat(), "to": end.isoformat(), "accounts": count, "rules": rows}
            self.stdout.write(json.dumps(result))
        else:
            stdout: Any = self.stdout
            Console(file=stdout, width=120).print(as_table(rows, f"{count} accounts, {start} to {end}"))
        breached = {name: number for row in rows for name, number in row["breaches"].items() if number}
        if breached:
            raise CommandError(f"Sales did what none may do: {breached}")

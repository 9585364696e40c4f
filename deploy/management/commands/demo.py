"""`manage.py demo`: a small firm lives through the summer of 2022, and the back office stays open."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Any

from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.demo import clients, firm, haircuts, replay
from deploy.demo.summary import Summary, summarise
from deploy.embedded.supervisor import serve
from ledger.core import clock
from margin.brokers import issue_api_key
from margin.models import ApiKey, Broker, ValuationRun

JSON_FIELDS = (
    "accounts",
    "valuations",
    "margin_calls_issued",
    "margin_calls_met",
    "forced_sales_settled",
    "shortfalls",
    "audit_findings",
)


class Command(BaseCommand):
    help = "Live through 1 May to 15 July 2022 with a small firm, then serve its back office and API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--no-serve", action="store_true", help="end after the replay")
        parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
        parser.add_argument("--port", type=int, default=8000, help="first port to try (default: 8000)")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        started = time.monotonic()
        console = Console(stderr=True, quiet=options["json"] and not sys.stderr.isatty())
        call_command("migrate", verbosity=0)
        passwords = firm.people()
        broker = self._live(console)
        summary = summarise(broker)
        seconds = round(time.monotonic() - started, 1)
        if options["json"]:
            figures = asdict(summary)
            self.stdout.write(
                json.dumps({name: figures[name] for name in JSON_FIELDS} | {"seconds": seconds})
            )
        else:
            console.print(_table(summary, seconds))
        if summary.audit_findings:
            raise CommandError(f"The audit found {summary.audit_findings} faults; see manage.py audit.")
        if not options["no_serve"]:
            self._serve(broker, passwords, options["port"])

    def _live(self, console: Console) -> Broker:
        columns = (
            TextColumn("{task.description:<34}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            broker = Broker.objects.filter(code=firm.CODE).first()
            if broker is None:
                broker = self._found(progress)
            days = replay.days_left(broker)
            bar = progress.add_task("Living through the summer of 2022", total=len(days) or None)

            def advance(day: date) -> None:
                progress.update(bar, advance=1, description=f"{day:%A %d %B %Y}")

            replay.live(broker, advance)
            progress.update(bar, description="The summer of 2022", total=1, completed=1)
        return broker

    def _found(self, progress: Progress) -> Broker:
        """Import the market, then open the firm and its clients as one: all of it or nothing."""
        bar = progress.add_task("Importing five years of prices", total=None)
        firm.import_market()
        progress.update(bar, total=1, completed=1)
        bar = progress.add_task("Trying haircuts on them", total=len(haircuts.HAIRCUTS))
        haircuts.try_haircuts(lambda: progress.advance(bar))
        bar = progress.add_task("Opening the firm and its clients", total=clients.COUNT)
        # The last market close before the story, on the eve of a weekend.
        with (
            clock.override(firm.moment(firm.STORY_FROM - timedelta(days=2), clock_time(17))),
            transaction.atomic(),
        ):
            broker = firm.found()
            clients.open_all(broker, lambda: progress.advance(bar))
        return broker

    def _serve(self, broker: Broker, passwords: dict[str, str], port: int) -> None:
        """Let the clock run on from the last valuation, so that prices are as fresh as they were that day."""
        last = ValuationRun.objects.filter(broker=broker).latest("valued_at").valued_at
        offset = last + timedelta(minutes=1) - datetime.now(UTC)
        os.environ[clock.OFFSET_VARIABLE] = str(int(offset.total_seconds()))
        ApiKey.objects.filter(broker=broker, label="demo", revoked_at__isnull=True).update(revoked_at=last)
        with clock.override(last):
            _key, token = issue_api_key(broker=broker, label="demo", actor=firm.ADMINISTRATOR)

        def notices(address: str) -> Iterable[str]:
            yield f"The clock of the demonstration stands at {last.astimezone(clock.HONG_KONG):%d %B %Y %H:%M}."
            for name, password in passwords.items():
                yield f"Sign in      {name} / {password}"
            yield f"API key      {token}"

        serve(self.stdout, port=port, notices=notices)


def _table(summary: Summary, seconds: float) -> Table:
    table = Table(title="Harbour Securities, 1 May to 15 July 2022", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for label, figure in (
        ("Accounts", f"{summary.accounts:,}"),
        ("Accounts valued", f"{summary.valuations:,}"),
        ("Margin calls issued", f"{summary.margin_calls_issued:,}"),
        ("  met by the client", f"{summary.margin_calls_met:,}"),
        ("  overdue", f"{summary.margin_calls_overdue:,}"),
        ("Forced sales settled", f"{summary.forced_sales_settled:,}"),
        ("Forced sales waiting", f"{summary.forced_sales_waiting:,}"),
        ("Proceeds (HKD)", f"{summary.proceeds:,.2f}"),
        ("Fees (HKD)", f"{summary.fees:,.2f}"),
        ("Shortfalls", f"{summary.shortfalls:,}"),
        ("Audit findings", f"{summary.audit_findings:,}"),
        ("Seconds", f"{seconds:,.1f}"),
    ):
        table.add_row(label, figure)
    return table

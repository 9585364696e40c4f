"""`manage.py stress`: what the scenarios in force would cost each firm, and how far one client is from breaking."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ledger.core import clock
from ledger.core.decimals import plain
from ledger.core.errors import Refusal
from margin.api.stress_serializers import BreakEvenSerializer, StressRunDetailSerializer
from margin.models import Broker, Facility, StressRun
from margin.stress.breakeven import Edge
from margin.stress.prices import FacilityBreakEven, break_even_of
from margin.stress.runs import run_stress
from margin.stress.sets import set_on

ACTOR = "manage.py stress"


class Command(BaseCommand):
    help = "Run the approved stress scenarios over a firm now and keep the result; or show where one client breaks."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--firm", help="code of the firm (default: every firm with an approved set)")
        parser.add_argument("--client", help="number of a client: show break-even prices, write nothing")
        parser.add_argument(
            "--at",
            type=datetime.fromisoformat,
            help="Hong Kong time whose prices, rates and haircuts count (default: now); positions are today's",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        brokers = list(Broker.objects.select_related("book").order_by("code"))
        if options["firm"]:
            brokers = [broker for broker in brokers if broker.code == options["firm"]]
        if not brokers:
            raise CommandError("There is no such firm." if options["firm"] else "There is no firm yet.")
        moment = options["at"] or clock.now()
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=clock.HONG_KONG)
        try:
            with clock.override(moment):
                if options["client"]:
                    self._client(brokers, options["client"], is_json=options["json"])
                else:
                    self._firms(brokers, is_json=options["json"])
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal

    def _firms(self, brokers: list[Broker], *, is_json: bool) -> None:
        ready = [broker for broker in brokers if set_on(broker, clock.today())]
        if not ready:
            raise CommandError("No firm has an approved set of stress scenarios in force.")
        runs = [self._run(broker) for broker in ready]
        if is_json:
            self.stdout.write(json.dumps({"runs": StressRunDetailSerializer(runs, many=True).data}))
            return
        for run in runs:
            self._print(_firm_table(run))

    def _run(self, broker: Broker) -> StressRun:
        columns = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn())
        console = Console(stderr=True, quiet=not sys.stderr.isatty())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(f"Scenarios over {broker.name}", total=None)
            return run_stress(
                broker=broker,
                actor=ACTOR,
                advance=lambda done, total: progress.update(bar, completed=done, total=total),
            )

    def _client(self, brokers: list[Broker], number: str, *, is_json: bool) -> None:
        found = Facility.objects.filter(client__broker__in=brokers, client__number=number)
        facility = found.select_related("client__broker__book").first()
        if facility is None:
            raise CommandError(f"There is no facility of a client {number}.")
        now = break_even_of(facility)
        if is_json:
            self.stdout.write(json.dumps(BreakEvenSerializer(now).data))
        else:
            self._print(_client_table(facility, now))

    def _print(self, table: Table) -> None:
        stdout: Any = self.stdout
        Console(file=stdout, width=120).print(table)


def _firm_table(run: StressRun) -> Table:
    table = Table(title=f"{run}, {run.account_count} borrowing accounts", box=SIMPLE_HEAD)
    table.add_column("scenario")
    for name in ("called", "immediate", "losers", "deficiency HKD", "loss HKD"):
        table.add_column(name, justify="right")
    totals = run.totals.select_related("scenario")
    for total in sorted(totals, key=lambda each: each.scenario.number if each.scenario else 0):
        table.add_row(
            str(total.scenario or "as it stands"),
            str(total.calls),
            str(total.immediates),
            str(total.losers),
            f"{total.deficiency:,.2f}",
            f"{total.loss:,.2f}",
        )
    return table


def _client_table(facility: Facility, now: FacilityBreakEven) -> Table:
    table = Table(title=f"{facility.client}: prices at which the account breaks", box=SIMPLE_HEAD)
    for number, name in enumerate(("asset", "price now", *(str(edge) for edge in Edge))):
        table.add_column(name, justify="right" if number else "left")
    for asset in now.assets:
        points = (asset.edges[edge] for edge in Edge)
        told = [
            plain(point.price) if point.price is not None else "always" if point.is_always else "never"
            for point in points
        ]
        table.add_row(asset.code, f"{asset.currency} {plain(asset.price.normalize())}", *told)
    falls = (now.falls[edge] for edge in Edge)
    table.add_row("everything falls by", "", *("never" if fall is None else f"{fall:.4%}" for fall in falls))
    return table

"""`manage.py benchmark`: how fast it is, beside yardsticks on the same server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from deploy.benchmarks.ledger import command as ledger
from deploy.benchmarks.sales import command as sales


class Command(BaseCommand):
    help = "Measure Lombard beside yardsticks that run on the same server in the same minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        subjects = parser.add_subparsers(dest="subject", metavar="SUBJECT", required=True)
        ledger.add_arguments(subjects.add_parser("ledger", help=ledger.HELP, description=ledger.HELP))
        sales.add_arguments(subjects.add_parser("sales", help=sales.HELP, description=sales.HELP))

    def handle(self, *_arguments: Any, **options: Any) -> None:
        {"ledger": ledger.run, "sales": sales.run}[options["subject"]](options, self.stdout)

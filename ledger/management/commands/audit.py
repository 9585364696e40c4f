from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger import audit


class Command(BaseCommand):
    help = "Recompute the books from their entries; exits with 1 when anything is found."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        report = audit.run()
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), ensure_ascii=False))
        else:
            for finding in report.findings:
                self.stdout.write(f"{finding.check}: {finding.subject}: {finding.message}")
            self.stdout.write(
                f"{len(report.checks)} checks in {report.duration_ms} ms, {len(report.findings)} findings"
            )
        if report.findings:
            raise CommandError(f"the audit found {len(report.findings)} breaks", returncode=1)

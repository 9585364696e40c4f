from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from ledger.seal.anchor import anchor_lines, append_to
from ledger.seal.sealer import seal_all


class Command(BaseCommand):
    help = "Seal what was committed, and say the newest hash of each book: number, hash, sealed at, book."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--anchor", type=Path, help="append the newest hashes to this file, to keep outside"
        )

    def handle(self, *_args: Any, anchor: Path | None, **_options: Any) -> None:
        made = sum(1 for _block in seal_all())
        self.stdout.write(f"{made} blocks sealed")
        for line in anchor_lines():
            self.stdout.write(line)
        if anchor:
            self.stdout.write(f"{append_to(anchor)} lines added to {anchor}")

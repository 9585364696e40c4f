"""`manage.py chaos`: kill -9 PostgreSQL, clients and workers under load, and see what stands in the books."""

from __future__ import annotations

import json
import random
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from deploy.chaos.torture import torture


class Command(BaseCommand):
    help = (
        "Kill PostgreSQL, clients and workers under load on a cluster made for it; exits with 1 when a journal was lost, "
        "doubled, there though refused, or the audit finds anything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--kills", type=int, default=50, help="how many processes to kill (default: 50)")
        parser.add_argument("--seconds", type=int, help="over about how long (default: one per kill)")
        parser.add_argument(
            "--seed", type=int, help="what everything follows from but the moment of each kill"
        )
        parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        kills = options["kills"]
        if kills < 1:
            raise CommandError("At least one kill is needed.")
        seed = random.randrange(10**6) if options["seed"] is None else options["seed"]  # noqa: S311
        console = Console(stderr=True, quiet=options["json"] and not sys.stderr.isatty())
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console) as progress:
            bar = progress.add_task("Opening the books", total=kills)
            report = torture(
                kills,
                seed=seed,
                seconds=options["seconds"] or kills,
                advance=lambda kind: progress.update(bar, advance=1, description=f"killed: {kind}"),
            )
        self.stdout.write(json.dumps(report.figures(), indent=None if options["json"] else 2))
        if not report.verdict.is_clean:
            raise CommandError(f"The books did not survive; try again with --seed {seed}.", returncode=1)

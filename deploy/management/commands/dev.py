"""`manage.py dev`: database, broker, web, worker and scheduler in one terminal, with empty books."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandParser

from deploy.embedded.supervisor import serve


class Command(BaseCommand):
    help = "Start everything Lombard needs on this machine and serve it until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="first port to try (default: 8000)")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        self.stdout.write("Preparing the database.")
        self.stdout.flush()
        call_command("migrate", verbosity=0)
        serve(self.stdout, port=options["port"], host=options["host"])

"""`manage.py roles`: who may do what to the books, printed or carried out."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

import psycopg
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

SQL: Final = Path(__file__).parents[2] / "sql" / "roles.sql"


class Command(BaseCommand):
    help = (
        "Print the SQL that makes the roles of the database and gives them their rights; with --apply carry it out. "
        "It may be run again and should be after every migrate."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--apply", action="store_true", help="carry it out, all or nothing")
        parser.add_argument(
            "--database-url",
            help="whom to connect as: the owner of the tables with CREATEROLE, or a superuser "
            "(default: as the application does)",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        statements = SQL.read_text(encoding="utf-8")
        if not options["apply"]:
            self.stdout.write(statements)
            return
        try:
            apply_roles(statements, options["database_url"])
        except psycopg.Error as error:
            raise CommandError(f"The roles were not made and nothing was changed: {error}") from error
        self.stdout.write("The roles stand.")


def apply_roles(statements: str, database_url: str | None) -> None:
    """Run the statements in one transaction of a connection of their own."""
    if database_url is None:
        parameters = connection.get_connection_params()
        chosen = {
            name: parameters[name]
            for name in ("dbname", "user", "password", "host", "port")
            if name in parameters
        }
        opened = psycopg.connect(**chosen)
    else:
        opened = psycopg.connect(database_url)
    with opened:
        # Without parameters the whole text goes as one message, as a file does through psql.
        opened.execute(statements.encode())

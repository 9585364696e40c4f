from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from ledger.as_of import newest_block
from ledger.core.errors import Refusal
from ledger.models import Entry, Journal
from ledger.seal.proof import prove


class Command(BaseCommand):
    help = (
        "Print the proof that a journal lies in a sealed block; judge it with python -m ledger.seal.verify."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", help="a journal's id, or the number of one of its entries")
        parser.add_argument(
            "--through", type=int, help="name the blocks up to this one; the newest by default"
        )

    def handle(self, *_args: Any, id: str, through: int | None, **_options: Any) -> None:
        journal = _journal(id)
        if journal is None:
            raise CommandError(f"there is no journal or entry {id}")
        try:
            told = prove(journal, through=newest_block(journal.book) if through is None else through)
        except Refusal as refusal:
            raise CommandError(refusal.message) from refusal
        self.stdout.write(json.dumps(told, ensure_ascii=False, indent=1))


def _journal(name: str) -> Journal | None:
    journals = Journal.objects.select_related("book")
    if name.isdecimal():
        entry = Entry.objects.filter(pk=int(name)).first()
        return journals.get(pk=entry.journal_id) if entry else None
    try:
        return journals.filter(pk=UUID(name)).first()
    except ValueError:
        return None

"""What stands in the books against what the writers were answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from deploy.chaos.books import PREFIX
from ledger import audit


@dataclass(frozen=True, slots=True)
class Verdict:
    """Figures of journals; all but `acknowledged` and `refused` should be nothing.

    `lost` were acknowledged and are not there, or not as the journal that was named; `doubled` are there more than once
    under one key; `refused_but_there` were refused; `unacknowledged` are there though no writer was told of them.
    """

    acknowledged: int
    refused: int
    lost: int
    doubled: int
    refused_but_there: int
    unacknowledged: int
    errors: tuple[str, ...]
    audit_findings: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        broken = (self.lost, self.doubled, self.refused_but_there, self.unacknowledged)
        return not any(broken) and not self.errors and not self.audit_findings


def judge(folder: Path) -> Verdict:
    """Compare the notes in `folder` with the books, and audit them."""
    acknowledged: dict[str, str] = {}
    refused: set[str] = set()
    errors: list[str] = []
    for notes in sorted(folder.glob("*.notes")):
        for text in notes.read_text().splitlines():
            line = json.loads(text)
            acknowledged |= line.get("posted", {})
            refused |= set(line.get("refused", ()))
            errors += [line["error"]] if "error" in line else []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT idempotency_key, id::text FROM ledger_journal WHERE idempotency_key LIKE %s",
            [f"{PREFIX}%"],
        )
        rows = cursor.fetchall()
    there = dict(rows)
    return Verdict(
        acknowledged=len(acknowledged),
        refused=len(refused),
        lost=sum(there.get(key) != journal_id for key, journal_id in acknowledged.items()),
        doubled=len(rows) - len(there),
        refused_but_there=len(refused & there.keys()),
        unacknowledged=len(there.keys() - acknowledged.keys() - refused),
        errors=tuple(errors),
        audit_findings=tuple(f"{f.check}: {f.subject}: {f.message}" for f in audit.run().findings),
    )

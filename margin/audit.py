"""The room's checks for `manage.py audit`: what is stored here agrees with the book and with itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ledger import audit

_SQL: Final = Path(__file__).parent / "sql"


def register_checks() -> None:
    """Add the room's queries, one file each, and its law to the audit."""
    audit.register_queries("margin", _SQL / "audit")
    audit.register_law("margin", _SQL)

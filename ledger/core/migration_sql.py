"""SQL that matters stands in `sql/*.sql` files; migrations load it from there."""

from __future__ import annotations

from pathlib import Path

from django.db.migrations import RunSQL

SPLIT = "-- reverse --"


def sql_file(path: Path) -> RunSQL:
    """Make a reversible operation of a file whose two halves are parted by a line `-- reverse --`."""
    forward, _, reverse = path.read_text(encoding="utf-8").partition(SPLIT)
    return RunSQL(forward, reverse_sql=reverse.strip() or RunSQL.noop)

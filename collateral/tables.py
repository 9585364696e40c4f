"""Comma-separated files as the room takes them in: a header that is checked, lines that keep their number."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TextIO

from django.utils.translation import gettext as _

from ledger.core.errors import Invalid, Refusal


@dataclass(frozen=True, slots=True)
class LineError:
    """One line that was refused: where, why as a stable code, why in words."""

    line: int
    code: str
    message: str

    @classmethod
    def of(cls, line: int, refusal: Refusal) -> LineError:
        return cls(line, refusal.reason, refusal.message)


def read_lines(
    file: TextIO | Iterable[str], *, columns: Iterable[str], aliases: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, values by column) with blanks trimmed; missing cells are empty.

    `aliases` maps other names of a column to ours. Raises Invalid: `missing_columns` before the first line
    when one of `columns` is absent, `not_text` at a line that is none.
    """
    try:
        yield from _lines(file, set(columns), aliases or {})
    except (csv.Error, UnicodeDecodeError) as error:
        raise _not_text() from error


def _lines(
    file: TextIO | Iterable[str], columns: set[str], aliases: Mapping[str, str]
) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(file, restkey="", restval="")
    named = {
        name: aliases.get(name.strip(" \ufeff"), name.strip(" \ufeff")) for name in reader.fieldnames or ()
    }
    missing = sorted(columns - set(named.values()))
    if missing:
        raise Invalid(
            _("The file has no column %(names)s.") % {"names": ", ".join(missing)},
            code="missing_columns",
            columns=missing,
        )
    for row in reader:
        if any("\0" in str(cell) for cell in row.values()):
            raise _not_text()
        yield reader.line_num, {named[name]: (row[name] or "").strip() for name in named}


def read_day(text: str) -> date:
    """Return the day a cell names as 2026-02-11; Invalid (`NOT_A_DATE`) on `valid_from` if it names none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(
            _("%(text)s is no date; write 2026-02-11.") % {"text": text},
            field="valid_from",
            code="NOT_A_DATE",
        ) from error


def _not_text() -> Invalid:
    return Invalid(_("The file is no comma-separated text in UTF-8."), code="not_text")

"""Files for spreadsheets: CSV that is sent as it is read and that no spreadsheet spoils or runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Final

from django.http import StreamingHttpResponse

# Without it spreadsheets spoil Chinese.
BYTE_ORDER_MARK: Final = "\ufeff"
# A cell that begins so is taken for a formula by spreadsheets.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def line(cells: Iterable[object]) -> str:
    """Write one line, its end included."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(list(cells))
    return buffer.getvalue()


def harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula: it then begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def response(name: str, lines: Iterable[str]) -> StreamingHttpResponse:
    """Send lines as the CSV file `name`, in UTF-8."""
    sent = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    sent["Content-Disposition"] = f'attachment; filename="{name}"'
    return sent

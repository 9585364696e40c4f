"""The id that ties a reply to its log lines."""

from __future__ import annotations

import re
from typing import Any, Final

from ledger.core.ids import uuid7

HEADER: Final = "X-Request-ID"
_GIVEN: Final = re.compile(r"[A-Za-z0-9._-]{8,64}\Z", re.ASCII)


def request_id_of(request: Any) -> str:
    """Return the id of this request: the caller's own where it is well-formed, else a fresh one."""
    known: str | None = getattr(request, "lombard_request_id", None)
    if known is None:
        given = request.headers.get(HEADER, "")
        known = given if _GIVEN.match(given) else f"req_{uuid7().hex}"
        request.lombard_request_id = known
    return known

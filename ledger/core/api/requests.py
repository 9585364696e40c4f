"""What every request has: an id that ties its reply to its log lines, and parameters that may be wrong."""

from __future__ import annotations

import re
from typing import Any, Final

from rest_framework.exceptions import ErrorDetail, ValidationError

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


def refuse_parameter(name: str, message: str, code: str) -> ValidationError:
    """Return the error that names a query parameter and the rule it breaks."""
    return ValidationError({name: [ErrorDetail(message, code=code)]})

"""The only source of "now".

Production reads the system clock; a replay or a test sets the clock for everything that runs inside
:func:`override`, so that due times, ages and value dates are those of the day being lived. A demonstration
that is served after a replay runs on from its last day by `LOMBARD_CLOCK_OFFSET_SECONDS`, which settings
refuse anywhere but on the embedded servers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

HONG_KONG = ZoneInfo("Asia/Hong_Kong")

OFFSET_VARIABLE = "LOMBARD_CLOCK_OFFSET_SECONDS"

_offset = timedelta(seconds=int(os.environ.get(OFFSET_VARIABLE, "0")))
_override: ContextVar[datetime | None] = ContextVar("lombard_clock", default=None)


def now() -> datetime:
    """Return the present moment as an aware UTC datetime."""
    return _override.get() or datetime.now(UTC) + _offset


def today() -> date:
    """Return the present calendar date in Hong Kong."""
    return now().astimezone(HONG_KONG).date()


@contextmanager
def override(moment: datetime) -> Iterator[None]:
    """Let `moment` (aware) be the present for the code inside the block."""
    if moment.tzinfo is None:
        raise ValueError("the clock takes an aware datetime")
    token = _override.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _override.reset(token)

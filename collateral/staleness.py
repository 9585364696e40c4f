"""How old a price may be: four states and the two moments that part them. Pure.

Regulation 8.18 (house parameter): a virtual asset is judged by age, a security by trading sessions. Both
come down to a moment before which a price is soft-stale and an earlier one before which it is hard-stale.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from ledger.core.calendars import Calendar
from ledger.core.clock import HONG_KONG


class PriceState(StrEnum):
    """What a price is good for; the book value of what is pledged always takes the last one."""

    FRESH = "fresh"
    SOFT = "soft"
    HARD = "hard"
    MISSING = "missing"

    @property
    def allows_new_credit(self) -> bool:
        return self is PriceState.FRESH

    @property
    def allows_sale(self) -> bool:
        """Whether a forced sale may be released; calls are issued in any state but MISSING."""
        return self in (PriceState.FRESH, PriceState.SOFT)


@dataclass(frozen=True, slots=True)
class Freshness:
    """A price observed before `soft_before` is soft-stale, before `hard_before` hard-stale."""

    soft_before: datetime
    hard_before: datetime

    def judge(self, observed_at: datetime) -> PriceState:
        if observed_at < self.hard_before:
            return PriceState.HARD
        return PriceState.SOFT if observed_at < self.soft_before else PriceState.FRESH


def by_age(at: datetime, *, soft_seconds: int, hard_seconds: int) -> Freshness:
    """Judge by age at `at`; a price of exactly the limit still passes.

    >>> now = datetime(2026, 3, 7, 3, 0, tzinfo=HONG_KONG)
    >>> by_age(now, soft_seconds=60, hard_seconds=300).judge(now - timedelta(seconds=90)).value
    'soft'
    """
    return Freshness(at - timedelta(seconds=soft_seconds), at - timedelta(seconds=hard_seconds))


def by_session(at: datetime, calendar: Calendar) -> Freshness:
    """Judge by the trading sessions of `calendar` at `at`.

    Hard-stale is a price from before the day of the last completed session. While a session lasts, from its
    opening to its close and over lunch, soft-stale is a price from before its day. Raises OutsideCalendar
    where the calendar is not loaded.
    """
    today = at.astimezone(HONG_KONG).date()
    hard_before = datetime.combine(calendar.last_completed_session(at), time.min, tzinfo=HONG_KONG)
    session = calendar.session(today)
    if session and session[0] <= at < session[1]:
        return Freshness(datetime.combine(today, time.min, tzinfo=HONG_KONG), hard_before)
    return Freshness(hard_before, hard_before)

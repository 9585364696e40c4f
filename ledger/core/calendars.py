"""The four calendars: which days count, for what, and until when.

=================  ==========================================================================
`XHKG`             exchange trading days, with hours, lunch break and half days
`XHKG_SETTLEMENT`  days on which the clearing house settles
`HK_BUSINESS`      statutory business days: no Saturday, public holiday, gale or black-rainstorm day
`ALWAYS`           virtual-asset time, which never stops
=================  ==========================================================================

Since 23 September 2024 the exchange trades through severe weather, so a trading day need not be a
statutory business day. Which day is which comes from data alone (`data/calendars.csv`, loaded into
`CalendarDay`); a date outside the data is refused, never guessed.

:class:`Calendar` and the deadline functions are pure: values in, values out. Only :func:`get_calendar`,
:func:`settlement_date` and :func:`load_calendars` read or write the database, and they import the models
when called so that the arithmetic can be used without Django.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from .clock import HONG_KONG
from .errors import Invalid, Refusal

EXCHANGE = "XHKG"
SETTLEMENT = "XHKG_SETTLEMENT"
STATUTORY = "HK_BUSINESS"
ALWAYS = "ALWAYS"

DATA = Path(__file__).parent / "data"
LUNCH_STARTS_AT, LUNCH_ENDS_AT = time(12, 0), time(13, 0)
ONE_DAY = timedelta(days=1)


class OutsideCalendar(Refusal):
    """A date lies outside the days that were loaded for a calendar."""

    code = "outside_calendar"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a calendar; an open day without times is open from midnight to midnight."""

    on: date
    is_open: bool
    opens_at: time | None = None
    closes_at: time | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of one calendar, in date order and without a gap.

    Every method raises :class:`OutsideCalendar` when it has to look at a day that was not loaded.
    Times are Hong Kong times; spans include their start and exclude their end.

    >>> week = Calendar("DEMO", tuple(Day(date(2026, 4, n), n in (2, 8, 9)) for n in range(1, 10)))
    >>> week.add_days(date(2026, 4, 2), 2)
    datetime.date(2026, 4, 9)
    """

    code: str
    sessions: tuple[Day, ...]

    def __post_init__(self) -> None:
        if self.code != ALWAYS and not self.sessions:
            raise OutsideCalendar(f"calendar {self.code} has no days loaded", calendar=self.code)
        for before, after in zip(self.sessions, self.sessions[1:], strict=False):
            if after.on - before.on != ONE_DAY:
                raise ValueError(f"calendar {self.code} jumps from {before.on} to {after.on}")

    def day(self, on: date) -> Day:
        """Return the day as loaded."""
        if isinstance(on, datetime):
            raise TypeError("a calendar takes a date; of a moment, take its date in Hong Kong")
        if self.code == ALWAYS:
            return Day(on, is_open=True)
        first, last = self.sessions[0].on, self.sessions[-1].on
        if not first <= on <= last:
            raise OutsideCalendar(
                f"calendar {self.code} is loaded from {first} to {last}; {on} lies outside",
                calendar=self.code,
                first_on=first.isoformat(),
                last_on=last.isoformat(),
                date=on.isoformat(),
            )
        return self.sessions[(on - first).days]

    def is_open(self, on: date) -> bool:
        return self.day(on).is_open

    def is_half_day(self, on: date) -> bool:
        """Tell whether the day is open and ends at noon or before."""
        closes_at = self.day(on).closes_at
        return closes_at is not None and closes_at <= LUNCH_STARTS_AT

    def next_open(self, on: date) -> date:
        """Return the first open day strictly after `on`."""
        on += ONE_DAY
        while not self.is_open(on):
            on += ONE_DAY
        return on

    def previous_open(self, on: date) -> date:
        """Return the last open day strictly before `on`."""
        on -= ONE_DAY
        while not self.is_open(on):
            on -= ONE_DAY
        return on

    def add_days(self, on: date, count: int) -> date:
        """Return the `count`-th open day after `on` (T + count); `on` itself need not be open.

        Raises Invalid unless `count` is at least 1.
        """
        if count < 1:
            raise Invalid(f"a calendar counts from one day onwards, not {count}", field="days")
        for _ in range(count):
            on = self.next_open(on)
        return on

    def open_days(self, first_on: date, last_on: date) -> list[date]:
        """Return the open days from `first_on` to `last_on`, both included."""
        span = (last_on - first_on).days + 1
        return [day for day in (first_on + ONE_DAY * n for n in range(span)) if self.is_open(day)]

    def spans(self, on: date) -> tuple[tuple[datetime, datetime], ...]:
        """Return the stretches of the day during which the calendar is in session.

        The exchange stops for lunch, so its full day has two; a closed day has none.
        """
        day = self.day(on)
        if not day.is_open:
            return ()
        if day.opens_at is None or day.closes_at is None:
            return ((_moment(on, time.min), _moment(on + ONE_DAY, time.min)),)
        parts = [(day.opens_at, day.closes_at)]
        if self.code == EXCHANGE:
            parts = [
                (day.opens_at, min(day.closes_at, LUNCH_STARTS_AT)),
                (max(day.opens_at, LUNCH_ENDS_AT), day.closes_at),
            ]
        return tuple((_moment(on, start), _moment(on, end)) for start, end in parts if start < end)

    def session(self, on: date) -> tuple[datetime, datetime] | None:
        """Return the opening and the close of the day, lunch included, or None on a closed day."""
        spans = self.spans(on)
        return (spans[0][0], spans[-1][1]) if spans else None

    def is_in_session(self, at: datetime) -> bool:
        return any(start <= at < end for start, end in self.spans(_hong_kong_date(at)))

    def next_session_open(self, at: datetime) -> datetime:
        """Return the first moment strictly after `at` when a span begins, the one after lunch included."""
        on = _hong_kong_date(at)
        while True:
            for start, _ in self.spans(on):
                if start > at:
                    return start
            on += ONE_DAY

    def last_completed_session(self, at: datetime) -> date:
        """Return the latest open day whose close is not after `at`."""
        on = _hong_kong_date(at)
        while True:
            session = self.session(on)
            if session and session[1] <= at:
                return on
            on -= ONE_DAY


def business_deadline(start: datetime, *, days: int, cutoff: time, calendar: Calendar) -> datetime:
    """Return the cut-off (Hong Kong time) on the `days`-th open day after the day of `start`.

    Raises Invalid for `days` below 1, OutsideCalendar when the calendar is not loaded that far.
    """
    return _moment(calendar.add_days(_hong_kong_date(start), days), cutoff)


def elapsed_deadline(start: datetime, hours: int) -> datetime:
    """Return the moment `hours` after `start`, in Hong Kong time: virtual-asset time does not stop.

    Raises Invalid for `hours` below 1.

    >>> elapsed_deadline(datetime(2026, 4, 2, 10, 30, tzinfo=HONG_KONG), 24).isoformat()
    '2026-04-03T10:30:00+08:00'
    """
    _hong_kong_date(start)
    if hours < 1:
        raise Invalid(f"a deadline lies at least one hour ahead, not {hours}", field="hours")
    return (start.astimezone(UTC) + timedelta(hours=hours)).astimezone(HONG_KONG)


def hours_deadline(
    start: datetime,
    *,
    hours: int,
    calendar: Calendar,
    opens_at: time | None = None,
    closes_at: time | None = None,
) -> datetime:
    """Return the moment at which `hours` in session have passed since `start`, in Hong Kong time.

    Only the calendar's own sessions count, so a half day gives its half and lunch gives nothing; of a day
    without sessions the office hours from `opens_at` to `closes_at` count. Raises Invalid for `hours` below
    1, OutsideCalendar when the calendar is not loaded that far.

    >>> hours_deadline(datetime(2026, 4, 2, 15, 0, tzinfo=HONG_KONG), hours=2, opens_at=time(9),
    ...     closes_at=time(18), calendar=Calendar(ALWAYS, ())).isoformat()
    '2026-04-02T17:00:00+08:00'
    """
    if hours < 1:
        raise Invalid(f"a deadline lies at least one hour ahead, not {hours}", field="hours")
    left, on = timedelta(hours=hours), _hong_kong_date(start)
    while True:
        for opening, closing in calendar.spans(on):
            opening = max(opening, start, _moment(on, opens_at) if opens_at else opening)
            closing = min(closing, _moment(on, closes_at) if closes_at else closing)
            if opening + left <= closing:
                return (opening + left).astimezone(HONG_KONG)
            left -= max(closing - opening, timedelta())
        on += ONE_DAY


def settlement_date(trade_date: date, lag: int) -> date:
    """Return the `lag`-th settlement day after a trade: T + 2 at the exchange since 1992.

    Raises Invalid for a lag below 1 and OutsideCalendar beyond the loaded days.
    """
    return get_calendar(SETTLEMENT).add_days(trade_date, lag)


_loaded: dict[str, Calendar] = {ALWAYS: Calendar(ALWAYS, ())}


def get_calendar(code: str) -> Calendar:
    """Return a calendar with every day that was loaded; kept in the process until the next load.

    Severe weather days are asked for each time: another process may have declared one a moment ago. Raises
    OutsideCalendar when no day of it was loaded.
    """
    if code not in _loaded:
        from .models import CalendarDay

        rows = CalendarDay.objects.filter(calendar=code).order_by("date")
        fields = rows.values_list("date", "is_open", "opens_at", "closes_at", "note")
        _loaded[code] = Calendar(code, tuple(Day(*row) for row in fields))
    return _without_severe_weather(_loaded[code]) if code == STATUTORY else _loaded[code]


def _without_severe_weather(calendar: Calendar) -> Calendar:
    """Close the days declared since the calendar's file was made (section 71 of Cap. 1)."""
    from .models import SevereWeatherDay

    approved = SevereWeatherDay.objects.filter(approval=SevereWeatherDay.Approval.APPROVED)
    declared = set(approved.values_list("on", flat=True))
    if not declared:
        return calendar
    return Calendar(
        calendar.code,
        tuple(replace(day, is_open=False) if day.on in declared else day for day in calendar.sessions),
    )


def load_calendars(*, actor: str = "system") -> int:
    """Bring `CalendarDay` in line with the files in `data` and return how many days were written.

    A second run writes nothing. Days outside the files are left as they are.
    """
    from django.db import transaction

    with transaction.atomic():
        written = sum(_load(code, days, actor) for code, days in read_calendar_files().items())
        _forget()
        # A reader may refill the cache with the old days until this load is committed.
        transaction.on_commit(_forget)
    return written


def _load(code: str, days: tuple[Day, ...], actor: str) -> int:
    from .events import record_event
    from .models import CalendarDay

    rows = CalendarDay.objects.filter(calendar=code)
    fields = rows.values_list("date", "is_open", "opens_at", "closes_at", "note")
    known = {row[0]: Day(*row) for row in fields}
    changed = CalendarDay.objects.bulk_create(
        [
            CalendarDay(
                calendar=code,
                date=day.on,
                is_open=day.is_open,
                opens_at=day.opens_at,
                closes_at=day.closes_at,
                note=day.note,
            )
            for day in days
            if known.get(day.on) != day
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["calendar", "date"],
        update_fields=["is_open", "opens_at", "closes_at", "note"],
    )
    if changed:
        record_event("core.calendar.loaded", changed[0], actor=actor, calendar=code, days=len(changed))
    return len(changed)


def read_calendar_files() -> dict[str, tuple[Day, ...]]:
    """Expand `data/regular_hours.csv` and the exceptions in `data/calendars.csv` to one Day per date.

    Weekdays are open at the regular hours and weekends closed, unless the exceptions say otherwise.
    """
    exceptions = {
        (row["calendar"], date.fromisoformat(row["date"])): Day(
            date.fromisoformat(row["date"]),
            row["is_open"] == "yes",
            _time(row["opens_at"]),
            _time(row["closes_at"]),
            row["note"],
        )
        for row in _rows("calendars.csv")
    }
    calendars = {}
    for row in _rows("regular_hours.csv"):
        first_on, last_on = date.fromisoformat(row["first_on"]), date.fromisoformat(row["last_on"])
        hours = _time(row["opens_at"]), _time(row["closes_at"])
        dates = [first_on + ONE_DAY * n for n in range((last_on - first_on).days + 1)]
        calendars[row["calendar"]] = tuple(
            exceptions.get((row["calendar"], on))
            or (Day(on, True, *hours) if on.weekday() < 5 else Day(on, False))
            for on in dates
        )
    return calendars


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _time(text: str) -> time | None:
    return time.fromisoformat(text) if text else None


def _moment(on: date, at: time) -> datetime:
    return datetime.combine(on, at, tzinfo=HONG_KONG)


def _hong_kong_date(at: datetime) -> date:
    if at.tzinfo is None:
        raise ValueError("a calendar takes aware moments only")
    return at.astimezone(HONG_KONG).date()


def _forget() -> None:
    for code in [code for code in _loaded if code != ALWAYS]:
        _loaded.pop(code, None)

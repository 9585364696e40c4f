from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction

from ledger.core import calendars
from ledger.core.calendars import (
    ALWAYS,
    EXCHANGE,
    SETTLEMENT,
    STATUTORY,
    Calendar,
    Day,
    OutsideCalendar,
    business_deadline,
    elapsed_deadline,
)
from ledger.core.clock import HONG_KONG
from ledger.core.errors import Invalid
from ledger.core.models import CalendarDay, Event

FILES = {code: Calendar(code, days) for code, days in calendars.read_calendar_files().items()}
TRADING, SETTLING, BUSINESS = FILES[EXCHANGE], FILES[SETTLEMENT], FILES[STATUTORY]
ROUND_THE_CLOCK = Calendar(ALWAYS, ())


def hkt(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=HONG_KONG)


class TestEasterOf2026:
    """V26: Ms Chan is called on Thursday 2 April 2026, before a long weekend."""

    called_at = hkt("2026-04-02 10:15")

    @pytest.mark.parametrize("calendar", [TRADING, SETTLING, BUSINESS])
    def test_no_day_counts_from_good_friday_to_the_tuesday_after(self, calendar: Calendar) -> None:
        assert calendar.open_days(date(2026, 4, 2), date(2026, 4, 8)) == [date(2026, 4, 2), date(2026, 4, 8)]

    @pytest.mark.parametrize(
        ("days", "due"), [(1, "2026-04-08 15:00"), (2, "2026-04-09 15:00")], ids=["T+1", "T+2"]
    )
    def test_a_call_counted_in_business_days_waits(self, days: int, due: str) -> None:
        deadline = business_deadline(self.called_at, days=days, cutoff=time(15), calendar=BUSINESS)
        assert deadline == hkt(due)
        assert deadline.tzinfo is HONG_KONG

    def test_a_call_counted_in_hours_falls_due_on_good_friday(self) -> None:
        deadline = elapsed_deadline(self.called_at, 24)
        assert deadline == hkt("2026-04-03 10:15")
        assert not BUSINESS.is_open(deadline.date())

    def test_trade_and_daily_statement_are_due_on_the_ninth(self) -> None:
        assert SETTLING.add_days(date(2026, 4, 2), 2) == date(2026, 4, 9)
        assert BUSINESS.add_days(date(2026, 4, 2), 2) == date(2026, 4, 9)

    def test_monthly_statement_and_return_of_march(self) -> None:
        assert BUSINESS.add_days(date(2026, 3, 31), 7) == date(2026, 4, 14)
        assert date(2026, 3, 31) + timedelta(weeks=3) == date(2026, 4, 21)

    def test_last_reminder_of_an_authority_that_expires_on_15_august(self) -> None:
        assert date(2026, 8, 15) - timedelta(days=14) == date(2026, 8, 1)

    def test_7_march_is_a_saturday(self) -> None:
        assert not any(calendar.is_open(date(2026, 3, 7)) for calendar in FILES.values())


class TestSummerOf2022:
    @pytest.mark.parametrize("calendar", [TRADING, SETTLING, BUSINESS])
    def test_weekdays_closed_from_may_to_mid_july(self, calendar: Calendar) -> None:
        weekdays = [date(2022, 5, 1) + timedelta(days=n) for n in range(76)]
        closed = [day for day in weekdays if day.weekday() < 5 and not calendar.is_open(day)]
        assert closed == [date(2022, 5, 2), date(2022, 5, 9), date(2022, 6, 3), date(2022, 7, 1)]

    def test_open_days_from_may_to_mid_july(self) -> None:
        assert len(TRADING.open_days(date(2022, 5, 1), date(2022, 7, 15))) == 51

    def test_the_call_of_monday_13_june(self) -> None:
        """BTC fell 16% on the day: the one-day call and the 24-hour call differ by the cut-off alone."""
        at = hkt("2022-06-13 21:00")
        assert business_deadline(at, days=1, cutoff=time(15), calendar=BUSINESS) == hkt("2022-06-14 15:00")
        assert elapsed_deadline(at, 24) == hkt("2022-06-14 21:00")


class TestSevereWeather:
    @pytest.mark.parametrize(
        "on",
        [date(2021, 10, 13), date(2023, 7, 17), date(2023, 9, 1), date(2023, 9, 8), date(2024, 9, 6)],
    )
    def test_a_day_lost_as_a_whole_counts_nowhere(self, on: date) -> None:
        assert on.weekday() < 5
        assert not any(calendar.is_open(on) for calendar in FILES.values())

    @pytest.mark.parametrize("on", [date(2024, 11, 14), date(2025, 8, 5), date(2025, 9, 24)])
    def test_the_exchange_now_trades_through_a_gale_which_is_no_business_day(self, on: date) -> None:
        assert TRADING.is_open(on)
        assert SETTLING.is_open(on)
        assert not BUSINESS.is_open(on)

    @pytest.mark.parametrize(
        ("on", "session"),
        [
            ("2021-06-28", ("13:30", "16:00")),
            ("2022-08-25", ("13:00", "16:00")),
            ("2022-11-02", ("09:30", "13:55")),
            ("2023-10-09", ("14:00", "16:00")),
        ],
    )
    def test_part_days_trade_and_settle(self, on: str, session: tuple[str, str]) -> None:
        day = date.fromisoformat(on)
        assert TRADING.session(day) == tuple(hkt(f"{on} {at}") for at in session)
        assert SETTLING.is_open(day)
        assert not BUSINESS.is_open(day)
        assert not TRADING.is_half_day(day)

    def test_trading_that_ends_early_still_stops_for_lunch(self) -> None:
        assert len(TRADING.spans(date(2022, 11, 2))) == 2
        assert len(TRADING.spans(date(2022, 8, 25))) == 1


class TestSessions:
    thursday = date(2022, 6, 2)

    def test_a_full_day_has_a_morning_and_an_afternoon(self) -> None:
        assert TRADING.session(self.thursday) == (hkt("2022-06-02 09:30"), hkt("2022-06-02 16:00"))
        assert TRADING.spans(self.thursday) == (
            (hkt("2022-06-02 09:30"), hkt("2022-06-02 12:00")),
            (hkt("2022-06-02 13:00"), hkt("2022-06-02 16:00")),
        )

    @pytest.mark.parametrize(
        ("at", "inside"),
        [
            ("2022-06-02 09:29:59", False),
            ("2022-06-02 09:30", True),
            ("2022-06-02 11:59:59", True),
            ("2022-06-02 12:00", False),
            ("2022-06-02 13:00", True),
            ("2022-06-02 16:00", False),
            ("2022-06-03 10:00", False),
        ],
    )
    def test_in_session(self, at: str, inside: bool) -> None:
        assert TRADING.is_in_session(hkt(at)) is inside
        assert TRADING.is_in_session(hkt(at).astimezone(UTC)) is inside

    @pytest.mark.parametrize(
        ("at", "opens"),
        [
            ("2022-06-02 08:00", "2022-06-02 09:30"),
            ("2022-06-02 09:30", "2022-06-02 13:00"),
            ("2022-06-02 12:15", "2022-06-02 13:00"),
            ("2022-06-02 15:00", "2022-06-06 09:30"),
            ("2022-01-31 11:00", "2022-02-04 09:30"),
        ],
    )
    def test_next_session_open(self, at: str, opens: str) -> None:
        assert TRADING.next_session_open(hkt(at)) == hkt(opens)

    @pytest.mark.parametrize(
        ("at", "completed"),
        [
            ("2022-06-02 15:59:59", "2022-06-01"),
            ("2022-06-02 16:00", "2022-06-02"),
            ("2022-06-05 23:00", "2022-06-02"),
            ("2022-01-31 12:00", "2022-01-31"),
        ],
    )
    def test_last_completed_session(self, at: str, completed: str) -> None:
        assert TRADING.last_completed_session(hkt(at)) == date.fromisoformat(completed)

    @pytest.mark.parametrize(
        "on",
        ["2021-02-11", "2021-12-24", "2022-01-31", "2024-12-31", "2026-02-16", "2026-12-24", "2027-02-05"],
    )
    def test_eves_end_at_noon(self, on: str) -> None:
        day = date.fromisoformat(on)
        assert TRADING.is_half_day(day)
        assert TRADING.spans(day) == ((hkt(f"{on} 09:30"), hkt(f"{on} 12:00")),)
        assert SETTLING.is_open(day)
        assert BUSINESS.is_open(day)

    def test_a_closed_day_has_no_session(self) -> None:
        assert TRADING.session(date(2022, 7, 1)) is None
        assert TRADING.spans(date(2022, 7, 1)) == ()

    def test_a_business_day_lasts_from_midnight_to_midnight(self) -> None:
        assert BUSINESS.session(self.thursday) == (hkt("2022-06-02 00:00"), hkt("2022-06-03 00:00"))
        assert not BUSINESS.is_half_day(self.thursday)


class TestCounting:
    def test_neighbours_of_a_holiday(self) -> None:
        assert TRADING.next_open(date(2022, 6, 30)) == date(2022, 7, 4)
        assert TRADING.previous_open(date(2022, 7, 4)) == date(2022, 6, 30)
        assert TRADING.add_days(date(2022, 7, 2), 1) == date(2022, 7, 4)

    @pytest.mark.parametrize("count", [0, -1])
    def test_counting_starts_at_one(self, count: int) -> None:
        with pytest.raises(Invalid, match=f"from one day onwards, not {count}"):
            TRADING.add_days(date(2022, 7, 4), count)

    def test_an_evening_in_london_is_the_next_day_in_hong_kong(self) -> None:
        start = datetime(2022, 6, 13, 17, 0, tzinfo=UTC)
        due = business_deadline(start, days=1, cutoff=time(12), calendar=BUSINESS)
        assert due == hkt("2022-06-15 12:00")

    @pytest.mark.parametrize("n", range(1, 30))
    def test_adding_days_is_counting_open_days(self, n: int) -> None:
        start = date(2022, 5, 1) + timedelta(days=n)
        due = BUSINESS.add_days(start, n)
        assert len(BUSINESS.open_days(start + timedelta(days=1), due)) == n
        assert BUSINESS.is_open(due)


class TestRoundTheClock:
    def test_every_day_is_open_in_any_year(self) -> None:
        assert ROUND_THE_CLOCK.is_open(date(1999, 12, 25))
        assert ROUND_THE_CLOCK.add_days(date(2026, 4, 2), 3) == date(2026, 4, 5)
        assert ROUND_THE_CLOCK.is_in_session(hkt("2026-04-03 03:00"))
        assert ROUND_THE_CLOCK.last_completed_session(hkt("2026-04-03 03:00")) == date(2026, 4, 2)

    def test_needs_no_rows(self) -> None:
        assert calendars.get_calendar(ALWAYS) == ROUND_THE_CLOCK


class TestRefusals:
    @pytest.mark.parametrize("on", [date(2020, 12, 31), date(2028, 1, 1)])
    def test_a_date_outside_the_data_is_refused_by_name(self, on: date) -> None:
        with pytest.raises(OutsideCalendar) as refusal:
            TRADING.is_open(on)
        assert (
            str(refusal.value) == f"calendar XHKG is loaded from 2021-01-01 to 2027-12-31; {on} lies outside"
        )
        assert refusal.value.reason == "outside_calendar"
        assert refusal.value.details["calendar"] == "XHKG"

    def test_a_deadline_never_runs_past_the_data(self) -> None:
        with pytest.raises(OutsideCalendar, match="2028-01-01 lies outside"):
            business_deadline(hkt("2027-12-31 10:00"), days=1, cutoff=time(15), calendar=BUSINESS)

    def test_a_calendar_with_a_hole_is_refused(self) -> None:
        with pytest.raises(ValueError, match="jumps from 2022-06-01 to 2022-06-03"):
            Calendar(EXCHANGE, (Day(date(2022, 6, 1), True), Day(date(2022, 6, 3), True)))

    def test_a_moment_without_a_zone_is_refused(self) -> None:
        naive = datetime(2022, 6, 2, 10, 0)  # noqa: DTZ001
        for ask in (TRADING.is_in_session, TRADING.next_session_open, TRADING.last_completed_session):
            with pytest.raises(ValueError, match="aware"):
                ask(naive)
        with pytest.raises(ValueError, match="aware"):
            elapsed_deadline(naive, 24)

    def test_a_moment_is_not_a_date(self) -> None:
        with pytest.raises(TypeError, match="takes a date"):
            TRADING.is_open(hkt("2022-06-02 10:00"))

    def test_a_deadline_of_no_hours_is_refused(self) -> None:
        with pytest.raises(Invalid, match="not 0"):
            elapsed_deadline(hkt("2022-06-02 10:00"), 0)


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calendars, "_loaded", {ALWAYS: ROUND_THE_CLOCK})


@pytest.mark.django_db
@pytest.mark.usefixtures("empty_cache")
class TestLoading:
    def test_the_tables_say_what_the_files_say(self) -> None:
        CalendarDay.objects.all().delete()
        assert calendars.load_calendars() == 3 * 2556
        for code, expected in FILES.items():
            assert calendars.get_calendar(code) == expected

    def test_a_second_load_writes_nothing(self) -> None:
        calendars.load_calendars()
        events = Event.objects.count()
        assert calendars.load_calendars() == 0
        assert Event.objects.count() == events

    def test_a_load_mends_a_day_and_is_seen_at_once(self) -> None:
        calendars.load_calendars()
        CalendarDay.objects.filter(calendar=EXCHANGE, date="2022-06-13").update(
            is_open=False, opens_at=None, closes_at=None
        )
        calendars._forget()
        assert not calendars.get_calendar(EXCHANGE).is_open(date(2022, 6, 13))

        assert calendars.load_calendars(actor="ops.lee") == 1

        assert calendars.get_calendar(EXCHANGE).is_open(date(2022, 6, 13))
        event = Event.objects.latest("pk")
        assert (event.topic, event.actor) == ("core.calendar.loaded", "ops.lee")
        assert event.payload == {"calendar": "XHKG", "days": 1}

    def test_a_calendar_is_read_once(self, django_assert_num_queries) -> None:
        calendars.load_calendars()
        with django_assert_num_queries(1):
            calendars.get_calendar(EXCHANGE)
            calendars.get_calendar(EXCHANGE)

    def test_trades_settle_two_settlement_days_later(self) -> None:
        calendars.load_calendars()
        assert calendars.settlement_date(date(2022, 6, 30), 2) == date(2022, 7, 5)
        assert calendars.settlement_date(date(2022, 6, 30), 1) == date(2022, 7, 4)

    def test_a_calendar_without_days_is_refused(self) -> None:
        CalendarDay.objects.filter(calendar=STATUTORY).delete()
        with pytest.raises(OutsideCalendar, match="HK_BUSINESS has no days loaded"):
            calendars.get_calendar(STATUTORY)

    @pytest.mark.parametrize(
        "hours",
        [
            {"is_open": False, "opens_at": time(9), "closes_at": time(12)},
            {"is_open": True, "opens_at": time(12), "closes_at": time(9)},
            {"is_open": True, "opens_at": time(9), "closes_at": None},
            {"is_open": True, "opens_at": None, "closes_at": time(9)},
        ],
    )
    def test_the_database_refuses_hours_that_make_no_sense(self, hours: dict[str, object]) -> None:
        with pytest.raises(IntegrityError, match="core_calendar_day_hours"), transaction.atomic():
            CalendarDay.objects.create(calendar=EXCHANGE, date=date(2030, 1, 2), **hours)

"""When a call falls due: V26, tiers, hours of the right calendar, outages and severe weather."""

from __future__ import annotations

from datetime import date, time

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.core import severe_weather
from ledger.core.calendars import EXCHANGE, STATUTORY, get_calendar, hours_deadline, load_calendars
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event, SevereWeatherDay
from margin import tasks
from margin.accrual import accrue_due
from margin.calls import review_calls
from margin.due_times import due_time, heed_severe_weather, secured_by
from margin.models import CallDeadline, MarginCall, MarginPolicy, Valuation
from margin.outages import approve_outage, propose_outage
from margin.policies import approve_policy, propose_policy
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, hong_kong, user, v01

pytestmark = pytest.mark.django_db

COINS, SHARES = CallDeadline.SecuredBy.VIRTUAL_ASSETS, CallDeadline.SecuredBy.SECURITIES
CLOCK = CallDeadline.Clock


def terms(**changes: object) -> dict[str, object]:
    return {
        "valid_from": date(2026, 4, 2),
        "warn_utilisation": D("0.85"),
        "call_utilisation": D("1"),
        "immediate_utilisation": D("1.30"),
        "target_utilisation": D("1"),
        "minimum_call": D("0"),
        "deadline_business_days": 2,
        "deadline_cutoff": time(15),
        "outage_grace_minutes": 90,
        "automatic_release_limit": D("0"),
        "price_band": D("0.10"),
        "securities_share_minimum": D("0.20"),
        **changes,
    }


def policy(world: World, *deadlines: dict[str, object], **changes: object) -> MarginPolicy:
    with at("2026-04-02 09:00"):
        proposed = propose_policy(
            broker=world.broker, maker=user("wong"), deadlines=deadlines, **terms(**changes)
        )
        return approve_policy(proposed, checker=user("lee"))


def called(world: World) -> MarginCall:
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return call


def valued(*, utilisation: str | None, margin: str, securities: str, of: MarginPolicy) -> Valuation:
    return Valuation(
        policy=of,
        utilisation=None if utilisation is None else D(utilisation),
        margin_value=D(margin),
        securities_margin_value=D(securities),
    )


def test_v26_two_business_days_over_easter_end_on_the_ninth():
    world, _chan = v01()
    policy(world)
    assert called(world).due_at == hong_kong("2026-04-09 15:00")


def test_v26_virtual_asset_time_does_not_stop_on_good_friday():
    world = harbour()
    rules = policy(world, {"secured_by": COINS, "calendar": CLOCK.ALWAYS, "hours": 24})
    coins = valued(utilisation="1.05", margin="100.00", securities="49.99", of=rules)
    shares = valued(utilisation="1.05", margin="100.00", securities="50.00", of=rules)

    assert (secured_by(coins), secured_by(shares)) == (COINS, SHARES)
    assert due_time(coins, hong_kong("2026-04-02 16:30")) == hong_kong("2026-04-03 16:30")
    assert due_time(shares, hong_kong("2026-04-02 16:30")) == hong_kong("2026-04-09 15:00")


def test_the_deeper_the_call_the_shorter_the_time():
    world = harbour()
    rules = policy(
        world,
        {"secured_by": SHARES, "calendar": CLOCK.STATUTORY, "business_days": 2, "cutoff": time(12)},
        {
            "secured_by": SHARES,
            "above_utilisation": D("1.10"),
            "calendar": CLOCK.STATUTORY,
            "hours": 4,
            "opens_at": time(9),
            "closes_at": time(18),
        },
        {"secured_by": SHARES, "above_utilisation": D("1.20"), "calendar": CLOCK.EXCHANGE, "hours": 2},
    )
    when = {
        utilisation: due_time(
            valued(utilisation=utilisation, margin="9.00", securities="9.00", of=rules),
            hong_kong("2026-04-02 15:00"),
        )
        for utilisation in ("1.10", "1.11", "1.21", None)
    }
    assert when["1.10"] == hong_kong("2026-04-09 12:00")
    assert when["1.11"] == hong_kong("2026-04-08 10:00")  # three hours on Thursday, one after Easter
    assert when["1.21"] == hong_kong("2026-04-08 10:30")  # one hour until the close, one from 9:30
    assert when[None] == when["1.21"]


def test_hours_of_the_exchange_stop_for_lunch_and_end_with_a_half_day():
    load_calendars()
    exchange = get_calendar(EXCHANGE)
    assert hours_deadline(hong_kong("2026-03-30 11:00"), hours=2, calendar=exchange) == hong_kong(
        "2026-03-30 14:00"
    )
    half_day = hong_kong("2026-02-16 11:00")  # Lunar New Year's Eve; trading goes on on the 20th
    assert hours_deadline(half_day, hours=1, calendar=exchange) == hong_kong("2026-02-16 12:00")
    assert hours_deadline(half_day, hours=2, calendar=exchange) == hong_kong("2026-02-20 10:30")


def test_a_gale_day_declared_by_two_people_moves_what_was_due_and_comes_back_after_a_reload():
    world, _chan = v01()
    call = called(world)
    assert call.due_at == hong_kong("2026-04-08 15:00")
    with at("2026-04-08 09:00"):
        gale = severe_weather.declare(on=date(2026, 4, 8), warning="gale", maker=user("wong"))
        assert heed_severe_weather(broker=world.broker) == 0
        with pytest.raises(Forbidden):
            severe_weather.approve(gale, checker=user("wong"))
        severe_weather.approve(gale, checker=user("lee"))
        load_calendars()
        assert not get_calendar(STATUTORY).is_open(date(2026, 4, 8))
    with at("2026-04-08 14:59"):
        tasks.advance_calls()
        tasks.advance_calls()
    call.refresh_from_db()
    assert (call.status, call.version, call.due_at) == ("issued", 2, hong_kong("2026-04-09 15:00"))
    told = Event.objects.get(topic="margin.call.due_time_moved")
    assert (told.payload["cause"], told.payload["due_before"]) == (
        "severe_weather",
        "2026-04-08T07:00:00+00:00",
    )
    assert [version.due_at for version in call.versions.order_by("number")] == [
        hong_kong("2026-04-08 15:00"),
        hong_kong("2026-04-09 15:00"),
    ]


def test_a_warning_is_declared_once_when_it_was_given_and_for_a_business_day():
    harbour()
    with at("2026-04-08 09:00"):
        severe_weather.declare(on=date(2026, 4, 8), warning="black_rainstorm", maker=user("wong"))
        with pytest.raises(Conflict) as again:
            severe_weather.declare(on=date(2026, 4, 8), warning="gale", maker=user("lee"))
        for day, code in ((date(2026, 4, 9), "in_future"), (date(2026, 4, 5), "not_open")):
            with pytest.raises(Invalid) as refusal:
                severe_weather.declare(on=day, warning="gale", maker=user("wong"))
            assert refusal.value.reason == code
    assert again.value.reason == "already_declared"
    row = SevereWeatherDay.objects.get()
    with pytest.raises(IntegrityError, match="maker_is_not_checker"), transaction.atomic():
        sql(
            f"UPDATE core_severeweatherday SET approval = 'approved', checker_id = maker_id,"
            f" checked_at = now() WHERE id = {row.pk}"
        )


def test_an_outage_gives_grace_to_what_would_have_fallen_due_in_it():
    world, _chan = v01()
    call = called(world)
    with at("2026-04-08 14:45"):
        outage = propose_outage(
            broker=world.broker,
            began_at=hong_kong("2026-04-08 13:00"),
            ended_at=hong_kong("2026-04-08 14:40"),
            what="Payments could not be received",
            maker=user("wong"),
        )
        approve_outage(outage, checker=user("lee"))
    call.refresh_from_db()
    assert (call.version, call.due_at) == (2, hong_kong("2026-04-08 16:40"))
    assert call.versions.get(number=2).cause == "outage"

    with at("2026-04-08 16:39"):
        tasks.advance_calls()
    call.refresh_from_db()
    assert call.status == "issued"
    with at("2026-04-08 16:40"):
        world.price("BTC", "95000", "2026-04-08 16:39:50")
        tasks.advance_calls()
    call.refresh_from_db()
    assert call.status != "issued"


def test_i9_a_due_time_moves_by_a_version_only_and_never_comes_nearer():
    world, _chan = v01()
    call = called(world)
    version = (
        "INSERT INTO margin_margincallversion (call_id, number, valuation_id, amount, amount_currency, due_at,"
        " cause, made_at) SELECT call_id, 2, valuation_id, amount, amount_currency,"
        " due_at {change}, 'outage', made_at FROM margin_margincallversion"
    )
    for change in ("- interval '1 hour'", "+ interval '1 hour'"):
        nearer = "UPDATE margin_margincall SET version = 2, due_at = due_at - interval '1 hour'"
        with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
            sql(f"{version.format(change=change)}; {nearer}")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql("UPDATE margin_margincallversion SET amount = 1")
    with transaction.atomic():
        sql(version.format(change="+ interval '1 hour'"))
        sql("UPDATE margin_margincall SET version = 2, due_at = due_at + interval '1 hour'")
    call.refresh_from_db()
    assert call.due_at == hong_kong("2026-04-08 16:00")


def test_a_policy_is_decided_as_it_was_proposed_with_its_deadlines():
    world = harbour()
    rules = policy(world, {"secured_by": COINS, "calendar": CLOCK.ALWAYS, "hours": 24})
    tier = (
        "INSERT INTO margin_calldeadline (policy_id, secured_by, above_utilisation, calendar, hours)"
        f" VALUES ({rules.pk}, 'securities', 0, 'ALWAYS', 1)"
    )
    with pytest.raises(IntegrityError, match="takes no further deadline"), transaction.atomic():
        sql(tier)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql("UPDATE margin_calldeadline SET hours = 1")
    with pytest.raises(Conflict) as refusal:
        policy(world)
    assert refusal.value.reason == "already_effective"


@pytest.mark.parametrize(
    ("deadline", "field"),
    [
        ({"calendar": CLOCK.ALWAYS}, ""),
        ({"calendar": CLOCK.STATUTORY, "hours": 3}, ""),
        ({"calendar": CLOCK.ALWAYS, "hours": 3, "business_days": 1, "cutoff": time(9)}, ""),
        (
            {"calendar": CLOCK.ALWAYS, "hours": 3, "above_utilisation": D("NaN")},
            "deadlines.above_utilisation",
        ),
        ({"calendar": "LUNAR", "hours": 3}, "deadlines.calendar"),
    ],
)
def test_a_deadline_is_days_or_hours_and_nothing_between(deadline, field):
    world = harbour()
    with pytest.raises(Invalid) as refusal:
        policy(world, {"secured_by": COINS, **deadline})
    assert refusal.value.field == field


def test_a_policy_does_not_reach_into_the_past():
    world = harbour()
    with pytest.raises(Invalid) as refusal:
        policy(world, valid_from=date(2026, 4, 1))
    assert refusal.value.reason == "RETROACTIVE"


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

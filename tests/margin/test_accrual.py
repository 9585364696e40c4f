"""Interest day by day on the settled principal, rounded and booked once a month, however late the jobs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pytest
from django.db import transaction

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.models import Journal, Role
from margin.accrual import accrue_day, accrue_due, catch_up, post_due, post_month
from margin.calls import advance_due, review_calls
from margin.custody import deposit_cash
from margin.interest import rounded_cents
from margin.lending import repay
from margin.models import Facility, Fill, InterestAccrual, InterestPosting
from margin.rate_plans import add_rate_plan
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.sales.settlement import settle_due
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user, v01

pytestmark = pytest.mark.django_db


def lam_owes(amount: str, *, since: str) -> tuple[World, Facility]:
    """Mr Lam draws on 50,000 HSBC at 100.00, which carry 3,500,000.00."""
    world = harbour()
    with at(f"{since} 10:00"):
        world.price("00005", "100.00", f"{since} 09:59")
        lam = world.client("C003", "Lam Wai Kit")
        world.pledge(lam, s00005="50000")
        world.draw(lam, amount, purpose="securities")
    return world, lam


def pay_back(facility: Facility, amount: str) -> None:
    deposit_cash(client=facility.client, currency="HKD", amount=D(amount), key=f"in-{amount}", actor="wong")
    repay(facility=facility, amount=D(amount), key=f"back-{amount}", actor="wong")


def new_rates(world: World, valid_from: date, rate: str, excess: str) -> None:
    add_rate_plan(
        broker=world.broker,
        name="Standard",
        valid_from=valid_from,
        rate_per_annum=D(rate),
        excess_rate_per_annum=D(excess),
        actor="wong",
    )


def owed(facility: Facility, role: Role = Role.LOAN_PRINCIPAL) -> object:
    return holding(facility.client.broker.book, AccountKey(role, "HKD", facility.client.number))


def principals(*days: str) -> list[object]:
    """The principal, in dollars, that bore interest on each day."""
    rows = {row.accrued_on.isoformat(): row for row in InterestAccrual.objects.all()}
    return [D(rows[day].principal_within_atoms + rows[day].principal_beyond_atoms) / 100 for day in days]


def told() -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], list[tuple[object, ...]]]:
    """All that the jobs left behind, without ids and times."""
    return (
        list(InterestAccrual.objects.order_by("accrued_on").values_list("accrued_on", "numerator")),
        list(InterestPosting.objects.order_by("month").values_list("month", "amount_atoms")),
        list(
            Journal.objects.filter(kind__startswith="interest")
            .order_by("value_on", "kind")
            .values_list("kind", "value_on", "idempotency_key")
        ),
    )


def nights(world: World, days: Iterable[str]) -> object:
    """Run the nightly job on these days only, tell what it left, and take it all back."""
    with transaction.atomic():
        for day in days:
            with at(f"{day} 00:30"):
                catch_up(broker=world.broker)
        left = told()
        transaction.set_rollback(True)
    return left


def test_v06_a_repayment_and_a_new_rate_within_a_month_are_rounded_once():
    world, lam = lam_owes("2000000.00", since="2026-06-01")
    new_rates(world, date(2026, 6, 21), "0.0825", "0.0825")
    with at("2026-06-11 10:00"):
        pay_back(lam, "500000.00")
    with at("2026-07-01 00:30"):
        catch_up(broker=world.broker)

    posting = InterestPosting.objects.get()
    assert (posting.month, posting.amount_atoms) == (date(2026, 6, 1), 11_061_64)
    assert posting.accruals.count() == 30
    assert posting.journal.value_on == date(2026, 6, 30)
    assert holding(world.broker.book, AccountKey(Role.INTEREST_INCOME, "HKD")) == D("11061.64")


def test_v07_what_is_owed_beyond_the_margin_value_bears_the_higher_rate():
    world, _chan = v01()
    new_rates(world, date(2026, 4, 2), "0.08", "0.13")
    with at("2026-04-02 16:30"):
        run_valuation(broker=world.broker)
    with at("2026-04-03 00:30"):
        assert accrue_day(broker=world.broker, on=date(2026, 4, 2)) == 1

    accrual = InterestAccrual.objects.get()
    assert (accrual.principal_within_atoms, accrual.principal_beyond_atoms) == (1_426_140_00, 73_860_00)
    assert rounded_cents(accrual.numerator) == 338_88


def test_the_days_last_valuation_decides_and_a_later_one_does_not():
    """The account is short at 16:30 on 2 April, and was not before; 1 April is accrued afterwards."""
    world, _chan = v01()
    new_rates(world, date(2026, 3, 1), "0.08", "0.13")
    with at("2026-03-23 16:30"):
        run_valuation(broker=world.broker)
    with at("2026-04-02 16:30"):
        run_valuation(broker=world.broker)
    with at("2026-04-03 00:30"):
        accrue_due(broker=world.broker)
    beyond = dict(InterestAccrual.objects.values_list("accrued_on", "principal_beyond_atoms"))
    assert beyond[date(2026, 4, 1)] == 0
    assert beyond[date(2026, 4, 2)] == 73_860_00


def test_the_leap_day_divides_by_365():
    world, lam = lam_owes("1000000.00", since="2026-06-01")
    with at("2028-03-01 00:30"):
        accrue_day(broker=world.broker, on=date(2028, 2, 29))
        assert post_month(broker=world.broker, month=date(2028, 2, 29)) == 1
    assert InterestPosting.objects.get().amount_atoms == 219_18
    assert owed(lam) == D("1000219.18")


def test_a_job_that_missed_the_days_around_a_months_end_catches_up_to_the_same_cents():
    world, _chan = v01()
    days = ["2026-03-24", *(f"2026-03-{n}" for n in range(25, 32)), *(f"2026-04-0{n}" for n in range(1, 8))]
    every_night = nights(world, days)
    assert len(every_night[0]) == 15
    assert every_night[1] == [(date(2026, 3, 1), 2_958_90)]
    assert nights(world, [days[0], days[-1]]) == every_night
    assert nights(world, [days[-1]]) == every_night
    assert nights(world, [day for day in days for _again in range(2)]) == every_night


def test_a_job_that_missed_two_months_books_the_second_on_top_of_the_first():
    """April: 30 days of 8% on 1,502,958.90 = 9,882.47; May is 31 days on 1,512,841.37."""
    world, chan = v01()
    with at("2026-06-01 00:30"):
        catch_up(broker=world.broker)
    amounts = InterestPosting.objects.order_by("month").values_list("amount_atoms", flat=True)
    assert list(amounts) == [2_958_90, 9_882_47, 10_279_03]
    assert owed(chan) == D("1523120.40")


def test_what_was_accrued_and_booked_is_not_accrued_or_booked_again():
    world, chan = v01()
    with at("2026-04-01 00:30"):
        assert accrue_due(broker=world.broker) == 9
        assert post_due(broker=world.broker) == 1
        before = told()
        assert accrue_due(broker=world.broker) == 0
        assert accrue_day(broker=world.broker, on=date(2026, 3, 31)) == 0
        assert post_due(broker=world.broker) == 0
        assert post_month(broker=world.broker, month=date(2026, 3, 31)) == 0
        catch_up(broker=world.broker)
    assert told() == before
    assert owed(chan) == D("1502958.90")


def test_interest_joins_the_principal_on_the_first_and_bears_interest_from_there():
    world, chan = v01()
    with at("2026-04-02 00:30"):
        catch_up(broker=world.broker)
    assert principals("2026-03-31", "2026-04-01") == [D("1500000.00"), D("1502958.90")]
    assert owed(chan, Role.INTEREST_RECEIVABLE) == 0
    value_dates = Journal.objects.filter(kind__startswith="interest").values_list("kind", "value_on")
    assert dict(value_dates) == {
        "interest": date(2026, 3, 31),
        "interest_to_principal": date(2026, 4, 1),
    }


def test_a_day_that_has_not_ended_and_a_firm_that_lent_nothing_accrue_nothing():
    world = harbour()
    with at("2026-04-02 12:00"):
        catch_up(broker=world.broker)
        assert accrue_due(broker=world.broker) == 0
    world, _chan = v01(world)
    with at("2026-03-23 23:59"):
        assert accrue_due(broker=world.broker) == 0
    assert told() == ([], [], [])


def test_cash_that_lies_with_the_firm_stops_no_interest_until_it_repays():
    world, lam = lam_owes("1000000.00", since="2026-06-01")
    with at("2026-06-02 10:00"):
        deposit_cash(client=lam.client, currency="HKD", amount=D("400000.00"), key="wire", actor="wong")
    with at("2026-06-03 10:00"):
        repay(facility=lam, amount=D("400000.00"), key="back", actor="wong")
    with at("2026-06-04 00:30"):
        accrue_due(broker=world.broker)
    assert principals("2026-06-02", "2026-06-03") == [D("1000000.00"), D("600000.00")]


def test_i14_a_sale_stops_interest_on_the_day_it_settles_and_not_on_the_day_it_is_traded():
    """Ms Ho's shares are sold on Wednesday 25 March and settle on Friday the 27th."""
    world = harbour(policy={"target_utilisation": D("0.95")})
    with at("2026-03-23 16:30"):
        world.price("00005", "100.00", "2026-03-23 16:08")
        ho = world.client("C002", "Ho Ka Yan")
        world.pledge(ho, s00005="8000")
        world.draw(ho, "560000.00", purpose="securities")
    with at("2026-03-24 16:30"):
        world.price("00005", "90.00", "2026-03-24 16:08")
        review_calls(run=run_valuation(broker=world.broker))
    with at("2026-03-25 15:00"):
        world.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
        advance_sales(broker=world.broker)
    with at("2026-03-27 09:00"):
        settle_due(broker=world.broker)
    with at("2026-03-28 00:30"):
        accrue_due(broker=world.broker)
    net = Fill.objects.get().net.amount
    days = ("2026-03-25", "2026-03-26", "2026-03-27")
    assert principals(*days) == [D("560000.00"), D("560000.00"), D("560000.00") - net]

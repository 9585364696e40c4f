"""A firm's stress test: V20 in the books, the worst name, the month that is run once, and damage that is found."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import DatabaseError, transaction

from ledger import audit
from ledger.core.models import Event
from margin import tasks
from margin.accrual import accrue_due
from margin.caps import approve_cap, propose_cap
from margin.models import Facility, StressResult, StressRun
from margin.stress import runs
from margin.stress.breakeven import Edge
from margin.stress.prices import break_even_of
from margin.stress.runs import run_stress
from margin.valuations import run_valuation
from tests.builders import D, at, user
from tests.ledger.books import sql, without_law

from .firm import V20, approved, stressed_firm

pytestmark = pytest.mark.django_db

EVENING = "2026-04-02 16:30"


@pytest.fixture
def firm():
    """Harbour Securities on 2 April 2026 at 16:30, with ten days of interest on Ms Chan's loan."""
    world, chosen = stressed_firm()
    with at(EVENING):
        accrue_due(broker=world.broker)
    return world, chosen


def chan() -> Facility:
    return Facility.objects.get(client__number="C001")


def test_v20_comes_out_of_the_books_to_the_cent(firm):
    world, _chosen = firm
    with at(EVENING):
        run = run_stress(broker=world.broker, actor="wong")

    of_chan = run.results.get(scenario__code="v20", facility=chan())
    assert (of_chan.market_value, of_chan.margin_value) == (D("1788660.00"), D("1051992.00"))
    assert (of_chan.loan, of_chan.deficiency, of_chan.loss) == (D("1503287.67"), D("451295.67"), 0)
    assert of_chan.level == "immediate"
    at_rest = run.results.get(scenario=None, facility=chan())
    assert (at_rest.deficiency, at_rest.level) == (D("77147.67"), "call")
    # Ms Lam owes nothing, so nothing is lost on her.
    assert run.account_count == 2
    assert Event.objects.filter(topic="margin.stress.completed", subject_id=str(run.pk)).count() == 1


def test_the_firm_is_the_sum_of_its_accounts_under_each_scenario(firm):
    world, chosen = firm
    with at(EVENING):
        run = run_stress(broker=world.broker)

    totals = {total.scenario.code if total.scenario else "": total for total in run.totals.all()}
    assert totals.keys() == {"", "v20", "gap", "worst", "pair", "peg"}
    assert (totals[""].calls, totals[""].immediates, totals[""].loss) == (1, 0, 0)
    # Mr Ho: 900 Tencent at 512.50, 322,875.00 of margin value; at 410.00 he is 41,700.00 short.
    assert totals["v20"].deficiency == D("451295.67") + D("41700.00")
    assert (totals["v20"].calls, totals["v20"].immediates) == (2, 1)
    # The dollar moves Bitcoin alone: 44,460.00 of margin value less.
    assert totals["peg"].margin_value == totals[""].margin_value - D("44460.00")
    # Tencent at nothing: Mr Ho's 300,000.00 is lost; HSBC at nothing leaves Ms Chan 1,726,500.00.
    assert (totals["worst"].named, totals["worst"].loss, totals["worst"].losers) == (
        "00700",
        D("300000.00"),
        1,
    )
    assert totals["pair"].named == "00005 00700"
    assert totals["gap"].loss == 0
    names = {name.asset.code: name for name in run.names.select_related("asset")}
    assert {code: (name.holders, name.loss) for code, name in names.items()} == {
        "00005": (1, D(0)),
        "00700": (2, D("300000.00")),
    }
    assert names["00700"].market_value == D("615000.00") + D("461250.00")
    assert run.scenario_set == chosen
    assert audit.run().findings == ()


def test_how_far_prices_must_fall_is_kept_and_the_prices_are_those_of_v20(firm):
    world, _chosen = firm
    told = []
    with at(EVENING):
        run = run_stress(broker=world.broker, advance=lambda done, total: told.append((done, total)))
        found = break_even_of(chan())
    assert told[-1] == (8, 8)

    falls = {
        (row.facility.client.number, row.of): (row.to_call, row.to_immediate, row.to_loss)
        for row in run.break_evens.select_related("facility__client")
    }
    assert falls == {
        # Called already; 1,156,375.13 of margin value is the immediate level, 1,503,287.67 the loan.
        ("C001", "everything"): (D(0), D("0.189158"), D("0.401963")),
        ("C001", "virtual_assets"): (D(0), D("0.606759"), D("0.909053")),
        ("C002", "everything"): (D("0.070848"), D("0.285268"), D("0.349594")),
    }
    prices = {
        asset.code: {edge: point.price for edge, point in asset.edges.items()} for asset in found.assets
    }
    assert prices["BTC"] == {
        Edge.CALL: D("111484.54"),
        Edge.IMMEDIATE: D("37357.93"),
        Edge.LOSS: D("8639.97"),
    }
    # 112.18 and 50.23 lie between two ticks, of 0.1 and of 0.05; she is called at the tick below.
    assert prices["00005"] == {Edge.CALL: D("112.1"), Edge.IMMEDIATE: D("50.20"), Edge.LOSS: None}
    assert found.falls[Edge.IMMEDIATE] == D("0.189158")


def test_a_month_is_run_once_however_often_the_clock_comes_round(firm):
    world, chosen = firm
    with at(EVENING):
        run_stress(broker=world.broker)
        tasks.stress_accounts()
        tasks.stress_accounts()
    with at("2026-04-30 18:30"):
        tasks.stress_accounts()
    with at("2026-05-01 18:30"):
        tasks.stress_accounts()

    assert [run.month for run in StressRun.objects.order_by("pk")] == [
        None,
        date(2026, 4, 1),
        date(2026, 5, 1),
    ]
    assert {run.scenario_set for run in StressRun.objects.all()} == {chosen}


def test_a_month_that_another_worker_ran_meanwhile_is_not_run_again(firm, monkeypatch):
    world, _chosen = firm
    found = runs._of_month
    with at(EVENING):
        first = run_stress(broker=world.broker, month=date(2026, 4, 1))
        answers = iter([None, first])
        monkeypatch.setattr(runs, "_of_month", lambda broker, month: next(answers))
        again = run_stress(broker=world.broker, month=date(2026, 4, 1))

    assert again == first == found(world.broker, date(2026, 4, 1))
    assert StressRun.objects.count() == 1


def test_a_firm_without_a_set_is_left_out_by_the_clock(firm):
    world, _chosen = firm
    with at("2026-03-31 18:30"):
        tasks.stress_accounts()
    assert not StressRun.objects.exists()

    with at("2026-04-03 10:00"):
        later = approved(world.broker, V20, day="2026-04-03")
        assert run_stress(broker=world.broker).scenario_set == later


def test_caps_of_the_firm_are_held_against_the_shocked_prices(firm):
    world, _chosen = firm
    with at("2026-04-02 16:29"):
        cap = propose_cap(
            broker=world.broker,
            scope="firm",
            measure="amount",
            asset="00700",
            amount="400000.00",
            valid_from=date(2026, 4, 2),
            maker=user("wong"),
        )
        approve_cap(cap, checker=user("lee"))
    with at(EVENING):
        run = run_stress(broker=world.broker)

    # Uncapped 344,400.00 + 258,300.00 of Tencent at 410.00 together may count for 400,000.00: Ms Chan for four sevenths.
    of_chan = run.results.get(scenario__code="v20", facility=chan())
    assert of_chan.margin_value == D("1051992.00") - D("344400.00") + D("228571.42")
    assert audit.run().findings == ()


def test_the_firm_as_it_stands_is_the_firm_as_it_was_valued(firm):
    """Ms Lam owes nothing, and her 2,000 Tencent take their part of what the firm's cap lets count."""
    world, _chosen = firm
    with at("2026-04-02 16:29"):
        world.pledge(Facility.objects.get(client__number="C003"), s00700="2000")
        cap = propose_cap(
            broker=world.broker,
            scope="firm",
            measure="amount",
            asset="00700",
            amount="400000.00",
            valid_from=date(2026, 4, 2),
            maker=user("wong"),
        )
        approve_cap(cap, checker=user("lee"))
    with at(EVENING):
        valued = run_valuation(broker=world.broker).valuations.get(facility=chan())
        stressed = run_stress(broker=world.broker).results.get(scenario=None, facility=chan())

    # Uncapped 430,500.00 of the firm's 1,470,875.00 of Tencent: she counts 117,073.17 of the 400,000.00.
    assert valued.margin_value == D("1426140.00") - D("430500.00") + D("117073.17")
    assert stressed.margin_value == valued.margin_value


def test_what_a_stress_test_found_stays_or_the_audit_finds_what_changed(firm):
    world, _chosen = firm
    with at(EVENING):
        run = run_stress(broker=world.broker)

    for damage in (
        "UPDATE margin_stresstotal SET loss = loss + 1 WHERE loss > 0",
        "UPDATE margin_stressresult SET level = 'normal' WHERE level = 'call' AND scenario_id IS NULL",
        "DELETE FROM margin_stressresult WHERE scenario_id IS NULL",
        "DELETE FROM margin_stresstotal WHERE scenario_id IS NULL",
        "UPDATE margin_stressrun SET account_count = 3",
    ):
        with transaction.atomic():
            without_law(damage)
            found = {f.subject for f in audit.run().findings if f.check == "margin.stress_totals_add_up"}
            transaction.set_rollback(True)
        assert found == {f"stress test {run.pk}"}, damage

    for table in ("run", "total", "result", "name", "breakeven"):
        for change in (f"DELETE FROM margin_stress{table}", f"UPDATE margin_stress{table} SET id = 1"):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                sql(change)
    result = StressResult.objects.get(facility=chan(), scenario=None)
    result.pk, result.facility_id, result.loss = None, 9, D("1.00")
    with pytest.raises(DatabaseError, match="uncovered"), transaction.atomic():
        result.save()

"""Shares sold settle in parts, fail, are tried again, and each part stops the interest on its own day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core.errors import Conflict, Invalid, KeyReused
from ledger.models import Journal, Role
from margin import tasks
from margin.calls import review_calls
from margin.models import (
    Facility,
    Fill,
    InterestAccrual,
    MarginCall,
    RatePlan,
    SettlementInstruction,
    SettlementReport,
)
from margin.sales.execution import advance_sales
from margin.sales.instructions import age_days, set_settlements_reported
from margin.sales.outcome import conclude
from margin.sales.penalties import charge_penalty
from margin.sales.settlement import report_failure, report_settlement, settle_due
from margin.sales.settlement_files import csv_lines, import_reports, read_reports
from margin.valuations import run_valuation
from tests.builders import D, World, at
from tests.ledger.books import without_law

from .test_forced_sale import ho_borrows, released

pytestmark = pytest.mark.django_db

PRINCIPAL = AccountKey(Role.LOAN_PRINCIPAL, "HKD", "C002")
PROCEEDS = AccountKey(Role.CLIENT_PROCEEDS, "HKD", "C002")
OWED = AccountKey(Role.UNSETTLED_PAYABLE, "00005", location="CCASS")


@pytest.fixture
def sold() -> World:
    """All 8,000 HSBC of Ms Ho are sold at 20.00 on 25 March, to settle on the 27th: 159,419.68 net of 160,000.00."""
    world = ho_borrows()
    with at("2026-03-25 00:05"):
        tasks.accrue_interest()
    with at("2026-03-25 15:00"):
        world.price("00005", "20.00", "2026-03-25 14:59")
        review_calls(run=run_valuation(broker=world.broker))
        released(world)
        advance_sales(broker=world.broker)
    return world


def the_instruction() -> SettlementInstruction:
    return SettlementInstruction.objects.get()


def report(quantity: str, money: str, day: str, reference: str = "CCASS-1") -> SettlementReport:
    return report_settlement(
        instruction=the_instruction(),
        quantity=D(quantity),
        money=D(money),
        settled_on=_day(day),
        reference=reference,
        actor="clearing",
    ).report


def _day(text: str) -> date:
    return date.fromisoformat(text)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def held(world: World, key: AccountKey) -> Decimal:
    return holding(world.broker.book, key)


def test_on_paper_a_trade_settles_in_full_on_its_day_and_once(sold):
    instruction = the_instruction()
    fill = Fill.objects.get()
    assert (instruction.status, instruction.quantity, instruction.gross) == ("pending", 8000, D("160000.00"))
    assert instruction.net == fill.net.amount == D("159419.68")
    with at("2026-03-26 10:00"):
        assert settle_due(broker=sold.broker) == 0
    with at("2026-03-27 09:30"):
        assert settle_due(broker=sold.broker) == 1
        assert settle_due(broker=sold.broker) == 0
    told = SettlementReport.objects.get()
    assert (told.source, told.quantity, told.delivered, told.money) == ("paper", 8000, 8000, D("160000.00"))
    fill.refresh_from_db()
    assert fill.settlement_journal_id == told.journal_id
    assert the_instruction().status == "settled"
    assert audit.run().findings == ()


def test_parts_add_up_to_the_whole_and_each_stops_its_interest(sold):
    with at("2026-03-27 17:00"):
        first = report("3000", "60000.00", "2026-03-27")
    instruction = the_instruction()
    assert (instruction.status, instruction.next_attempt_on) == ("part_settled", _day("2026-03-30"))
    # 159,419.68 x 60,000 / 160,000.
    assert first.net == D("59782.38")
    assert held(sold, PRINCIPAL) == D("500217.62")
    assert held(sold, PROCEEDS) == D("99637.30")
    assert held(sold, OWED) == 5000
    assert MarginCall.objects.get().status == MarginCall.Status.SALE_PENDING
    assert audit.run().findings == ()

    with at("2026-03-28 00:05"):
        tasks.accrue_interest()
    with at("2026-03-31 00:05"):
        tasks.accrue_interest()
    by_day = dict(InterestAccrual.objects.values_list("accrued_on", "principal_within_atoms"))
    beyond = dict(InterestAccrual.objects.values_list("accrued_on", "principal_beyond_atoms"))
    owed = {day.day: by_day[day] + beyond[day] for day in by_day}
    assert owed == {
        23: 56000000,
        24: 56000000,
        25: 56000000,
        26: 56000000,
        27: 50021762,
        28: 50021762,
        29: 50021762,
        # The rest was tried again on Monday the 30th, and settled on paper.
        30: 40058032,
    }
    instruction.refresh_from_db()
    assert instruction.status == "settled"
    assert [r.number for r in instruction.reports.order_by("number")] == [1, 2]
    assert sum(r.net for r in instruction.reports.all()) == D("159419.68")
    assert (held(sold, PROCEEDS), held(sold, OWED)) == (0, 0)
    assert audit.run().findings == ()


def test_the_last_cent_of_the_net_comes_with_the_last_part(sold):
    with at("2026-03-27 17:00"):
        parts = [
            report("1", "0.01", "2026-03-27", "a"),
            report("0", "53333.33", "2026-03-27", "b"),
            report("7999", "0", "2026-03-27", "c"),
            report("0", "106666.66", "2026-03-27", "d"),
        ]
    assert [part.net for part in parts] == [D("0.01"), D("53139.89"), 0, D("106279.78")]
    assert the_instruction().status == "settled"
    assert audit.run().findings == ()


def test_a_fail_stays_open_grows_old_costs_a_fee_and_is_tried_again(sold):
    with at("2026-03-27 17:00"):
        done = report_failure(
            instruction=the_instruction(),
            failed_on=_day("2026-03-27"),
            reason="short at the custodian",
            reference="CCASS-1",
            actor="clearing",
        )
        again = report_failure(
            instruction=the_instruction(),
            failed_on=_day("2026-03-27"),
            reason="short at the custodian",
            reference="CCASS-1",
            actor="clearing",
        )
        assert (done.is_replay, again.is_replay) == (False, True)
        charged = {
            "instruction": the_instruction(),
            "kind": "fail_fee",
            "amount": D("400.00"),
            "charged_on": _day("2026-03-27"),
            "reference": "FEE-1",
            "actor": "clearing",
        }
        charge_penalty(**charged)
        charge_penalty(**charged)
        assert settle_due(broker=sold.broker) == 0
        conclude(broker=sold.broker)
    instruction = the_instruction()
    assert (instruction.status, instruction.fail_count) == ("failed", 1)
    assert instruction.next_attempt_on == _day("2026-03-30")
    assert held(sold, AccountKey(Role.SETTLEMENT_COST, "HKD")) == D("400.00")
    with at("2026-03-30 09:30"):
        assert age_days(instruction) == 1
        assert settle_due(broker=sold.broker) == 1
    assert Journal.objects.get(kind="forced_sale_settlement").value_on == _day("2026-03-30")
    assert audit.run().findings == ()


def test_where_the_clearing_house_reports_nothing_settles_by_itself(sold):
    with at("2026-03-26 10:00"):
        set_settlements_reported(broker=sold.broker, is_reported=True, actor="lee", reason="CCASS link is up")
        sold.broker.refresh_from_db()
    with at("2026-03-27 17:00"):
        tasks.settle_sales()
    assert the_instruction().status == "pending"
    with at("2026-03-30 09:30"):
        tasks.settle_sales()
        tasks.settle_sales()
        instruction = the_instruction()
        assert (instruction.status, instruction.fail_count) == ("failed", 1)
        assert instruction.next_attempt_on == _day("2026-03-30")
        assert instruction.reports.get().reason == "not reported by the end of the settlement day"
        report("8000", "160000.00", "2026-03-30")
    assert the_instruction().status == "settled"


def test_a_report_that_comes_late_gives_the_interest_back(sold):
    with at("2026-03-26 10:00"):
        set_settlements_reported(broker=sold.broker, is_reported=True, actor="lee", reason="CCASS link is up")
    with at("2026-03-31 00:05"):
        tasks.accrue_interest()
    with at("2026-03-31 09:00"):
        late = report("8000", "160000.00", "2026-03-27")
    assert late.journal.value_on == _day("2026-03-27")
    # 23 to 30 March on 560,000.00: 8 x 122.739...; of it 4 days on 159,419.68 at 8% are given back.
    given_back = D("139.77")
    assert late.refund_journal.kind == "interest_given_back"
    assert held(sold, AccountKey(Role.INTEREST_INCOME, "HKD")) == D("981.92") - given_back
    assert held(sold, AccountKey(Role.INTEREST_RECEIVABLE, "HKD", "C002")) == D("981.92") - given_back
    assert held(sold, PRINCIPAL) == D("560000.00") - D("159419.68")
    assert audit.run().findings == ()


def test_parts_that_come_late_give_back_together_what_the_whole_would(sold):
    """Each part ends the dearest interest that is left, not the dearest that there was."""
    RatePlan.objects.update(excess_rate_per_annum=D("0.13"))
    with at("2026-03-26 10:00"):
        set_settlements_reported(broker=sold.broker, is_reported=True, actor="lee", reason="CCASS link is up")
    with at("2026-03-26 16:30"):
        sold.pledge(Facility.objects.get(), s00005="35800")
        run_valuation(broker=sold.broker)
    with at("2026-03-31 00:05"):
        tasks.accrue_interest()
    with at("2026-03-31 09:00"):
        first = report("3000", "60000.00", "2026-03-27")
        second = report("5000", "100000.00", "2026-03-27", reference="CCASS-2")

    # 35,800 at 20.00 carry 501,200.00, so 58,800.00 bore 13% on 27 to 30 March: 4 x (58,800.00 x 13% + 982.38 x 8%) / 365.
    assert first.refund_journal.entries.get(account__role=Role.INTEREST_INCOME).amount_atoms == 84_63
    # The second part ends 4 x 99,637.30 x 8% / 365: the dear part is given back already.
    assert second.refund_journal.entries.get(account__role=Role.INTEREST_INCOME).amount_atoms == 87_35
    assert audit.run().findings == ()


REFUSED = (
    ("0", "0", "2026-03-27", "nothing_settled"),
    ("8001", "160000.00", "2026-03-27", "more_than_outstanding"),
    ("8000", "160000.01", "2026-03-27", "more_than_outstanding"),
    ("0.5", "10.00", "2026-03-27", "inexact"),
    ("1", "20.001", "2026-03-27", "inexact"),
    ("1", "NaN", "2026-03-27", "inexact"),
    ("-1", "20.00", "2026-03-27", "below_minimum"),
    ("8000", "160000.00", "2026-03-26", "not_yet_due"),
    ("8000", "160000.00", "2026-03-28", "not_a_settlement_day"),
    ("8000", "160000.00", "2026-03-31", "from_the_future"),
)


def test_a_report_that_cannot_be_is_refused(sold):
    for quantity, money, day, code in REFUSED:
        with at("2026-03-30 09:00"), pytest.raises(Invalid) as refusal:
            report(quantity, money, day)
        assert refusal.value.reason == code
    assert not SettlementReport.objects.exists()


FILE = """instruction,outcome,quantity,money,settled_on,reference,reason
{0},settled,3000,60000.00,2026-03-27,CCASS-1,
{0},settled,3000,60000.00,2026-03-27,CCASS-1,
{0},settled,5000,1E5,2026-03-27,CCASS-2,
{0},failed,,,2026-03-27,CCASS-3,short at the custodian
SI-none,settled,1,1,2026-03-27,CCASS-4,
{0},gone,1,1,2026-03-27,CCASS-5,
{0},settled,1,1,27/3/2026,CCASS-6,
"""


def test_a_file_of_reports_is_taken_in_line_by_line(sold):
    with at("2026-03-27 17:00"):
        lines = FILE.format(the_instruction().reference).splitlines(keepends=True)
        told = import_reports(read_reports(lines), brokers=[sold.broker], actor="clearing")
        assert (told.booked, told.known) == (2, 1)
        assert [(error.line, error.code) for error in told.errors] == [
            (4, "inexact"),
            (6, "unknown_instruction"),
            (7, "invalid"),
            (8, "NOT_A_DATE"),
        ]
        [head, line] = "".join(csv_lines(SettlementInstruction.objects.all())).splitlines()
    assert head.split(",")[:4] == ["\ufeffinstruction", "client", "asset", "status"]
    assert line.startswith(
        f"{the_instruction().reference},C002,00005,failed,8000,3000,160000.00,60000.00,HKD,"
    )


def test_a_report_is_told_twice_and_kept_once(sold):
    with at("2026-03-27 17:00"):
        first = report("3000", "60000.00", "2026-03-27")
        assert report("3000", "60000.00", "2026-03-27") == first
        with pytest.raises(KeyReused):
            report("3001", "60000.00", "2026-03-27")
        report("5000", "100000.00", "2026-03-27", "CCASS-2")
        with pytest.raises(Conflict):
            report("1", "20.00", "2026-03-27", "CCASS-3")
    assert held(sold, OWED) == 0


def test_raw_sql_settles_no_more_than_was_reported(sold):
    with at("2026-03-27 17:00"):
        report("3000", "60000.00", "2026-03-27")
    for statement, wall in (
        ("UPDATE margin_settlementinstruction SET settled_quantity = 4000", "says other than its reports"),
        ("UPDATE margin_settlementinstruction SET status = 'settled'", "status_tells"),
        ("UPDATE margin_settlementinstruction SET quantity = 9000", "does not change"),
        ("UPDATE margin_settlementinstruction SET status = 'pending'", "may not go from|status_tells"),
        ("DELETE FROM margin_settlementinstruction", "append-only"),
        ("UPDATE margin_settlementreport SET quantity = 8000", "append-only"),
        (
            "INSERT INTO margin_settlementreport (instruction_id, number, reference, outcome, quantity, delivered, money,"
            " net, settled_on, reason, source, actor, reported_at, journal_id) SELECT instruction_id, 2, 'x', outcome,"
            " 5001, 5001, 1, 1, settled_on, '', source, actor, reported_at,"
            " (SELECT trade_journal_id FROM margin_fill) FROM margin_settlementreport",
            "would exceed",
        ),
        (
            "INSERT INTO margin_settlementreport (instruction_id, number, reference, outcome, quantity, delivered, money,"
            " net, settled_on, reason, source, actor, reported_at) SELECT instruction_id, 3, 'x', 'failed',"
            " 0, 0, 0, 0, settled_on, 'why', source, actor, reported_at FROM margin_settlementreport",
            "follows on",
        ),
    ):
        with pytest.raises(IntegrityError, match=wall), transaction.atomic():
            sql(statement)


def test_damage_to_what_settled_is_found(sold):
    with at("2026-03-27 17:00"):
        report("3000", "60000.00", "2026-03-27")
    without_law("UPDATE margin_settlementinstruction SET settled_quantity = 3001")
    found = {(f.check, f.subject) for f in audit.run().findings}
    reference = the_instruction().reference
    assert found == {
        ("margin.instructions_add_up", f"instruction {reference}"),
        ("margin.unsettled_shares_are_instructed", "book HARBOUR asset 00005"),
    }
    without_law(
        "UPDATE margin_settlementinstruction SET settled_quantity = 3000, settled_money = 60001",
        "UPDATE margin_settlementreport SET money = 60001",
    )
    found = {(f.check, f.subject) for f in audit.run().findings}
    assert found == {
        ("margin.instructions_add_up", f"settlement report {SettlementReport.objects.get().pk}"),
        ("margin.unsettled_money_is_in_fills", "book HARBOUR"),
    }

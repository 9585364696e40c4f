"""Haircuts are proposed by one, approved by another and take effect on a day; no past value ever moves."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from collateral.haircuts import (
    approve_haircut,
    haircuts_on,
    import_haircuts,
    propose_haircut,
    reject_haircut,
)
from collateral.models import EntityType, Instrument, LendingHaircut, Product
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event

from .market import at

pytestmark = pytest.mark.django_db

TODAY = "2026-03-09 09:00"


def test_a_haircut_counts_from_its_day_once_a_second_person_approved_it(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    with at(TODAY):
        first = propose_haircut(
            asset="00005", haircut="0.30", valid_from=date(2026, 1, 1), maker=wong, reason="New"
        )
        assert haircuts_on(date(2026, 3, 9)) == {}
        approve_haircut(first, checker=lee)
        second = propose_haircut(asset=hsbc.asset, haircut="0.35", valid_from=date(2026, 3, 10), maker=wong)
        approve_haircut(second, checker=lee)
        waiting = propose_haircut(asset=hsbc.asset, haircut="0.40", valid_from=date(2026, 3, 10), maker=wong)

    assert haircuts_on(date(2025, 12, 31)) == {}
    assert haircuts_on(date(2026, 3, 9)) == {hsbc.pk: first}
    assert haircuts_on(date(2026, 3, 10)) == {hsbc.pk: second}
    assert haircuts_on(date(2026, 3, 10))[hsbc.pk].margin_ratio == Decimal("0.65")
    assert haircuts_on(date(2026, 3, 10), product=Product.PERPETUAL) == {}
    assert haircuts_on(date(2026, 3, 10), entity_type=EntityType.REGISTERED_INSTITUTION) == {}
    assert waiting.approval == "proposed"
    topics = Event.objects.filter(topic__startswith="collateral.haircut.").order_by("id")
    assert list(topics.values_list("topic", "actor"))[:2] == [
        ("collateral.haircut.proposed", "wong"),
        ("collateral.haircut.approved", "lee"),
    ]


def test_the_maker_may_not_be_the_checker_and_a_decision_stands(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    with at(TODAY):
        proposal = propose_haircut(asset="00005", haircut="0.30", valid_from=date(2026, 3, 9), maker=wong)
        with pytest.raises(Forbidden) as own:
            approve_haircut(proposal, checker=wong)
        assert own.value.reason == "maker_is_checker"
        with pytest.raises(Invalid) as silent:
            reject_haircut(proposal, checker=lee, reason="")
        assert silent.value.reason == "reason_required"
        reject_haircut(proposal, checker=lee, reason="Too low")
        with pytest.raises(Conflict) as late:
            approve_haircut(proposal, checker=lee)
        assert late.value.reason == "already_decided"


def test_a_day_has_one_haircut_and_one_proposal_of_a_kind(hsbc: Instrument, wong: User, lee: User) -> None:
    with at(TODAY):
        first = propose_haircut(asset="00005", haircut="0.30", valid_from=date(2026, 3, 9), maker=wong)
        with pytest.raises(Conflict) as twice:
            propose_haircut(asset="00005", haircut="0.3000", valid_from=date(2026, 3, 9), maker=lee)
        assert twice.value.reason == "already_proposed"
        second = propose_haircut(asset="00005", haircut="0.31", valid_from=date(2026, 3, 9), maker=wong)
        approve_haircut(first, checker=lee)
        with pytest.raises(Conflict) as taken:
            approve_haircut(second, checker=lee)
        assert taken.value.reason == "already_effective"


def test_a_past_valuation_replays_because_no_haircut_reaches_back(
    hsbc: Instrument, wong: User, lee: User
) -> None:
    with at(TODAY):
        first = propose_haircut(asset="00005", haircut="0.30", valid_from=date(2026, 1, 1), maker=wong)
        approve_haircut(first, checker=lee)
        with pytest.raises(Invalid) as back:
            propose_haircut(asset="00005", haircut="0.50", valid_from=date(2026, 3, 8), maker=wong)
        assert back.value.reason == "RETROACTIVE"
        slow = propose_haircut(asset="00005", haircut="0.50", valid_from=date(2026, 3, 10), maker=wong)
    with at("2026-03-11 09:00"):
        with pytest.raises(Invalid) as overtaken:
            approve_haircut(slow, checker=lee)
        assert overtaken.value.reason == "RETROACTIVE"
    assert LendingHaircut.objects.get(pk=slow.pk).approval == "proposed"


FILE = """\
asset,haircut,valid_from,reason
00005,0.30,2026-03-10,Review of March
BTC,0.599999,2026-03-10,
00005,30,2026-03-10,
00005,0.30,10/3/2026,
00005,0.30,2026-03-10,Twice
ETH,0.75,2026-03-10,
"""


def test_a_file_becomes_proposals_line_by_line(hsbc: Instrument, wong: User) -> None:
    with at(TODAY):
        done = import_haircuts(io.StringIO(FILE), maker=wong)
    assert [(error.line, error.code) for error in done.errors] == [
        (3, "BELOW_FLOOR"),
        (4, "OUT_OF_RANGE"),
        (5, "NOT_A_DATE"),
        (6, "already_proposed"),
    ]
    assert {line: row.asset.code for line, row in done.proposals.items()} == {2: "00005", 7: "ETH"}
    assert done.proposals[2].reason == "Review of March"
    assert LendingHaircut.objects.filter(approval="proposed", maker=wong).count() == 2
    assert haircuts_on(date(2026, 3, 10)) == {}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE collateral_lendinghaircut"
        " SET approval = 'approved', checker_id = maker_id, checked_at = now()",
        "UPDATE collateral_lendinghaircut SET approval = 'approved'",
        "UPDATE collateral_lendinghaircut"
        " SET approval = 'approved', maker_id = {lee}, checker_id = {wong}, checked_at = now()",
        "UPDATE collateral_lendinghaircut"
        " SET approval = 'approved', haircut = 0.10, checker_id = {lee}, checked_at = now()",
        "UPDATE collateral_lendinghaircut SET valid_from = '2021-01-01'",
        "DELETE FROM collateral_lendinghaircut",
        "TRUNCATE collateral_lendinghaircut",
    ],
    ids=["self-approval", "nobody", "another maker", "another haircut", "another day", "delete", "truncate"],
)
def test_raw_sql_approves_nothing_alone_and_changes_no_proposal(
    hsbc: Instrument, wong: User, lee: User, statement: str
) -> None:
    with at(TODAY):
        proposal = propose_haircut(asset="00005", haircut="0.30", valid_from=date(2026, 3, 9), maker=wong)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(wong=wong.pk, lee=lee.pk))
    assert LendingHaircut.objects.get(pk=proposal.pk).approval == "proposed"


def test_a_decided_haircut_is_not_changed_by_raw_sql(hsbc: Instrument, wong: User, lee: User) -> None:
    with at(TODAY):
        proposal = propose_haircut(asset="00005", haircut="0.30", valid_from=date(2026, 3, 9), maker=wong)
        approve_haircut(proposal, checker=lee)
    with (
        pytest.raises(DatabaseError, match="was decided"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE collateral_lendinghaircut SET approval = 'rejected'")

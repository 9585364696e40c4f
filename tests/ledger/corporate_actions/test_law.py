"""Raw SQL goes round the services of corporate actions and is refused. See `ledger/INVARIANTS.md`."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import Error, IntegrityError, connection, transaction

from ledger.corporate_actions.actions import carry_out
from ledger.corporate_actions.proposals import Terms, propose
from ledger.models import Asset, Book, CorporateAction, Entitlement
from tests.ledger.books import pledge, sql

from .issuers import CHAN, EX, announced, booked, on, person

pytestmark = pytest.mark.django_db

SPLIT = {"reference": "r", "kind": "split", "asset": "00700", "ex_on": EX, "ratio_new": 5, "ratio_old": 1}


@pytest.fixture
def tencent(book: Book) -> Book:
    booked(book, [pledge("p1", CHAN, "1200", "00700", "CCASS")])
    return book


@pytest.fixture
def split(tencent: Book) -> CorporateAction:
    """Proposed, and not decided."""
    return propose(terms=Terms(**SPLIT), maker=person("chow"))  # type: ignore[arg-type]


@pytest.fixture
def applied(tencent: Book) -> CorporateAction:
    action = announced(
        ratio_new=1, ratio_old=7, fraction_price="7.00", currency="HKD", pay_on=date(2026, 5, 4)
    )
    with on(EX):
        carry_out(action=action)
    return action


def refused(statement: str, *parameters: object) -> str:
    # Checks that wait for the commit would refuse a statement before the law does.
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(Error) as error, transaction.atomic():
        sql(statement, *parameters)
    return str(error.value)


def inserted(**columns: object) -> str:
    """Try to insert an action by hand and return what PostgreSQL said."""
    values = {
        "reference": "raw",
        "kind": "split",
        "asset_id": Asset.objects.get(code="00700").pk,
        "ratio_new": 5,
        "ratio_old": 1,
        "ex_on": EX,
        "approval": "proposed",
        "maker_id": person("chow").pk,
        "made_at": "2026-03-01T09:00:00Z",
        "reason": "",
        "stage": "waiting",
    } | columns
    marks = ", ".join(["%s"] * len(values))
    return refused(
        f"INSERT INTO ledger_corporateaction ({', '.join(values)}) VALUES ({marks})", *values.values()
    )


@pytest.mark.parametrize(
    "change",
    [
        "checker_id = maker_id, checked_at = now(), approval = 'approved'",
        "approval = 'approved'",
        "checked_at = now(), approval = 'rejected'",
    ],
)
def test_l30_the_maker_of_an_action_is_never_its_checker(split: CorporateAction, change: str) -> None:
    said = refused(f"UPDATE ledger_corporateaction SET {change} WHERE id = %s", split.pk)
    assert "maker_is_not_checker" in said or "decided_by_a_checker" in said


@pytest.mark.parametrize(
    "terms",
    [
        {"ratio_new": 0},
        {"ratio_old": 0},
        {"ratio_new": -5},
        {"ratio_old": None},
        {"ratio_new": 1_000_001},
        {"ratio_new": 3, "ratio_old": 3},
        {"amount": "2.40"},
        {"record_on": "2026-04-08"},
        {"kind": "rights"},
        {"kind": "bonus"},
        {"kind": "cash_dividend"},
        {
            "kind": "cash_dividend",
            "ratio_new": None,
            "ratio_old": None,
            "amount": "0",
            "pay_on": "2026-05-04",
        },
        {"fraction_price": "51.25"},
    ],
)
def test_l30_terms_that_are_not_those_of_a_kind(tencent: Book, terms: dict[str, object]) -> None:
    said = inserted(**terms)
    assert any(rule in said for rule in ("terms_of_its_kind", "fractions_are_paid_for", "ratio_new_check"))


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e-19", "1e20"])
def test_l30_a_price_that_is_no_exact_number(tencent: Book, price: str) -> None:
    money = Asset.objects.get(code="HKD").pk
    said = inserted(fraction_price=price, currency_id=money, pay_on="2026-05-04")
    assert "fraction_price" in said


def test_l30_days_that_do_not_follow(tencent: Book) -> None:
    days = {"kind": "bonus", "record_on": "2026-04-08", "pay_on": "2026-04-20"}

    assert "days_follow" in inserted(**days | {"ex_on": "2026-04-09"})
    assert "days_follow" in inserted(**days | {"pay_on": "2026-04-07"})


def test_l30_shares_of_money_and_money_of_shares(tencent: Book) -> None:
    money, stock = Asset.objects.get(code="HKD").pk, Asset.objects.get(code="00700").pk
    paid = {"fraction_price": "1", "pay_on": "2026-05-04"}

    for terms in (
        {"asset_id": money},
        {"currency_id": stock} | paid,
        {"kind": "bonus", "record_on": EX, "pay_on": EX, "other_asset_id": stock},
        {"kind": "bonus", "record_on": EX, "pay_on": EX, "other_asset_id": money},
    ):
        assert "shares are given for shares" in inserted(**terms)
    assert "fractions_are_paid_for" in inserted(currency_id=money)


def test_l30_an_announcement_carried_out_twice(split: CorporateAction) -> None:
    assert "reference_once" in inserted(reference=split.reference)


def test_l30_an_action_that_begins_as_applied(tencent: Book) -> None:
    decided = {"approval": "approved", "checker_id": person("ng").pk, "checked_at": "2026-03-01T10:00:00Z"}
    said = inserted(**decided | {"stage": "applied", "applied_at": "2026-04-02T00:00:00Z"})
    assert "has not been carried out" in said


@pytest.mark.parametrize(
    "change", ["ratio_new = 6", "ex_on = '2026-04-03'", "reference = 'other'", "reason = 'x'", "asset_id = 1"]
)
def test_l30_terms_changed_before_and_after_the_decision(split: CorporateAction, change: str) -> None:
    decision = "approval = 'approved', checked_at = now(), checker_id = %s"

    assert "decided as it stands" in refused(f"UPDATE ledger_corporateaction SET {change}")
    assert "decided as it stands" in refused(
        f"UPDATE ledger_corporateaction SET {change}, {decision}", person("ng").pk
    )


def test_l30_a_decision_taken_back(applied: CorporateAction) -> None:
    said = refused("UPDATE ledger_corporateaction SET approval = 'rejected' WHERE id = %s", applied.pk)
    assert "was decided and does not change" in said


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("stage = 'waiting', applied_at = NULL", "may not go from applied to waiting"),
        ("applied_at = now()", "may not go from applied to applied"),
        ("stage = 'completed', completed_at = now()", "still owes somebody"),
        (
            "stage = 'completed', completed_at = now(), applied_at = now()",
            "may not go from applied to completed",
        ),
    ],
)
def test_l30_an_action_goes_forward_and_owes_nobody_at_its_end(
    applied: CorporateAction, change: str, rule: str
) -> None:
    assert rule in refused(f"UPDATE ledger_corporateaction SET {change} WHERE id = %s", applied.pk)


def test_l30_an_unapproved_action_applied(split: CorporateAction) -> None:
    said = refused("UPDATE ledger_corporateaction SET stage = 'applied', applied_at = now()")
    assert "applied_when_approved" in said


@pytest.mark.parametrize("table", ["ledger_entitlement", "ledger_corporateaction"])
def test_l31_nothing_is_deleted(applied: CorporateAction, table: str) -> None:
    assert "append-only" in refused(f"DELETE FROM {table}")
    assert "append-only" in refused(f"TRUNCATE {table} CASCADE")


def test_l31_nobody_is_entitled_by_an_action_that_is_not_being_applied(
    applied: CorporateAction, split_of_hsbc: CorporateAction
) -> None:
    row = (
        "INSERT INTO ledger_entitlement (action_id, account_id, holding_atoms, entitled_atoms, change_atoms,"
        " fraction_numerator, fraction_denominator, cash_atoms, status, held_up_by)"
        " SELECT %s, account_id, 1, 5, 4, 0, 1, 0, %s, '' FROM ledger_balance LIMIT 1"
    )
    assert "is entitled to nothing more" in refused(row, split_of_hsbc.pk, "pending")
    sql(
        f"UPDATE ledger_corporateaction SET approval = 'approved', checked_at = now(), checker_id = {person('ng').pk}"
        f" WHERE id = {split_of_hsbc.pk}"
    )
    assert "is entitled to nothing more" in refused(row, split_of_hsbc.pk, "booked")
    assert "once" in refused(row, applied.pk, "pending") or "nothing more" in refused(
        row, applied.pk, "pending"
    )


@pytest.fixture
def split_of_hsbc(tencent: Book) -> CorporateAction:
    Asset.objects.create(code="00005", name="HSBC", kind=Asset.Kind.SECURITY, scale=0, is_located=True)
    return propose(terms=Terms(**SPLIT | {"reference": "h", "asset": "00005"}), maker=person("chow"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        "entitled_atoms = entitled_atoms + 1",
        "holding_atoms = holding_atoms + 1",
        "cash_atoms = 0",
        "fraction_denominator = 9",
        "change_atoms = 0",
        "status = 'pending', journal_id = NULL",
        "journal_id = gen_random_uuid()",
        "account_id = account_id + 1",
    ],
)
def test_l31_what_was_written_down_stays(applied: CorporateAction, change: str) -> None:
    said = refused(f"UPDATE ledger_entitlement SET {change} WHERE cash_atoms > 0")
    assert "as it was written" in said


def test_l31_the_law_lets_the_services_do_their_work(applied: CorporateAction) -> None:
    """So that the refusals above mean something."""
    assert Entitlement.objects.filter(action=applied, status="booked", cash_atoms__gt=0).count() == 2
    with on(date(2026, 5, 4)):
        assert carry_out(action=applied).stage == "completed"
    assert connection.connection is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        CorporateAction.objects.filter(pk=applied.pk).delete()

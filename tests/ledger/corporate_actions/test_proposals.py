"""What is no announcement is refused in words, with the field at fault, before anybody may approve it."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event
from ledger.corporate_actions.actions import carry_out
from ledger.corporate_actions.proposals import Terms, approve, propose, reject
from ledger.models import Asset, Book, CorporateAction

from .issuers import EX, on, person

pytestmark = pytest.mark.django_db

SPLIT = {"ratio_new": 5, "ratio_old": 1}
PAID = {"record_on": date(2026, 4, 8), "pay_on": date(2026, 4, 20)}
BONUS = {"kind": "bonus", "ratio_new": 1, "ratio_old": 20} | PAID
DIVIDEND = {"kind": "cash_dividend", "amount": "2.40", "currency": "HKD"} | PAID


def terms(**changes: object) -> Terms:
    values = {"reference": "2026-0402", "kind": "split", "asset": "00700", "ex_on": EX} | changes
    return Terms(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("of_its_kind", [SPLIT, BONUS, DIVIDEND])
def test_a_proposal_has_no_effect_until_somebody_else_approves(
    book: Book, of_its_kind: dict[str, object]
) -> None:
    action = propose(terms=terms(**of_its_kind), maker=person("chow"))

    with on(date(2026, 5, 1)), pytest.raises(Conflict) as waits:
        carry_out(action=action)
    with pytest.raises(Forbidden) as refused:
        approve(action, checker=person("chow"))
    approve(action, checker=person("ng"))

    assert waits.value.reason == "not_approved"
    assert refused.value.reason == "maker_is_checker"
    topics = Event.objects.filter(subject_id=str(action.pk)).values_list("topic", flat=True)
    assert set(topics) == {"ledger.corporate_action.proposed", "ledger.corporate_action.approved"}


def test_a_rejected_announcement_may_be_proposed_anew(book: Book) -> None:
    wrong = propose(terms=terms(ratio_new=50, ratio_old=1), maker=person("chow"))
    with pytest.raises(Conflict) as twice:
        propose(terms=terms(**SPLIT), maker=person("chow"))
    reject(wrong, checker=person("ng"), reason="Five, not fifty")

    again = propose(terms=terms(**SPLIT), maker=person("chow"))

    assert twice.value.reason == "already_proposed"
    assert CorporateAction.objects.get(pk=again.pk).ratio_new == 5
    with pytest.raises(Conflict):
        carry_out(action=wrong)


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        (SPLIT | {"reference": " "}, "reference", "reference_required"),
        (SPLIT | {"kind": "rights"}, "kind", "unknown_kind"),
        (SPLIT | {"asset": "99999"}, "asset", "unknown_asset"),
        (SPLIT | {"asset": "HKD"}, "asset", "asset_without_place"),
        (SPLIT | {"location": "NOWHERE"}, "location", "unknown_location"),
        (SPLIT | {"ratio_new": 0}, "ratio_new", "invalid_ratio"),
        (SPLIT | {"ratio_new": 1}, "ratio_new", "invalid_ratio"),
        ({"ratio_new": 5}, "ratio_old", "required"),
        (SPLIT | {"amount": "2.40"}, "amount", "not_of_this_kind"),
        (SPLIT | {"record_on": EX}, "record_on", "not_of_this_kind"),
        (SPLIT | {"currency": "HKD"}, "currency", "not_of_this_kind"),
        (SPLIT | {"fraction_price": "51.25", "pay_on": EX}, "currency", "required"),
        (SPLIT | {"fraction_price": "51.25", "pay_on": EX, "currency": "00700"}, "currency", "not_money"),
        (SPLIT | {"fraction_price": "-1", "pay_on": EX, "currency": "HKD"}, "fraction_price", "not_positive"),
        (SPLIT | {"fraction_price": "NaN", "pay_on": EX, "currency": "HKD"}, "fraction_price", "inexact"),
        (BONUS | {"other_asset": "00700"}, "other_asset", "same_asset"),
        (BONUS | {"other_asset": "HKD"}, "other_asset", "asset_without_place"),
        (BONUS | {"record_on": date(2026, 4, 1)}, "record_on", "days_out_of_order"),
        (BONUS | {"pay_on": date(2026, 4, 7)}, "pay_on", "days_out_of_order"),
        (DIVIDEND | {"amount": "0"}, "amount", "not_positive"),
        (DIVIDEND | {"amount": "1e400"}, "amount", "inexact"),
        (DIVIDEND | {"amount": "-0"}, "amount", "inexact"),
        (DIVIDEND | {"amount": 2.4}, "amount", "inexact"),
        (DIVIDEND | {"amount": "0.1234567890123456789"}, "amount", "inexact"),
        (DIVIDEND | {"amount": "100000000000000000000"}, "amount", "inexact"),
        (DIVIDEND | {"amount": None}, "amount", "required"),
        (DIVIDEND | {"ratio_new": 1}, "ratio_new", "not_of_this_kind"),
        (DIVIDEND | {"pay_on": None}, "pay_on", "required"),
    ],
)
def test_what_is_no_announcement(book: Book, changes: dict[str, object], field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        propose(terms=terms(**changes), maker=person("chow"))

    assert (refused.value.field, refused.value.reason) == (field, code)
    assert not CorporateAction.objects.exists()


def test_what_the_words_accept_the_database_accepts(book: Book) -> None:
    other = Asset.objects.create(
        code="02999", name="Warrants", kind=Asset.Kind.SECURITY, scale=0, is_located=True
    )
    cash = {"fraction_price": "0.000000000000000001", "currency": "USD", "pay_on": date(2026, 4, 20)}
    for number, changes in enumerate(
        (
            SPLIT,
            SPLIT | cash | {"location": "VAULT"},
            BONUS | {"other_asset": other.code},
            BONUS | cash,
            DIVIDEND | {"amount": "99999999999999999999.999999999999999999", "record_on": EX, "pay_on": EX},
            SPLIT | {"ratio_new": 1_000_000, "ratio_old": 999_999, "asset": "BTC"},
        )
    ):
        propose(terms=terms(**changes | {"reference": f"r{number}"}), maker=person("chow"))
    assert CorporateAction.objects.count() == 6

"""Maker and checker, told with a change of Bitcoin's haircut."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import Error, connection, transaction

from collateral.models import LendingHaircut
from ledger.core import approvals, clock
from ledger.core.errors import Conflict, Forbidden, Invalid, Refusal
from ledger.core.models import Event
from ledger.models import Asset

NOON = datetime(2022, 5, 12, 4, tzinfo=UTC)


@pytest.fixture
def lam(db: None) -> Any:
    return get_user_model().objects.create_user("lam")


@pytest.fixture
def wong(db: None) -> Any:
    return get_user_model().objects.create_user("wong")


@pytest.fixture
def proposal(lam: Any) -> LendingHaircut:
    haircut = LendingHaircut(
        asset=Asset.objects.get(code="BTC"),
        haircut=Decimal("0.70"),
        valid_from=date(2022, 5, 13),
        reason="Volatility",
    )
    with clock.override(NOON):
        return approvals.propose(haircut, maker=lam, topic="collateral.haircut.proposed")


def test_a_proposal_has_a_maker_and_no_effect_yet(proposal: LendingHaircut, lam: Any) -> None:
    assert (proposal.approval, proposal.maker, proposal.made_at) == ("proposed", lam, NOON)
    event = Event.objects.get(topic="collateral.haircut.proposed")
    assert (event.subject_id, event.actor, event.reason) == (str(proposal.pk), "lam", "Volatility")


def test_somebody_else_approves_it(proposal: LendingHaircut, wong: Any) -> None:
    with clock.override(NOON):
        approved = approvals.approve(proposal, checker=wong, topic="collateral.haircut.approved")

    assert (approved.approval, approved.checker, approved.checked_at) == ("approved", wong, NOON)
    assert Event.objects.get(topic="collateral.haircut.approved").actor == "wong"


def test_the_maker_is_refused(proposal: LendingHaircut, lam: Any) -> None:
    for decide in (
        lambda: approvals.approve(proposal, checker=lam, topic="collateral.haircut.approved"),
        lambda: approvals.reject(proposal, checker=lam, topic="collateral.haircut.rejected", reason="No"),
    ):
        with pytest.raises(Forbidden, match="maker may not be the checker") as refused:
            decide()
        assert (refused.value.reason, refused.value.status) == ("maker_is_checker", 403)

    proposal.refresh_from_db()
    assert proposal.approval == "proposed"


def test_a_rejection_keeps_its_reason(proposal: LendingHaircut, wong: Any) -> None:
    with pytest.raises(Invalid) as refused:
        approvals.reject(proposal, checker=wong, topic="collateral.haircut.rejected", reason=" ")
    assert refused.value.reason == "reason_required"

    rejected = approvals.reject(proposal, checker=wong, topic="collateral.haircut.rejected", reason="Too low")

    assert rejected.approval == "rejected"
    assert Event.objects.get(topic="collateral.haircut.rejected").reason == "Too low"


def test_what_was_decided_stays_decided(proposal: LendingHaircut, wong: Any) -> None:
    approvals.approve(proposal, checker=wong, topic="collateral.haircut.approved")

    with pytest.raises(Conflict, match="already Approved") as refused:
        approvals.reject(proposal, checker=wong, topic="collateral.haircut.rejected", reason="No")

    assert refused.value.reason == "already_decided"


@pytest.mark.parametrize(
    "change",
    [
        "checker_id = maker_id, checked_at = now(), approval = 'approved'",
        "approval = 'approved'",
        "checked_at = now(), approval = 'rejected'",
    ],
)
def test_raw_sql_cannot_approve_for_the_maker_or_for_nobody(proposal: LendingHaircut, change: str) -> None:
    statement = f"UPDATE collateral_lendinghaircut SET {change} WHERE id = %s"

    with (
        connection.cursor() as cursor,
        pytest.raises(Error, match=r"maker_is_not_checker|decided_by_a_checker"),
        transaction.atomic(),
    ):
        cursor.execute(statement, [proposal.pk])


@pytest.mark.django_db(transaction=True)
def test_of_two_checkers_at_once_one_decides(proposal: LendingHaircut) -> None:
    checkers = [get_user_model().objects.create_user(f"checker{n}") for n in range(2)]
    at_once = Barrier(2)

    def decide(checker: Any) -> str:
        try:
            at_once.wait()
            approvals.approve(proposal, checker=checker, topic="collateral.haircut.approved")
        except Refusal as refusal:
            return refusal.reason
        finally:
            connection.close()
        return "approved"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(decide, checkers))

    assert outcomes == ["already_decided", "approved"]
    assert Event.objects.filter(topic="collateral.haircut.approved").count() == 1

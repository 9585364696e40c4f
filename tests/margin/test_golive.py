"""A firm lends nothing before two people have let it go live, and nobody can while something is missing."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from ledger.core.errors import Conflict, Forbidden
from ledger.models import Location
from margin.brokers import open_broker
from margin.credit import CreditRefused
from margin.golive import approve_launch, propose_launch, readiness
from margin.models import Broker, Launch, LoanMovement
from tests.builders import D, World, at, harbour, launch, margin_policy, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def peak() -> Broker:
    harbour()
    return open_broker(
        code="PEAK",
        name="Peak Securities",
        clearing_location=Location.objects.get(code="CCASS"),
        commission_rate=D("0.0025"),
        commission_minimum=D("100.00"),
        virtual_asset_fee_rate=D("0.002"),
        actor="wong",
    )


def missing(broker: Broker) -> list[str]:
    return [requirement.code for requirement in readiness(broker) if not requirement.is_met]


def test_what_is_missing_is_named_and_going_live_waits_for_it(peak):
    with at("2026-03-23 09:00"):
        assert missing(peak) == ["policy", "security_deadline"]
        with pytest.raises(Conflict) as refusal:
            propose_launch(broker=peak, maker=user("wong"))
        assert refusal.value.reason == "not_ready"
        assert refusal.value.details["missing"] == ["policy", "security_deadline"]
        margin_policy(peak)
        assert missing(peak) == []
        proposed = propose_launch(broker=peak, maker=user("wong"))
        with pytest.raises(Forbidden):
            approve_launch(proposed, checker=user("wong"))
        approve_launch(proposed, checker=user("lee"))
        with pytest.raises(Conflict) as again:
            propose_launch(broker=peak, maker=user("wong"))
        assert again.value.reason == "already_live"
    peak.refresh_from_db()
    assert peak.went_live_at is not None


def test_what_lapsed_since_the_proposal_stops_the_approval(peak):
    with at("2026-03-23 09:00"):
        margin_policy(peak)
        proposed = propose_launch(broker=peak, maker=user("wong"))
    with at("2027-12-15 09:00"):
        assert missing(peak) == ["calendar"]
        with pytest.raises(Conflict):
            approve_launch(proposed, checker=user("lee"))
    assert Launch.objects.get(pk=proposed.pk).approval == "proposed"


def test_nothing_is_lent_before_in_words_and_in_the_database(peak):
    world = World(peak)
    with at("2026-03-23 09:00"):
        margin_policy(peak)
        world.price("00005", "100.00", "2026-03-23 08:59")
        from margin.rate_plans import add_rate_plan

        add_rate_plan(
            broker=peak,
            name="Standard",
            valid_from="2026-01-01",
            rate_per_annum=D("0.08"),
            excess_rate_per_annum=D("0.08"),
            actor="wong",
        )
        lam = world.client("C001", "Lam", may_borrow_on_coins=False)
        world.pledge(lam, s00005="8000")
        with pytest.raises(CreditRefused) as refusal:
            world.draw(lam, "1000.00", purpose="securities")
        assert refusal.value.reason == "firm_not_live"
        launch(peak)
        lam.refresh_from_db()
        world.draw(lam, "1000.00", purpose="securities")

    assert LoanMovement.objects.filter(facility=lam).count() == 1
    with pytest.raises(IntegrityError, match="may not go live"), transaction.atomic():
        sql("UPDATE margin_broker SET went_live_at = NULL WHERE code = 'PEAK'")


def test_no_way_round_by_hand(peak):
    with pytest.raises(IntegrityError, match="may not go live"), transaction.atomic():
        sql("UPDATE margin_broker SET went_live_at = now() WHERE code = 'PEAK'")


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

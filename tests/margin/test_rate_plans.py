"""Rates of a plan, from a day on."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.core.errors import Conflict
from ledger.core.models import Event
from margin.rate_plans import add_rate_plan
from tests.builders import D, World, harbour

pytestmark = pytest.mark.django_db


def add(world: World, valid_from: date) -> None:
    add_rate_plan(
        broker=world.broker,
        name="Standard",
        valid_from=valid_from,
        rate_per_annum=D("0.075"),
        excess_rate_per_annum=D("0.10"),
        actor="wong",
    )


def test_new_rates_stand_beside_the_old_ones():
    world = harbour()

    add(world, date(2026, 7, 1))

    rates = world.broker.rateplan_set.order_by("valid_from").values_list("rate_per_annum", flat=True)
    assert list(rates) == [D("0.08"), D("0.075")]
    assert Event.objects.get(topic="margin.rate_plan.added").actor == "wong"


def test_rates_of_a_day_are_given_once():
    world = harbour()
    add(world, date(2026, 7, 1))

    with pytest.raises(Conflict) as refused:
        add(world, date(2026, 7, 1))
    assert refused.value.reason == "rate_plan_exists"

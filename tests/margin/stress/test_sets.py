"""Scenario sets: two people, one version after the other, and nothing changed once decided."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from ledger.core.errors import Conflict, Forbidden, Invalid
from margin.models import ScenarioSet, StressScenario
from margin.stress.runs import run_stress
from margin.stress.sets import approve_set, kernel_scenario, propose_set, reject_set, set_on
from tests.api.conftest import peak_brokerage
from tests.builders import D, at, harbour, user
from tests.ledger.books import sql

from .firm import ALL, BANKS, PEG, V20, WORST, approved

pytestmark = pytest.mark.django_db


@pytest.fixture
def broker():
    with at("2026-04-01 09:00"):
        yield harbour().broker


def proposed(broker, *scenarios, day="2026-04-01"):
    return propose_set(
        broker=broker, valid_from=date.fromisoformat(day), scenarios=scenarios, maker=user("wong")
    )


def test_the_newest_approved_set_is_in_force_and_versions_count(broker):
    first = approved(broker, V20)
    later = approved(broker, *ALL, day="2026-05-01")
    proposed(broker, PEG, day="2026-04-15")

    assert [each.version for each in ScenarioSet.objects.order_by("pk")] == [1, 2, 3]
    assert set_on(broker, date(2026, 3, 31)) is None
    assert set_on(broker, date(2026, 4, 30)) == first
    assert set_on(broker, date(2026, 5, 1)) == later
    assert [row.number for row in later.scenarios.all()] == [1, 2, 3, 4, 5]


def test_a_row_becomes_factors(broker):
    rows = {row.code: row for row in approved(broker).scenarios.all()}

    v20 = kernel_scenario(rows["v20"])
    assert (v20.price_factor("00005", "security"), v20.price_factor("BTC", "virtual_asset")) == (
        D("0.80"),
        D("0.60"),
    )
    assert kernel_scenario(rows["pair"]).assets == {"00005": D("0.5"), "00700": D("0.5")}
    assert kernel_scenario(rows["worst"], named=["00700"]).assets == {"00700": D(0)}
    assert kernel_scenario(rows["peg"]).currencies == {"USD": D("0.90")}


def test_a_scenario_that_says_nothing_or_too_much_is_refused(broker):
    for scenario, problem, field in (
        (V20 | {"securities": D("-1.01")}, "from -1 to 10", ""),
        (V20 | {"securities": "0.1.2"}, "plain decimal", "scenarios.securities"),
        ({"code": "still", "kind": "other", "name": "Nothing"}, "moves something", ""),
        (PEG | {"currency_change": D(-1)}, "from -1 to 10", ""),
        (PEG | {"currency": "JPY"}, "no asset JPY", "scenarios.currency"),
        (PEG | {"currency": ""}, "says of which", ""),
        (BANKS | {"named": "00005 SHIB"}, "no asset SHIB", "scenarios.named"),
        (BANKS | {"named": ""}, "says of which", ""),
        (BANKS | {"named_change": None}, "moves something", ""),
        (V20 | {"code": "no spaces"}, "slug", "scenarios.code"),
        (V20 | {"name": ""}, "blank", "scenarios.name"),
    ):
        with pytest.raises(Invalid, match=problem) as refused:
            proposed(broker, scenario)
        assert refused.value.field == field
    assert not ScenarioSet.objects.exists()


def test_a_set_needs_two_people_a_scenario_and_a_day_to_come(broker):
    proposal = proposed(broker, V20)
    with pytest.raises(Forbidden):
        approve_set(proposal, checker=user("wong"))
    with pytest.raises(Conflict, match="no scenario"):
        approve_set(proposed(broker), checker=user("lee"))
    approve_set(proposal, checker=user("lee"))
    with pytest.raises(Conflict) as refused:
        approve_set(proposed(broker, WORST), checker=user("lee"))
    assert refused.value.reason == "already_effective"
    with pytest.raises(Invalid) as refused:
        proposed(broker, V20, day="2026-03-31")
    assert refused.value.reason == "RETROACTIVE"
    with pytest.raises(Invalid) as refused:
        proposed(broker, *[V20 | {"code": f"s{number}"} for number in range(51)])
    assert refused.value.reason == "too_many"
    turned_down = reject_set(proposed(broker, PEG), checker=user("lee"), reason="Too mild")
    assert turned_down.approval == "rejected"


def test_raw_sql_is_refused_what_the_service_refuses(broker):
    chosen = approved(broker, V20)
    waiting = proposed(broker)

    def refused(problem, command):
        with pytest.raises(DatabaseError, match=problem), transaction.atomic():
            command()

    late = StressScenario(parent=chosen, number=2, **PEG)
    strange = StressScenario(parent=waiting, number=1, **BANKS | {"named": "00005 SHIB"})
    still = StressScenario(parent=waiting, number=1, code="still", kind="other", name="Still")
    refused("takes no further scenario", late.save)
    refused("there is no such asset", strange.save)
    refused("moves_something", still.save)
    refused("append-only", lambda: sql("UPDATE margin_stressscenario SET securities = 0"))
    refused("append-only", lambda: sql("DELETE FROM margin_stressscenario"))
    refused("append-only", lambda: sql("DELETE FROM margin_scenarioset"))
    refused("decided once", lambda: ScenarioSet.objects.filter(pk=chosen.pk).update(version=9))
    refused(
        "has no scenario",
        lambda: ScenarioSet.objects.filter(pk=waiting.pk).update(
            approval="approved", checker=user("lee"), checked_at=waiting.made_at
        ),
    )


def test_a_run_takes_an_approved_set_of_its_own_firm(broker):
    peak = peak_brokerage()
    with pytest.raises(Conflict) as refused:
        run_stress(broker=broker)
    assert refused.value.reason == "no_scenario_set"
    for wrong in (approved(peak, V20), proposed(broker, V20)):
        with pytest.raises(IntegrityError, match="approved set of its own"), transaction.atomic():
            run_stress(broker=broker, scenario_set=wrong)

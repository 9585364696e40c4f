"""A risk officer proposes the usual scenarios, another approves and runs them, and both read what came out."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.urls import reverse

from margin.models import ScenarioSet, StressBreakEven, StressRun
from margin.stress.runs import run_stress
from tests.builders import at, v01
from tests.margin.stress.firm import stressed_firm

from .conftest import SitDown

pytestmark = pytest.mark.django_db

EVENING = "2026-04-02 16:30"


def filled_in(page: str) -> dict[str, str]:
    """What the browser would send of a form as it is shown."""
    values = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and "scenarios-" in name[1] and "__prefix__" not in name[1]:
            values[name[1]] = value[1] if value else ""
    for name, options in re.findall(r'<select[^>]*name="([^"]+)"(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options)
        if "scenarios-" in name and "__prefix__" not in name:
            values[name] = chosen[1] if chosen else ""
    return values


def test_the_usual_scenarios_are_filled_in_approved_and_run(sit_down: SitDown):
    world, _chan = v01()
    add = reverse("admin:margin_scenarioset_add")
    with at(EVENING):
        maker, checker = sit_down("mei"), sit_down("ho")
        form = filled_in(maker.get(add).content.decode())
        assert form["scenarios-0-code"] == "market-fall"
        form |= {"broker": str(world.broker.pk), "valid_from": "2026-04-02", "reason": "Risk committee"}
        wrong = maker.post(add, form | {"scenarios-0-named": "SHIB", "scenarios-0-named_change": "-1"})
        assert "There is no asset SHIB." in wrong.content.decode()
        without_the_last = form | {"scenarios-5-code": ""}
        assert maker.post(add, without_the_last).status_code == 302
        chosen = ScenarioSet.objects.get()
        assert [row.code for row in chosen.scenarios.all()] == [
            "market-fall",
            "market-crash",
            "coins-gap-30",
            "coins-gap-50",
            "worst-name",
        ]

        run = reverse("admin:margin_scenarioset_run_now", args=[chosen.pk])
        page = reverse("admin:margin_scenarioset_change", args=[chosen.pk])
        assert run not in checker.get(page).content.decode()
        checker.post(
            reverse("admin:margin_scenarioset_approve_proposal", args=[chosen.pk]), {"_form_submitted": "on"}
        )
        assert run in checker.get(page).content.decode()
        checker.post(run, {"_form_submitted": "on"})
    assert StressRun.objects.get().actor == "ho"


def test_a_run_shows_what_each_scenario_costs_and_where_accounts_break(sit_down: SitDown):
    world, _chosen = stressed_firm()
    with at(EVENING):
        run = run_stress(broker=world.broker)
        browser = sit_down("mei")
        page = browser.get(reverse("admin:margin_stressrun_change", args=[run.pk])).content.decode()
        account = StressBreakEven.objects.filter(facility__client__number="C001").first()
        of_account = browser.get(
            reverse("admin:margin_stressbreakeven_change", args=[account.pk])
        ).content.decode()
        facility = browser.get(
            reverse("admin:margin_facility_change", args=[account.facility_id])
        ).content.decode()

    assert "Stocks fall 20%, coins 40%" in page
    assert "securities -20.00%; virtual assets -40.00%" in page
    assert "00700 -100.00%" in page
    assert "489,708.00" in page
    assert "HKD 300,000.00" in page
    assert page.count('<canvas class="chart"') == 2
    assert "110,782.05" in of_account
    assert "110,782.05" in facility


def test_before_there_is_any_the_pages_say_what_to_do(sit_down: SitDown):
    browser = sit_down("mei")

    for model, words in (
        ("scenarioset", "Propose a set"),
        ("stressrun", "once a firm has an approved set of scenarios"),
        ("stressresult", "Each stress test writes"),
        ("stressbreakeven", "how far prices must fall"),
    ):
        page = browser.get(reverse(f"admin:margin_{model}_changelist")).content.decode()
        assert words in page
    assert StressRun in admin.site._registry

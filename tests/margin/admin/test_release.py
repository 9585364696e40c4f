"""Two people and one plan hash, on the page of a forced sale."""

from __future__ import annotations

import pytest
from django.urls import reverse

from margin.models import ForcedSale

from .conftest import PASSWORD, SitDown

pytestmark = pytest.mark.django_db


def address(sale: ForcedSale, button: str) -> str:
    return reverse(f"admin:margin_forcedsale_{button}", args=[sale.pk])


def page(sale: ForcedSale) -> str:
    return reverse("admin:margin_forcedsale_change", args=[sale.pk])


def press(browser, sale: ForcedSale, button: str, **fields: str) -> list[str]:
    """Send a button's dialog and return the messages on the page that it leads to."""
    answer = browser.post(address(sale, button), {"_form_submitted": "on", **fields})
    assert answer.headers.get("HX-Redirect") == page(sale), answer.content.decode()
    return [str(message) for message in browser.get(page(sale)).context["messages"]]


def release(browser, sale: ForcedSale, **fields: str) -> list[str]:
    return press(
        browser, sale, "approve_release", **{"plan_hash": sale.plan_hash, "password": PASSWORD, **fields}
    )


def test_the_maker_is_refused_and_a_second_person_releases(planned, sit_down: SitDown):
    mei, kwok = sit_down("mei"), sit_down("kwok")

    assert press(mei, planned, "submit_for_release") == ["Submitted: a second person can release it now."]
    assert release(mei, planned) == ["The maker may not be the checker."]
    assert release(kwok, planned) == ["Released: the sale is being executed."]

    planned.refresh_from_db()
    assert planned.status == ForcedSale.Status.APPROVED
    assert planned.maker is not None
    assert planned.checker is not None
    assert (planned.maker.username, planned.checker.username) == ("mei", "kwok")


def test_another_plan_than_the_one_that_was_read_is_not_released(planned, sit_down: SitDown):
    mei, kwok = sit_down("mei"), sit_down("kwok")
    press(mei, planned, "submit_for_release")

    assert release(kwok, planned, plan_hash="0" * 64) == ["This is not the plan that awaits release."]
    planned.refresh_from_db()
    assert planned.status == ForcedSale.Status.SUBMITTED


def test_the_dialog_shows_the_plan_and_asks_for_the_password(planned, sit_down: SitDown):
    mei, kwok = sit_down("mei"), sit_down("kwok")
    press(mei, planned, "submit_for_release")

    dialog = kwok.get(address(planned, "approve_release")).content.decode()
    assert planned.plan_hash in dialog
    assert "0.39487306 BTC" in dialog

    again = kwok.post(
        address(planned, "approve_release"),
        {"_form_submitted": "on", "plan_hash": planned.plan_hash, "password": "a guess"},
    )
    assert "This is not your password." in again.content.decode()
    planned.refresh_from_db()
    assert planned.status == ForcedSale.Status.SUBMITTED


def test_a_rejection_keeps_its_reason_on_the_page(planned, sit_down: SitDown):
    mei, kwok = sit_down("mei"), sit_down("kwok")
    press(mei, planned, "submit_for_release")

    assert press(kwok, planned, "reject_release", reason="The client is paying today") == ["Rejected."]
    assert "The client is paying today" in kwok.get(page(planned)).content.decode()


def test_only_the_buttons_of_the_state_are_offered(planned, sit_down: SitDown):
    mei = sit_down("mei")
    before = mei.get(page(planned)).content.decode()
    press(mei, planned, "submit_for_release")
    after = mei.get(page(planned)).content.decode()

    assert address(planned, "submit_for_release") in before
    assert address(planned, "approve_release") not in before
    assert address(planned, "submit_for_release") not in after
    assert address(planned, "approve_release") in after


def test_without_the_permission_there_is_no_button_and_no_way_round(planned, sit_down: SitDown):
    clerk = sit_down("clerk", permissions=False)

    assert clerk.post(address(planned, "submit_for_release"), {"_form_submitted": "on"}).status_code == 403
    planned.refresh_from_db()
    assert planned.status == ForcedSale.Status.PLANNED

"""Buttons that move money, lend, open and stop: each calls its service once and shows what it refused."""

from __future__ import annotations

import pytest
from django.urls import reverse

from ledger.core.calendars import STATUTORY, get_calendar
from ledger.core.models import Event, SevereWeatherDay
from ledger.models import Journal, Location
from margin.brokers import find_api_key
from margin.models import (
    ApiKey,
    Broker,
    CallDecision,
    Client,
    Facility,
    Launch,
    MarginPolicy,
    Outage,
    RatePlan,
    Staff,
)
from margin.positions import position_of
from tests.builders import D, at, harbour, user, v01

from .conftest import SitDown

pytestmark = pytest.mark.django_db


def press(browser, model: str, button: str, row: object, **fields: str) -> list[str]:
    address = reverse(f"admin:margin_{model}_{button}", args=[row.pk])  # type: ignore[attr-defined]
    answer = browser.post(address, {"_form_submitted": "on", **fields})
    page = reverse(f"admin:margin_{model}_change", args=[row.pk])  # type: ignore[attr-defined]
    assert answer.headers.get("HX-Redirect") == page, answer.content.decode()
    return [str(message) for message in browser.get(page).context["messages"]]


def test_a_form_sent_twice_books_one_deposit(sit_down: SitDown):
    _world, chan = v01()
    browser = sit_down("mei")
    before = Journal.objects.count()

    for _click in range(2):
        fields = {"asset": "00005", "quantity": "1,200", "key": "one-form"}
        assert press(browser, "client", "deposit_collateral", chan.client, **fields) == ["Deposit booked."]

    assert Journal.objects.count() == before + 1
    assert position_of(chan).pledged["00005"] == D("9200")


def test_each_dialog_carries_a_key_of_its_own(sit_down: SitDown):
    _world, chan = v01()
    browser = sit_down("mei")
    address = reverse("admin:margin_facility_draw_down", args=[chan.pk])

    keys = {browser.get(address).content.decode().split('name="key" value="')[1][:36] for _visit in range(2)}
    assert len(keys) == 2


def test_what_a_service_refuses_is_said_on_the_page(sit_down: SitDown):
    _world, chan = v01()
    browser = sit_down("mei")

    said = press(browser, "client", "withdraw_cash", chan.client, currency="HKD", amount="5.00", key="k1")
    assert len(said) == 1
    assert "booked" not in said[0]

    said = press(browser, "facility", "take_repayment", chan, amount="1.00", key="k2")
    assert len(said) == 1
    assert "booked" not in said[0]


@pytest.mark.parametrize("amount", ["1e3", "NaN", "ten", "1.2.3"])
def test_a_number_that_is_not_plain_goes_no_further(sit_down: SitDown, amount: str):
    _world, chan = v01()
    browser = sit_down("mei")
    address = reverse("admin:margin_client_deposit_cash", args=[chan.client_id])

    shown = browser.post(address, {"_form_submitted": "on", "currency": "HKD", "amount": amount, "key": "k"})
    assert "Give a plain decimal number." in shown.content.decode()


def test_a_client_is_opened_with_a_facility_and_draws(sit_down: SitDown):
    world = harbour()
    browser = sit_down("mei")

    browser.post(
        reverse("admin:margin_client_add"),
        {
            "broker": world.broker.pk,
            "number": "C010",
            "name": "Lau Ka Wai",
            "kind": "individual",
            "language": "zh-hant",
            "email": "",
            "credit_review_due_on": "2030-01-01",
        },
    )
    browser.get(reverse("admin:margin_client_changelist"))
    lau = Client.objects.get(number="C010")
    assert Event.objects.filter(topic="margin.client.opened", actor="mei", subject_id=str(lau.pk)).exists()

    said = press(browser, "client", "open_facility", lau, credit_limit="2,000,000.00", rate_plan="Standard")
    assert said == ["Facility opened."]
    facility = Facility.objects.get(client=lau)
    assert facility.credit_limit.amount == D("2000000.00")
    assert press(browser, "client", "approve_virtual_assets", lau) == ["Approved."]

    said = press(browser, "facility", "draw_down", facility, amount="100.00", purpose="securities", key="k")
    assert said == ["This drawdown would be 100.00 beyond the effective limit."]


def test_a_taken_client_number_is_refused_in_words(sit_down: SitDown):
    _world, chan = v01()
    browser = sit_down("mei")

    answer = browser.post(
        reverse("admin:margin_client_add"),
        {
            "broker": chan.client.broker_id,
            "number": "C001",
            "name": "Another",
            "kind": "individual",
            "language": "en",
        },
    )
    assert Client.objects.count() == 1
    assert answer.status_code in (200, 302)


def test_an_api_key_shows_its_secret_once(sit_down: SitDown):
    world = harbour()
    browser = sit_down("mei")

    answer = browser.post(
        reverse("admin:margin_apikey_add"), {"broker": world.broker.pk, "label": "Order system"}
    )
    secret = answer.content.decode().split("data-secret>")[1].split("<")[0]
    key = ApiKey.objects.get()
    assert find_api_key(secret) == key
    assert "no-store" in answer.headers["Cache-Control"]

    page = browser.get(reverse("admin:margin_apikey_change", args=[key.pk])).content.decode()
    assert secret not in page
    assert not key.may_post_journals
    assert press(browser, "apikey", "permit", key) == ["The key was changed."]
    assert ApiKey.objects.get().may_post_journals
    assert press(browser, "apikey", "forbid", key) == ["The key was changed."]
    assert not ApiKey.objects.get().may_post_journals
    assert press(browser, "apikey", "revoke", key) == ["Revoked."]
    assert find_api_key(secret) is None


def test_the_kill_switch_needs_a_reason_and_tells_its_story(sit_down: SitDown):
    world = harbour()
    browser = sit_down("mei")

    assert press(browser, "broker", "stop_sales", world.broker, reason="Venue outage") == [
        "Forced sales are stopped."
    ]
    assert Broker.objects.get().are_forced_sales_stopped
    assert Event.objects.get(topic="margin.broker.sales_stopped").reason == "Venue outage"
    assert press(browser, "broker", "resume_sales", world.broker, reason="Venue is back") == [
        "Forced sales go on."
    ]
    assert not Broker.objects.get().are_forced_sales_stopped


def test_a_broker_is_opened_with_a_book_of_its_own(sit_down: SitDown):
    place = Location.objects.create(code="CCASS", name="CCASS", kind=Location.Kind.CCASS)
    browser = sit_down("mei")

    browser.post(
        reverse("admin:margin_broker_add"),
        {
            "code": "PEAK",
            "name": "Peak Brokers",
            "entity_type": "licensed_corporation",
            "clearing_location": place.pk,
            "commission_rate": "0.0025",
            "commission_minimum": "100.00",
            "virtual_asset_fee_rate": "0.002",
        },
    )
    assert Broker.objects.get().book.code == "PEAK"


def test_rate_plans_and_staff_are_written_down_with_who_did_it(sit_down: SitDown):
    world = harbour()
    browser = sit_down("mei")

    browser.post(
        reverse("admin:margin_rateplan_add"),
        {
            "broker": world.broker.pk,
            "name": "Preferred",
            "valid_from": "2026-01-01",
            "rate_per_annum": "0.06",
            "excess_rate_per_annum": "0.09",
        },
    )
    assert RatePlan.objects.get(name="Preferred").rate_per_annum == D("0.06")
    assert Event.objects.get(topic="margin.rate_plan.added").actor == "mei"

    browser.post(reverse("admin:margin_staff_add"), {"user": user("lee").pk, "broker": world.broker.pk})
    assert Staff.objects.get().broker == world.broker
    assert Event.objects.get(topic="margin.staff.assigned").payload["user"] == "lee"


def test_a_margin_policy_is_proposed_by_one_and_approved_by_another(sit_down: SitDown):
    world = harbour()
    mei, kwok = sit_down("mei"), sit_down("kwok")

    mei.post(
        reverse("admin:margin_marginpolicy_add"),
        {
            "broker": world.broker.pk,
            "valid_from": "2030-06-01",
            "warn_utilisation": "0.80",
            "call_utilisation": "1",
            "immediate_utilisation": "1.25",
            "target_utilisation": "0.95",
            "minimum_call_0": "1000.00",
            "minimum_call_1": "HKD",
            "deadline_business_days": "1",
            "deadline_cutoff": "15:00",
            "outage_grace_minutes": "120",
            "deadlines-TOTAL_FORMS": "1",
            "deadlines-INITIAL_FORMS": "0",
            "deadlines-0-secured_by": "virtual_assets",
            "deadlines-0-above_utilisation": "0",
            "deadlines-0-calendar": "ALWAYS",
            "deadlines-0-hours": "24",
            "automatic_release_limit_0": "0.00",
            "automatic_release_limit_1": "HKD",
            "price_band": "0.10",
            "securities_share_minimum": "0.20",
            "reason": "Closer to the edge",
        },
    )
    mei.get(reverse("admin:margin_marginpolicy_changelist"))
    policy = MarginPolicy.objects.get(valid_from="2030-06-01")
    assert policy.approval == MarginPolicy.Approval.PROPOSED
    assert [(tier.calendar, tier.hours) for tier in policy.deadlines.all()] == [("ALWAYS", 24)]

    assert press(mei, "marginpolicy", "approve_proposal", policy) == ["The maker may not be the checker."]
    assert press(kwok, "marginpolicy", "approve_proposal", policy) == ["Approved."]


def test_a_gale_day_is_declared_on_its_page_and_approved_by_another(sit_down: SitDown):
    harbour()
    mei, kwok = sit_down("mei"), sit_down("kwok")
    form = {"on": "2026-04-08", "warning": "gale", "reason": "Signal 8 from 10:40"}
    with at("2026-04-08 16:00"):
        weekend = mei.post(reverse("admin:core_severeweatherday_add"), form | {"on": "2026-04-05"})
        assert "This day is no business day as it is." in weekend.content.decode()
        mei.post(reverse("admin:core_severeweatherday_add"), form)
        gale = SevereWeatherDay.objects.get()
        for person, approval in ((mei, "proposed"), (kwok, "approved")):
            person.post(
                reverse("admin:core_severeweatherday_approve_proposal", args=[gale.pk]),
                {"_form_submitted": "on"},
            )
            gale.refresh_from_db()
            assert gale.approval == approval
        assert not get_calendar(STATUTORY).is_open(gale.on)


def test_going_live_shows_what_is_missing_and_an_outage_how_many_it_moved(sit_down: SitDown):
    world, _chan = v01()
    mei = sit_down("mei")
    page = mei.get(reverse("admin:margin_launch_change", args=[Launch.objects.get().pk])).content.decode()
    assert "A deadline for calls secured by virtual assets" in page
    with at("2026-04-08 16:00"):
        mei.post(
            reverse("admin:margin_outage_add"),
            {
                "broker": world.broker.pk,
                "what": "E-mail was down",
                "began_at_0": "2026-04-08",
                "began_at_1": "14:00",
                "ended_at_0": "2026-04-08",
                "ended_at_1": "15:30",
                "reason": "",
            },
        )
    outage = Outage.objects.get()
    assert (
        "E-mail was down" in mei.get(reverse("admin:margin_outage_change", args=[outage.pk])).content.decode()
    )


def test_a_waiver_is_proposed_from_the_page_of_its_call_and_decided_by_another(called, sit_down: SitDown):
    _world, call = called
    mei, kwok = sit_down("mei"), sit_down("kwok")
    with at("2026-04-02 16:40"):
        assert press(mei, "margincall", "acknowledge_call", call, by="Chan", channel="phone") == [
            "Acknowledged."
        ]
        page = mei.get(reverse("admin:margin_margincall_propose_decision", args=[call.pk]))
        assert page.headers["Location"].endswith(f"?call={call.pk}")
        form = {
            "call": call.pk,
            "kind": "waiver",
            "reason_code": "other",
            "amount": "",
            "expires_at_0": "2026-04-09",
            "expires_at_1": "12:00",
            "reason": "Rights issue under way",
            "risk_assessment": "",
        }
        unweighed = mei.post(reverse("admin:margin_calldecision_add"), form)
        assert "Say what may be lost meanwhile" in unweighed.content.decode()
        mei.post(reverse("admin:margin_calldecision_add"), form | {"risk_assessment": "Covered at -8%"})
        waiver = CallDecision.objects.get()
        mei.get(reverse("admin:margin_calldecision_changelist"))
        assert press(mei, "calldecision", "approve_proposal", waiver) == ["The maker may not be the checker."]
        assert press(kwok, "calldecision", "approve_proposal", waiver) == ["Approved."]
    call.refresh_from_db()
    assert call.status == "waived"
    assert (
        "Rights issue under way"
        in mei.get(reverse("admin:margin_margincall_change", args=[call.pk])).content.decode()
    )

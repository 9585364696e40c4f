"""Corporate actions in the back office: what is proposed, decided and carried out, and whom it gives what."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from ledger.admin import scope
from ledger.corporate_actions.actions import carry_out
from ledger.models import Asset, Book, CorporateAction
from tests.ledger.books import pledge

from .issuers import CHAN, EX, LEE, announced, booked, on, stand

pytestmark = pytest.mark.django_db

FORM = {
    "reference": "2026-0402",
    "kind": "split",
    "asset": "00700",
    "ratio_new": "1",
    "ratio_old": "10",
    "other_asset": "",
    "amount": "",
    "fraction_price": "51.25",
    "currency": "",
    "location": "",
    "ex_on": "2026-04-02",
    "record_on": "",
    "pay_on": "2026-04-20",
    "reason": "Announced on 2 March",
}


def browser_of(name: str) -> Client:
    browser = Client()
    browser.force_login(User.objects.filter(username=name).first() or User.objects.create_superuser(name))
    return browser


def page(what: str, *arguments: object) -> str:
    return reverse(f"admin:ledger_corporateaction_{what}", args=arguments)


def press(browser: Client, button: str, action: CorporateAction, **fields: str) -> Any:
    return browser.post(page(button, action.pk), {"_form_submitted": "on", **fields})


def read(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def tencent(book: Book) -> Book:
    booked(
        book,
        [pledge("p1", CHAN, "1204", "00700", "CCASS"), pledge("p2", LEE, "333", "00700", "CCASS")],
    )
    return book


@pytest.fixture
def form(tencent: Book) -> dict[str, str]:
    return FORM | {"currency": str(Asset.objects.get(code="HKD").pk)}


def test_one_person_proposes_another_approves_and_it_is_carried_out(
    tencent: Book, form: dict[str, str]
) -> None:
    chow, ng = browser_of("chow"), browser_of("ng")
    assert chow.post(page("add"), form).status_code == 302
    action = CorporateAction.objects.get()

    seen = read(ng, page("change", action.pk))
    assert "What it would give now" in seen
    assert ("1 : 10" in seen, "51.25 HKD" in seen, "Carry out" in seen) == (True, True, False)
    assert ("2/5" in seen, "20.50 HKD" in seen) == (True, True)

    press(chow, "approve_proposal", action)
    assert "may not be the checker" in read(chow, page("change", action.pk))
    press(ng, "approve_proposal", action)
    with on(date(2026, 4, 1)):
        press(ng, "carry_out_action", action)
        assert "The day of this action has not come" in read(ng, page("change", action.pk))
    with on(EX):
        press(ng, "carry_out_action", action)
        seen = read(ng, page("change", action.pk))

    assert "What it gives" in seen
    assert "0 pending · 3 booked · 0 paid" in seen
    assert stand(tencent)["C001 client_collateral 00700 CCASS"] == 120
    assert "Applied" in read(ng, page("changelist"))


def test_a_rejection_is_final(form: dict[str, str]) -> None:
    browser_of("chow").post(page("add"), form)
    action = CorporateAction.objects.get()

    press(browser_of("ng"), "reject_proposal", action, reason="Wrong ratio")

    action.refresh_from_db()
    assert action.approval == "rejected"
    assert "Carry out" not in read(browser_of("ng"), page("change", action.pk))


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"asset": "99999"}, "asset", "unknown_asset"),
        ({"asset": "HKD"}, "asset", "asset_without_place"),
        ({"ratio_new": "0"}, "ratio_new", "invalid_ratio"),
        ({"ratio_old": ""}, "ratio_old", "required"),
        ({"fraction_price": "5e1"}, "fraction_price", "inexact"),
        ({"fraction_price": "-1"}, "fraction_price", "not_positive"),
        ({"amount": "2.40"}, "amount", "not_of_this_kind"),
        ({"pay_on": "2026-04-01"}, "pay_on", "days_out_of_order"),
    ],
)
def test_the_form_says_what_is_no_announcement_at_its_field(
    form: dict[str, str], changes: dict[str, str], field: str, code: str
) -> None:
    reply = browser_of("chow").post(page("add"), form | changes)

    errors = reply.context["adminform"].form.errors.as_data()
    assert {name: [error.code for error in found] for name, found in errors.items()} == {field: [code]}
    assert not CorporateAction.objects.exists()


def test_an_announcement_made_twice_is_refused(form: dict[str, str]) -> None:
    chow = browser_of("chow")
    chow.post(page("add"), form)

    reply = chow.post(page("add"), form, follow=True)

    assert "was proposed already" in reply.content.decode()
    assert CorporateAction.objects.count() == 1


def test_who_may_only_look_sees_no_button(tencent: Book) -> None:
    action = announced(ratio_new=5, ratio_old=1)
    ho = User.objects.create_user("ho", is_staff=True)
    ho.user_permissions.set(Permission.objects.filter(codename="view_corporateaction"))
    browser = browser_of("ho")

    assert "Carry out" not in read(browser, page("change", action.pk))
    assert browser.get(page("add")).status_code == 403
    assert press(browser, "carry_out_action", action).status_code == 403


def test_who_works_for_one_firm_sees_what_its_clients_get(
    tencent: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Book.objects.create(code="PEAK", name="Peak Brokers")
    booked(other, [pledge("p1", "X009", "7", "00700", "CCASS")])
    monkeypatch.setattr(scope, "_rules", [lambda user: scope.Confinement(other.pk, "PEAK")])
    action = announced(ratio_new=5, ratio_old=1)
    browser = browser_of("lam")

    for _stage in ("waiting", "completed"):
        seen = read(browser, page("change", action.pk))
        assert "X009" in seen
        assert CHAN not in seen
        with on(EX):
            carry_out(action=action)
    assert "0 pending · 2 booked · 0 paid" in seen


def test_a_page_of_many_holders_costs_no_more_queries(tencent: Book) -> None:
    action = announced(ratio_new=5, ratio_old=1)
    browser = browser_of("lam")

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            read(browser, page("change", action.pk))
        return len(captured)

    queries()
    few = queries()
    booked(tencent, [pledge(f"q{n}", f"Q{n:03}", "10", "00700", "CCASS") for n in range(210)])

    assert queries() <= few
    assert "13 more accounts are not shown" in read(browser, page("change", action.pk))

"""Limits, closings and periods in the back office."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from ledger import posting
from ledger.admin import scope
from ledger.freezes import set_freeze
from ledger.models import Account, AccountLimit, Book, PeriodChange
from tests.ledger.books import BANK, account_id, cash, cash_in, cash_out
from tests.ledger.corporate_actions.issuers import on
from tests.ledger.corporate_actions.test_admin import browser_of, read

from .accounts import CHAN, LEE, MAY, TODAY, closed, limited

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with on(TODAY):
        yield


@pytest.fixture
def account(book: Book) -> Account:
    """Ms Chan's money, 100.00."""
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    return Account.objects.get(pk=account_id(book, cash(CHAN)))


@pytest.fixture
def form(account: Account) -> dict[str, str]:
    return {
        "account": str(account.pk),
        "floor": "-500.00",
        "ceiling": "",
        "effective_on": "2026-06-01",
        "reason": "Agreed in May",
    }


def page(model: type[Any], what: str, *arguments: object) -> str:
    return reverse(f"admin:ledger_{model._meta.model_name}_{what}", args=arguments)


def press(browser: Client, model: type[Any], button: str, pk: int, **fields: str) -> Any:
    return browser.post(page(model, button, pk), {"_form_submitted": "on", **fields})


def confined(monkeypatch: pytest.MonkeyPatch, book: Book) -> None:
    monkeypatch.setattr(scope, "_rules", [lambda user: scope.Confinement(book.pk, book.code)])


def test_one_person_proposes_a_limit_another_approves_and_the_account_shows_it(
    account: Account, form: dict[str, str]
) -> None:
    chow, ng = browser_of("chow"), browser_of("ng")
    led = chow.post(page(Account, "propose_limit", account.pk))
    assert led["Location"] == f"{page(AccountLimit, 'add')}?account={account.pk}"
    assert f'value="{account.pk}" selected' in read(chow, led["Location"])

    assert chow.post(page(AccountLimit, "add"), form).status_code == 302
    limit = AccountLimit.objects.get()
    assert (limit.floor_atoms, limit.ceiling_atoms) == (-50000, None)
    press(chow, AccountLimit, "approve_proposal", limit.pk)
    assert "may not be the checker" in read(chow, page(AccountLimit, "change", limit.pk))
    press(ng, AccountLimit, "approve_proposal", limit.pk)

    seen = read(ng, page(AccountLimit, "change", limit.pk))
    assert ("In force" in seen, "-500.00" in seen, "second person" in seen) == (True, True, False)
    seen = read(ng, page(Account, "change", account.pk))
    assert ("-500.00" in seen, "Agreed in May" in seen, "2026-06-01" in seen) == (True, True, True)
    assert "Limits: -500.00 to –" in seen
    assert "In force" in read(ng, page(AccountLimit, "changelist"))


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"floor": "1e3"}, "floor", "inexact"),
        ({"ceiling": "0.001"}, "ceiling", "inexact"),
        ({"ceiling": "-600"}, "ceiling", "bounds_crossed"),
        ({"effective_on": "2026-05-31"}, "effective_on", "in_the_past"),
    ],
)
def test_the_form_says_what_is_no_limit_at_its_field(
    form: dict[str, str], changes: dict[str, str], field: str, code: str
) -> None:
    reply = browser_of("chow").post(page(AccountLimit, "add"), form | changes)

    errors = reply.context["adminform"].form.errors.as_data()
    assert {name: [error.code for error in found] for name, found in errors.items()} == {field: [code]}
    assert not AccountLimit.objects.exists()


def test_a_limit_the_balance_stands_outside_is_refused_in_words(
    account: Account, form: dict[str, str]
) -> None:
    browser_of("chow").post(page(AccountLimit, "add"), form | {"floor": "100.01"})
    limit = AccountLimit.objects.get()

    ng = browser_of("ng")
    press(ng, AccountLimit, "approve_proposal", limit.pk)

    said = read(ng, page(AccountLimit, "change", limit.pk))
    assert "stands at 100.00 HKD with 0.00 held, outside these bounds" in said
    press(ng, AccountLimit, "reject_proposal", limit.pk, reason="Too high")
    limit.refresh_from_db()
    assert limit.approval == "rejected"


def test_an_account_is_closed_with_a_reason_and_reopened(book: Book, account: Account) -> None:
    lam = browser_of("lam")
    press(lam, Account, "close", account.pk, reason="Left")
    assert "is not empty: 100.00 HKD" in read(lam, page(Account, "change", account.pk))

    posting.post(book, cash_out("w1", CHAN, "100.00"), actor="ops")
    press(lam, Account, "close", account.pk, reason="Left for good")
    seen = read(lam, page(Account, "change", account.pk))
    assert ("Left for good" in seen, "Reopen" in seen, "Propose a limit" in seen) == (True, True, False)
    assert "Closed" in read(lam, page(Account, "changelist") + "?closed_at__isempty=0")
    press(lam, Account, "reopen", account.pk, reason="Came back")
    account.refresh_from_db()
    assert account.closed_at is None
    assert "Came back" in read(lam, page(Account, "change", account.pk))


def test_the_history_of_a_house_account_is_that_of_all_its_slots(book: Book, account: Account) -> None:
    one, other = (Account.objects.get(pk=account_id(book, BANK._replace(slot=n))) for n in (97, 98))
    set_freeze(account=one, mode="debit", actor="mei", reason="Court order 7/22")

    seen = read(browser_of("lam"), page(Account, "change", other.pk))

    assert ("Court order 7/22" in seen, "Debits frozen" in seen, "Propose a limit" in seen) == (
        True,
        True,
        False,
    )


def test_a_month_is_closed_by_two_people_with_its_figures_on_the_page(book: Book, account: Account) -> None:
    chow, ng = browser_of("chow"), browser_of("ng")
    form = {"book": str(book.pk), "kind": "close", "through": "2026-05-31", "reason": "Month end"}
    assert chow.post(page(PeriodChange, "add"), form).status_code == 302
    change = PeriodChange.objects.get()
    press(ng, PeriodChange, "approve_proposal", change.pk)

    seen = read(ng, page(PeriodChange, "change", change.pk))
    assert ("What stood in the books at the closing" in seen, "100.00" in seen) == (True, True)
    assert "HARBOUR" in read(ng, page(PeriodChange, "changelist"))
    reply = chow.post(page(PeriodChange, "add"), form)
    errors = reply.context["adminform"].form.errors.as_data()
    assert [error.code for error in errors["through"]] == ["not_forward"]


def test_who_works_for_one_firm_sees_and_decides_only_its_own(
    book: Book, account: Account, form: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Brokers")
    browser_of("chow").post(page(AccountLimit, "add"), form)
    limit, change = AccountLimit.objects.get(), closed(book, MAY)
    mei = browser_of("mei")
    confined(monkeypatch, peak)

    for model, row in ((AccountLimit, limit), (PeriodChange, change)):
        assert CHAN not in read(mei, page(model, "changelist"))
        assert mei.get(page(model, "change", row.pk)).status_code == 302
        assert press(mei, model, "approve_proposal", row.pk).status_code == 403
    assert mei.post(page(AccountLimit, "add"), form).status_code == 200
    closing = {"book": str(book.pk), "kind": "reopen", "through": "", "reason": "x"}
    assert mei.post(page(PeriodChange, "add"), closing).status_code == 200
    assert (AccountLimit.objects.count(), PeriodChange.objects.count()) == (1, 1)


def test_who_may_only_look_sees_no_button(account: Account) -> None:
    limit = limited(account, floor="0", effective_on=date(2026, 6, 5))
    ho = User.objects.create_user("ho", is_staff=True)
    ho.user_permissions.set(Permission.objects.filter(codename__in=["view_accountlimit", "view_account"]))
    browser = browser_of("ho")

    assert "Waiting" in read(browser, page(AccountLimit, "change", limit.pk))
    assert browser.get(page(AccountLimit, "add")).status_code == 403
    seen = read(browser, page(Account, "change", account.pk))
    assert ("Propose a limit" in seen, "Freeze or thaw" in seen) == (False, False)
    assert press(browser, Account, "close", account.pk, reason="x").status_code == 403


def test_a_longer_list_of_limits_costs_no_more_queries(
    book: Book, account: Account, django_assert_max_num_queries: Any
) -> None:
    posting.post(book, cash_in("d2", LEE, "1.00"), actor="ops")
    lee = Account.objects.get(pk=account_id(book, cash(LEE)))
    browser = browser_of("lam")
    for number in range(6):
        limited(account if number % 2 else lee, floor="0")

    with django_assert_max_num_queries(12):
        read(browser, page(AccountLimit, "changelist"))

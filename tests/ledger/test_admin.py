"""The books in the back office: everything can be read, two things can be done, nothing can be written."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from ledger import balances, posting
from ledger.admin import scope, show
from ledger.core.events import record_event
from ledger.core.models import CalendarDay, Command, Event
from ledger.models import (
    Account,
    AccountLimit,
    Asset,
    Block,
    Book,
    Consumer,
    CorporateAction,
    Entry,
    Journal,
    Location,
    PeriodChange,
)

from .books import account_id, cash, cash_in, cash_out, pledge

pytestmark = pytest.mark.django_db
CHAN = "H0001"
MODELS = [Book, Asset, Location, Account, Journal, Entry, Event, Command, CalendarDay]


@pytest.fixture
def books(book: Book) -> Book:
    posting.post_batch(
        book,
        [cash_in("d1", CHAN, "1234567.50"), pledge("p1", CHAN, "1.5"), cash_out("w1", CHAN, "0.50")],
        actor="ops",
    )
    CalendarDay.objects.create(calendar="XHKG", date="2022-05-12", is_open=True)
    Command.objects.create(
        scope="api:1",
        key="k1",
        route="POST /x",
        body={"a": "1"},
        body_hash="h",
        received_at="2022-05-12T09:30:00Z",
    )
    record_event("ledger.audit.completed", None, actor="system")
    return book


@pytest.fixture
def lam(client: Client, db: None) -> Client:
    """Signed in as Lam, who may do everything."""
    client.force_login(User.objects.create_superuser("lam"))
    return client


def signed_in(*permissions: str, name: str = "ho") -> Client:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    browser = Client()
    browser.force_login(user)
    return browser


def page(model: type[Any], what: str, *arguments: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}", args=arguments)


def read(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200, address
    return response.content.decode()


def press(browser: Client, address: str, **fields: str) -> Any:
    """Fill in the dialog of a button and send it."""
    return browser.post(address, {"_form_submitted": "on", **fields})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_list_and_page_opens_and_nothing_can_be_added_changed_or_deleted(
    lam: Client, books: Book, model: type[Any]
) -> None:
    row = model.objects.first()
    read(lam, page(model, "changelist"))
    text = read(lam, page(model, "change", row.pk))

    assert 'name="_save"' not in text
    assert lam.get(page(model, "add")).status_code == 403
    assert lam.post(page(model, "change", row.pk), {}).status_code == 403
    assert lam.post(page(model, "delete", row.pk), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", [Account, Journal, Entry, Event], ids=lambda model: model.__name__)
def test_a_longer_list_costs_no_more_queries(lam: Client, books: Book, model: type[Any]) -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            read(lam, page(model, "changelist"))
        return len(queries)

    cost()
    short = cost()
    posting.post_batch(
        books,
        [cash_in(f"dn{n}", f"N{n}", "1.00") for n in range(10)]
        + [pledge(f"pn{n}", f"N{n}", "1") for n in range(10)],
        actor="ops",
    )

    assert cost() == short


def test_an_account_shows_what_stands_there_in_units_and_leads_to_its_statement(
    lam: Client, books: Book
) -> None:
    account = Account.objects.get(pk=account_id(books, cash(CHAN)))

    text = read(lam, page(Account, "change", account.pk))

    assert "1,234,567.00" in text
    statement = page(Account, "statement", account.pk)
    assert statement in text
    lines = read(lam, f"{statement}?first=2022-05-01&last=2022-05-31")
    lines = lines[lines.index("data-statement") :]
    assert lines.index("1,234,567.50") < lines.index("1,234,567.00")
    assert "BTC" not in lines


def test_a_journal_shows_its_entries_and_leads_to_its_accounts(lam: Client, books: Book) -> None:
    journal = Journal.objects.get(idempotency_key="p1")

    text = read(lam, page(Journal, "change", journal.pk))

    assert text.count("1.50000000") >= 4
    for entry in journal.entries.all():
        assert page(Account, "change", entry.account_id) in text


@pytest.mark.parametrize("query", ["d1", "H0001", "cause", "%", "0"])
def test_lists_are_searched_by_exact_words_and_take_any(lam: Client, books: Book, query: str) -> None:
    for model in (Journal, Account, Event):
        read(lam, f"{page(model, 'changelist')}?q={query}")
    found = read(lam, f"{page(Journal, 'changelist')}?q=d1")
    assert page(Journal, "change", Journal.objects.get(idempotency_key="d1").pk) in found
    assert page(Journal, "change", Journal.objects.get(idempotency_key="w1").pk) not in found


def test_a_mistake_is_reversed_with_a_reason_and_both_pages_lead_to_each_other(
    lam: Client, books: Book
) -> None:
    mistake = Journal.objects.get(idempotency_key="w1")
    button = page(Journal, "reverse_journal", mistake.pk)
    assert button in read(lam, page(Journal, "change", mistake.pk))

    response = press(lam, button, reason="Paid to the wrong bank")

    assert response.headers["HX-Redirect"] == page(Journal, "change", mistake.pk)
    reversal = Journal.objects.get(reversal_of=mistake)
    assert (reversal.actor, reversal.narrative) == ("lam", "Paid to the wrong bank")
    assert balances.holding(books, cash(CHAN)) == Decimal("1234567.50")
    after = read(lam, page(Journal, "change", mistake.pk))
    assert page(Journal, "change", reversal.pk) in after
    assert button not in after
    assert "The journal was reversed." in after
    assert page(Journal, "change", mistake.pk) in read(lam, page(Journal, "change", reversal.pk))


def test_a_reversal_needs_a_reason_and_is_not_done_by_following_a_link(lam: Client, books: Book) -> None:
    button = page(Journal, "reverse_journal", Journal.objects.get(idempotency_key="w1").pk)

    assert lam.get(button).status_code == 200
    assert press(lam, button, reason="").status_code == 200

    assert not Journal.objects.filter(kind="reversal").exists()


def test_what_the_books_refuse_is_told_in_their_words(lam: Client, books: Book) -> None:
    deposit = Journal.objects.get(idempotency_key="d1")

    press(lam, page(Journal, "reverse_journal", deposit.pk), reason="Mistake")

    assert "does not hold enough" in read(lam, page(Journal, "change", deposit.pk))


def test_an_account_is_frozen_with_a_reason(lam: Client, books: Book) -> None:
    account = Account.objects.get(pk=account_id(books, cash(CHAN)))

    press(lam, page(Account, "freeze_account", account.pk), freeze="all", reason="Court order 7/22")

    account.refresh_from_db()
    assert account.freeze == "all"
    event = Event.objects.get(topic="ledger.account.freeze_changed")
    assert (event.actor, event.reason) == ("lam", "Court order 7/22")


def test_who_may_only_look_finds_no_buttons_and_is_refused_behind_them(books: Book) -> None:
    looker = signed_in("view_journal", "view_account")
    journal, account = (
        Journal.objects.get(idempotency_key="w1"),
        Account.objects.get(owner=CHAN, role="client_cash"),
    )

    for row, button in ((journal, "reverse_journal"), (account, "freeze_account")):
        address = page(type(row), button, row.pk)
        assert address not in read(looker, page(type(row), "change", row.pk))
        assert press(looker, address, reason="Mistake", freeze="all").status_code == 403

    assert signed_in(name="nobody").get(page(Journal, "changelist")).status_code == 403


def test_who_works_for_one_firm_sees_its_books_only(books: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    theirs = posting.post(peak, cash_in("d1", "P0001", "1.00"), actor="ops")
    monkeypatch.setattr(
        scope,
        "_rules",
        [lambda user: scope.Confinement(books.pk, books.code) if user.username == "ho" else None],
    )
    ho = signed_in(
        "view_book", "view_journal", "view_account", "view_entry", "view_event", "view_command", "add_journal"
    )

    for model in (Book, Journal, Account, Entry, Event):
        text = read(ho, page(model, "changelist"))
        assert "P0001" not in text
        assert str(theirs.journal_id) not in text
        assert "PEAK" not in text
    foreign = Journal.objects.get(pk=theirs.journal_id)
    assert ho.get(page(Journal, "change", foreign.pk)).status_code == 302
    assert press(ho, page(Journal, "reverse_journal", foreign.pk), reason="Mistake").status_code == 403
    assert ho.get(page(Command, "changelist")).status_code == 403


def test_a_cause_leads_to_what_it_names_where_a_room_says_how(
    lam: Client, books: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "_causes", dict(show._causes))
    show.register_cause("asset", lambda code: Asset.objects.filter(code=code).first())
    posted = posting.post(books, cash_in("d9", CHAN, "1.00", cause="asset:BTC"), actor="ops")

    address = page(Asset, "change", Asset.objects.get(code="BTC").pk)
    assert address in read(lam, page(Journal, "change", posted.journal_id))


@pytest.mark.parametrize(
    ("model", "words", "chinese"),
    [
        (Account, "An account is opened by the first journal that names it.", "首筆提及它的日記帳"),
        (Journal, "Journals come from deposits and loans", "日記帳來自客戶頁面"),
        (Entry, "Journals come from deposits and loans", "日記帳來自客戶頁面"),
        (Block, "The sealer makes a block", "封存成區塊"),
        (Consumer, "A reader appears here", "讀取者首次索取事件"),
        (AccountLimit, "each is bounded by its role", "各按其角色受限"),
        (PeriodChange, "propose to close it", "可提出結帳"),
        (CorporateAction, "When an issuer announces", "發行人公布"),
        (Command, "Issue an API key", "發出 API 金鑰"),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_an_empty_list_says_what_to_do_next(lam: Client, model: type[Any], words: str, chinese: str) -> None:
    address = page(model, "changelist")
    assert words in read(lam, address)
    with translation.override("en"):
        assert chinese in lam.get(address, headers={"accept-language": "zh-hant"}).content.decode()


def test_a_list_that_a_filter_left_empty_says_so(lam: Client, books: Book) -> None:
    text = read(lam, f"{page(Account, 'changelist')}?role__exact=write_off")
    assert "No results found" in text
    assert "Nothing here yet" not in text


def test_kinds_of_journals_are_read_in_words_and_an_unknown_one_as_it_is(lam: Client, books: Book) -> None:
    mistake = Journal.objects.get(idempotency_key="w1")
    reversal = posting.reverse(mistake, key="r1", actor="ops", reason="Mistake")
    assert "Reversal" in read(lam, page(Journal, "change", reversal.journal_id))
    assert "withdrawal" in read(lam, page(Journal, "change", mistake.pk))


def test_an_event_tells_by_name_what_it_happened_to(lam: Client, books: Book) -> None:
    account = Account.objects.get(pk=account_id(books, cash(CHAN)))
    press(lam, page(Account, "freeze_account", account.pk), freeze="all", reason="Court order 7/22")
    assert f">Account {account.pk}</a>" in read(lam, page(Event, "changelist"))

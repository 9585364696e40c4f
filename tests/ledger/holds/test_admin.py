"""Holds in the back office: read with what was posted of them, posted and released by button."""

from __future__ import annotations

import html
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import translation

from ledger import balances, holds
from ledger.admin import scope
from ledger.models import Account, Book, Hold, Journal
from tests.ledger.books import account_id, cash
from tests.ledger.test_admin import lam, page, press, read, signed_in  # noqa: F401  a fixture among them

from .reserved import CHAN, LEE, deliver, held, one, opened, pay, place, told

pytestmark = pytest.mark.django_db


@pytest.fixture
def hold(book: Book) -> Hold:
    """Of 40.00 held 15.00 were paid."""
    opened(book)
    made = one(book, "40.00", key="h1")
    holds.post_hold(made, quantity=Decimal("15.00"), key="s1", actor="ops")
    return made


def buttons(browser: Client, hold: Hold) -> list[str]:
    text = read(browser, page(Hold, "change", hold.pk))
    return [name for name in ("post_hold", "release_hold") if page(Hold, name, hold.pk) in text]


def test_where_nothing_is_held_the_page_says_what_to_do(lam: Client, book: Book) -> None:  # noqa: F811
    assert "POST /api/v1/holds" in read(lam, page(Hold, "changelist"))
    # Not where filters leave nothing over.
    assert "POST /api/v1/holds" not in read(lam, f"{page(Hold, 'changelist')}?state__exact=posted")


def test_a_hold_shows_its_accounts_its_progress_and_its_journals(lam: Client, hold: Hold) -> None:  # noqa: F811
    for text in (read(lam, page(Hold, "changelist")), read(lam, page(Hold, "change", hold.pk))):
        assert "15.00 HKD / 40.00 HKD" in text
        assert "POST /api/v1/holds" not in text
    assert "25.00 HKD" in text
    assert page(Account, "change", hold.debit_account_id) in text
    journal = Journal.objects.get(hold=hold)
    assert page(Journal, "change", journal.pk) in text
    assert page(Hold, "change", hold.pk) in read(lam, page(Journal, "change", journal.pk))
    assert 'name="_save"' not in text
    assert lam.post(page(Hold, "change", hold.pk), {}).status_code == 403


@pytest.mark.parametrize("query", ["h1", CHAN, "%", "0", "state"])
def test_holds_are_searched_by_exact_words_and_take_any(lam: Client, hold: Hold, query: str) -> None:  # noqa: F811
    found = page(Hold, "change", hold.pk) in read(lam, f"{page(Hold, 'changelist')}?q={query}")
    assert found == (query in ("h1", CHAN))


def test_an_account_shows_what_is_held_and_available_and_leads_to_its_holds(lam: Client, hold: Hold) -> None:  # noqa: F811
    text = read(lam, page(Account, "change", hold.debit_account_id))
    assert "25.00" in text
    assert "60.00" in text
    address = f"{page(Hold, 'changelist')}?state=active&amp;debit_account={hold.debit_account_id}"
    assert address in text
    assert page(Hold, "change", hold.pk) in read(lam, address.replace("&amp;", "&"))


def test_a_hold_is_posted_once_however_often_the_form_is_sent(lam: Client, book: Book, hold: Hold) -> None:  # noqa: F811
    assert buttons(lam, hold) == ["post_hold", "release_hold"]
    form = read(lam, page(Hold, "post_hold", hold.pk))
    assert 'name="key"' in form

    for _sending in range(2):
        press(lam, page(Hold, "post_hold", hold.pk), quantity="5.00", key="once", narrative="T+2")

    assert told(hold) == ("active", 2000)
    journal = Journal.objects.filter(hold=hold).latest("pk")
    assert (journal.actor, journal.narrative) == ("lam", "T+2")
    press(lam, page(Hold, "post_hold", hold.pk), quantity="", key="twice", value_on="2022-05-16")
    assert told(hold) == ("posted", 4000)
    assert Journal.objects.filter(hold=hold).latest("pk").value_on.isoformat() == "2022-05-16"
    assert buttons(lam, hold) == []
    assert balances.holding(book, cash(CHAN)) == Decimal("60.00")


def test_a_part_is_posted_and_the_rest_released(lam: Client, hold: Hold) -> None:  # noqa: F811
    press(lam, page(Hold, "post_hold", hold.pk), quantity="1.00", key="k", then_release="on")
    assert told(hold) == ("released", 1600)


@pytest.mark.parametrize("quantity", ["NaN", "1e1", "one", "-0"])
def test_a_quantity_that_is_no_number_stays_in_the_form(lam: Client, hold: Hold, quantity: str) -> None:  # noqa: F811
    response = press(lam, page(Hold, "post_hold", hold.pk), quantity=quantity, key="k")
    assert "HX-Redirect" not in response.headers
    assert told(hold) == ("active", 1500)


def test_what_is_refused_is_told_in_words(lam: Client, hold: Hold) -> None:  # noqa: F811
    press(lam, page(Hold, "post_hold", hold.pk), quantity="25.01", key="k")
    assert "Of this hold 25.00 HKD are left." in read(lam, page(Hold, "change", hold.pk))


def test_a_hold_is_released_with_a_reason_and_with_its_group(lam: Client, book: Book, hold: Hold) -> None:  # noqa: F811
    group = place(book, pay("1.00"), deliver("1"), key="g1")
    press(lam, page(Hold, "release_hold", group[1].pk), reason="")
    assert told(group[1])[0] == "active"

    press(lam, page(Hold, "release_hold", group[1].pk), reason="Order withdrawn")

    assert [told(each)[0] for each in group] == ["released", "released"]
    assert held(book, cash(CHAN)) == (2500, 0)
    text = read(lam, page(Hold, "change", group[0].pk))
    assert f"?group_id={group[0].pk}" in text
    assert buttons(lam, group[0]) == []


def test_of_a_group_a_part_is_not_posted_by_one_of_its_holds(lam: Client, book: Book, hold: Hold) -> None:  # noqa: F811
    group = place(book, pay("1.00"), deliver("1"), key="g1")
    press(lam, page(Hold, "post_hold", group[0].pk), quantity="0.50", key="k1")
    assert [told(each)[1] for each in group] == [0, 0]

    press(lam, page(Hold, "post_hold", group[0].pk), quantity="", key="k2")
    assert [told(each) for each in group] == [("posted", 100), ("posted", 100_000_000)]


def test_who_may_only_look_finds_no_buttons_and_is_refused_behind_them(hold: Hold) -> None:
    looker = signed_in("view_hold")
    assert buttons(looker, hold) == []
    for button, fields in (("post_hold", {"key": "k"}), ("release_hold", {"reason": "Mistake"})):
        assert press(looker, page(Hold, button, hold.pk), **fields).status_code == 403
    assert told(hold) == ("active", 1500)
    assert signed_in(name="nobody").get(page(Hold, "changelist")).status_code == 403


def test_who_works_for_one_firm_sees_and_ends_its_holds_only(
    book: Book, hold: Hold, monkeypatch: pytest.MonkeyPatch
) -> None:
    peak = Book.objects.create(code="PEAK", name="Peak Securities")
    monkeypatch.setattr(scope, "_rules", [lambda user: scope.Confinement(peak.pk, peak.code)])
    ho = signed_in("view_hold", "change_hold")

    assert str(hold.pk) not in read(ho, page(Hold, "changelist"))
    assert ho.get(page(Hold, "change", hold.pk)).status_code == 302
    assert press(ho, page(Hold, "release_hold", hold.pk), reason="Mistake").status_code == 403
    assert told(hold) == ("active", 1500)


def test_a_longer_list_costs_no_more_queries(
    lam: Client,  # noqa: F811
    book: Book,
    hold: Hold,
    django_assert_max_num_queries: object,
) -> None:
    read(lam, page(Hold, "changelist"))
    place(book, *[pay("0.10", LEE)] * 20, key="g1")
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        read(lam, page(Hold, "changelist"))


def test_the_pages_are_read_in_chinese(lam: Client, hold: Hold) -> None:  # noqa: F811
    try:
        for address in (page(Hold, "changelist"), page(Hold, "change", hold.pk)):
            text = lam.get(address, headers={"accept-language": "zh-hant"}).content.decode()
            assert "預留" in text
            assert "有效" in text
            assert "('active'" not in html.unescape(text)
            assert "posted of amount" not in text.lower()
    finally:
        translation.deactivate()


def test_a_cause_that_names_no_hold_is_shown_plainly(lam: Client, book: Book, hold: Hold) -> None:  # noqa: F811
    done = holds.post_hold(hold, quantity=Decimal("1.00"), key="s2", actor="ops", cause="hold:none")
    assert "hold:none" in read(lam, page(Journal, "change", done.journal_ids[0]))
    assert account_id(book, cash(CHAN)) == hold.debit_account_id

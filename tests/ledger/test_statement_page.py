"""The statement in the back office: as known at a block, with how the balance went, and the same in its files."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from datetime import date

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import translation

from ledger import posting
from ledger.models import Account, Book
from ledger.seal.sealer import seal_all

from .books import account_id, cash, cash_in, cash_out
from .corporate_actions.issuers import on

CHAN = "H0001"
MAY = "first=2022-05-01&last=2022-05-31"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def today() -> Iterator[None]:
    with on(date(2022, 6, 2)):
        yield


@pytest.fixture
def lam(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("lam"))
    return client


@pytest.fixture
def page(book: Book) -> str:
    """Ms Chan pays 1,000 in and takes 300 out, which is sealed; a fee of the third was forgotten and comes later."""
    posting.post(book, cash_in("d1", CHAN, "1000.00", value_on=date(2022, 5, 2)), actor="ops")
    posting.post(book, cash_out("w1", CHAN, "300.00", value_on=date(2022, 5, 30)), actor="ops")
    list(seal_all())
    posting.post(book, cash_out("fee", CHAN, "2.50", value_on=date(2022, 5, 3)), actor="ops")
    return reverse("admin:ledger_account_statement", args=[account_id(book, cash(CHAN))])


def read(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200, address
    return html.unescape(response.content.decode())


def summary(text: str) -> list[str]:
    """Opening, change, closing and as known."""
    return re.findall(r'<dd class="font-semibold[^"]*"[^>]*>([^<]*)</dd>', text)


def points(text: str) -> dict[str, str]:
    data = json.loads(re.findall(r'data-value="(\{.*?\})" data-options', text)[0])
    return dict(zip(data["labels"], data["datasets"][0]["data"], strict=True))


def test_a_period_as_known_now_and_as_known_at_a_block(lam: Client, page: str) -> None:
    now = read(lam, f"{page}?{MAY}")
    assert summary(now) == ["0.00", "697.50", "697.50", "Everything booked by now"]
    assert len(re.findall("data-line", now)) == 3

    then = read(lam, f"{page}?{MAY}&block=1")
    assert summary(then) == ["0.00", "700.00", "700.00", "Known at block 1"]
    assert len(re.findall("data-line", then)) == 2
    assert "the newest block is 1." in then


def test_the_chart_stays_where_the_balance_was_until_it_moves(lam: Client, page: str) -> None:
    now = points(read(lam, f"{page}?{MAY}"))
    assert list(now) == [f"2022-05-{day:02}" for day in range(1, 32)]
    assert [now[f"2022-05-{day}"] for day in ("01", "02", "03", "29", "30", "31")] == [
        "0.00",
        "1000.00",
        "997.50",
        "997.50",
        "697.50",
        "697.50",
    ]
    then = points(read(lam, f"{page}?{MAY}&block=1"))
    assert (then["2022-05-29"], then["2022-05-31"]) == ("1000.00", "700.00")


def test_a_chart_of_many_years_has_few_points_and_ends_on_the_last_day(lam: Client, page: str) -> None:
    long = points(read(lam, f"{page}?first=1990-01-01&last=2022-06-02"))
    assert len(long) < 380
    assert list(long.items())[-1] == ("2022-06-02", "697.50")


def test_the_files_are_of_the_same_period_and_block_as_the_page(lam: Client, page: str) -> None:
    text = read(lam, f"{page}?{MAY}&block=1")
    [csv, pdf] = re.findall(r'href="(\?[^"]*as=(?:csv|pdf))"', text)
    assert csv == f"?{MAY}&block=1&as=csv"
    lines = b"".join(lam.get(page + csv).streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [line.split(",")[-1] for line in lines[1:]] == ["0.00", "1000.00", "700.00", "700.00"]
    assert lam.get(page + pdf).content[:5] == b"%PDF-"


def test_a_period_without_lines_leads_to_one_that_has_some(lam: Client, page: str, book: Book) -> None:
    empty = read(lam, f"{page}?first=2022-01-01&last=2022-01-31")
    assert "the value date of what was booked last" in empty
    assert not re.findall("data-chart|<canvas", empty)
    [there] = re.findall(r'data-empty>.*?href="(\?[^"]*)"', empty, re.DOTALL)
    assert there == "?first=2022-04-03&last=2022-05-03"
    assert "data-line" in read(lam, page + there)

    unknown = read(lam, f"{page}?{MAY}&block=0")
    [there] = re.findall(r'data-empty>.*?href="(\?[^"]*)"', unknown, re.DOTALL)
    assert there == f"?{MAY}"

    untouched = Account.objects.get(pk=account_id(book, cash("H0002")))
    never = read(lam, reverse("admin:ledger_account_statement", args=[untouched.pk]))
    assert "Nothing was ever booked on this account" in never


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("first=2022-05-31&last=2022-05-01", "The last day is before the first."),
        (f"{MAY}&block=9", "The newest block is 1; there is no block 9."),
        (f"{MAY}&block=-1", "greater than or equal to 0"),
        (f"{MAY}&block=99999999999999999999", "less than or equal to"),
        (f"{MAY}&cursor=nonsense", "This is not a cursor of ours."),
        ("first=&last=2022-05-01", "This field is required."),
        (f"{MAY}&block=9&as=pdf", "there is no block 9."),
    ],
)
def test_what_cannot_be_shown_is_said_on_the_page(lam: Client, page: str, query: str, words: str) -> None:
    text = read(lam, f"{page}?{query}")
    assert words in text
    assert "data-statement" not in text


def test_the_page_and_its_chart_in_chinese(lam: Client, page: str) -> None:
    with translation.override("en"):
        text = lam.get(f"{page}?{MAY}", headers={"accept-language": "zh-hant"}).content.decode()
    for words in ("對帳單", "按區塊所知", "期內變動", "每日終結餘", "本月", "下載 PDF"):
        assert words in text

"""An account's statement over HTTP: the same in pages, as CSV and as PDF."""

from __future__ import annotations

import csv
from datetime import date
from io import BytesIO, StringIO

import pytest
from django.utils import translation
from pypdf import PageObject, PdfReader

from ledger.embedded_fonts import FACE, SIMPLIFIED, font_of
from ledger.models import Account, Asset
from ledger.seal.sealer import seal_all
from ledger.statement_cursors import write_cursor
from ledger.statement_files import csv_rows
from ledger.statement_pdf import pdf
from ledger.statements import Place, open_statement
from tests.builders import D, at, user

from .conftest import Caller, House, broken_rules, peak_brokerage, problem, signed_in, system_of

PERIOD = {"from": "2026-04-01", "to": "2026-04-30"}


@pytest.fixture
def cash(house: House) -> Account:
    """Ms Chan's money: 100.00 paid in in March and five deposits in April."""
    with at("2026-03-25 10:00"):
        house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "100.00"})
    for n in range(1, 6):
        house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": f"{n}.00"})
    return Account.objects.select_related("book", "asset", "location").get(role="client_cash", owner="C001")


def address(account: Account, ending: str = "") -> str:
    return f"accounts/{account.pk}/statement{ending}"


def test_a_statement_opens_lists_and_closes(house: House, cash: Account):
    told = house.system.get(address(cash), **PERIOD).json()

    assert (told["opening_balance"], told["closing_balance"]) == ("100.00", "115.00")
    assert told["account"]["client"] == "C001"
    assert (told["first_on"], told["last_on"], told["known_at"]) == ("2026-04-01", "2026-04-30", None)
    lines = [
        (row["value_on"], row["kind"], row["debit"], row["credit"], row["balance"]) for row in told["results"]
    ]
    assert lines[0] == ("2026-04-02", "cash_deposit", None, "1.00", "101.00")
    assert [row["balance"] for row in told["results"]][-1] == told["closing_balance"]
    assert len(lines) == 5
    assert told["next_cursor"] is None


def test_pages_are_of_one_moment(house: House, cash: Account):
    whole = house.system.get(address(cash), **PERIOD).json()["results"]
    page = house.system.get(address(cash), limit="2", **PERIOD).json()
    joined = page["results"]
    while page["next_cursor"]:
        house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "9.00"})
        page = house.system.get(address(cash), limit="2", cursor=page["next_cursor"]).json()
        joined += page["results"]
        assert (page["opening_balance"], page["closing_balance"]) == ("100.00", "115.00")
    assert joined == whole


def test_as_known_at_a_block(house: House, cash: Account):
    list(seal_all())
    house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "9.00"})
    assert house.system.get(address(cash), **PERIOD).json()["closing_balance"] == "124.00"
    problem(house.system.get(address(cash), block="9", **PERIOD), 422, "unknown_block")
    assert broken_rules(house.system.get(address(cash), block="x")) == [("block", "invalid")]


def test_what_cannot_be_asked(house: House, cash: Account):
    for parameters, rule in (
        ({"from": "2026-4-1"}, ("from", "not_a_date")),
        ({"to": "soon"}, ("to", "not_a_date")),
        ({"limit": "501"}, ("limit", "out_of_range")),
        ({"form": "2026-04-01"}, ("form", "unknown_parameter")),
    ):
        assert broken_rules(house.system.get(address(cash), **parameters)) == [rule]
    told = problem(
        house.system.get(address(cash), **{"from": "2026-05-01", "to": "2026-04-01"}), 422, "out_of_range"
    )
    assert told["errors"][0]["field"] == "to"
    for cursor in ("x", "bnVsbA", "W10", "WzFd", "1" * 5000):
        problem(house.system.get(address(cash), cursor=cursor), 422, "unknown_cursor")


def test_a_cursor_opens_no_other_account(house: House, cash: Account):
    other = Account.objects.select_related("book", "asset", "location").exclude(pk=cash.pk).earliest("pk")
    statement = open_statement(other, first_on=cash_day(), last_on=cash_day())
    cursor = write_cursor(statement, Place(cash_day(), 0, other.pk, 0))
    problem(house.system.get(address(cash), cursor=cursor), 422, "unknown_cursor")


def cash_day() -> date:
    return date(2026, 4, 2)


def test_another_firm_sees_none_of_it(house: House, cash: Account):
    peak: Caller = system_of(peak_brokerage())
    for ending in ("", ".csv", ".pdf"):
        problem(peak.get(address(cash, ending)), 404, "not_found")


def test_csv_adds_up_and_holds_no_formula(house: House, cash: Account):
    poster = system_of(house.world.broker, may_post_journals=True)
    legs = [
        {"role": "house_capital", "asset": "HKD", "side": "debit", "quantity": "2.50"},
        {"role": "client_cash", "asset": "HKD", "client": "C001", "side": "credit", "quantity": "2.50"},
    ]
    poster.post("journals", {"value_on": "2026-04-03", "narrative": "=2+3 退回費用", "legs": legs})

    response = house.system.get(address(cash, ".csv"), **PERIOD)

    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert f"statement-{cash.pk}-2026-04-01-2026-04-30.csv" in response["Content-Disposition"]
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(StringIO(text)))
    assert (rows[0]["kind"], rows[0]["balance"]) == ("opening", "100.00")
    assert (rows[-1]["kind"], rows[-1]["balance"]) == ("closing", "117.50")
    assert rows[-2]["narrative"] == "'=2+3 退回費用"
    moved = sum(D(row["credit"] or "0") - D(row["debit"] or "0") for row in rows[1:-1])
    assert D(rows[0]["balance"]) + moved == D(rows[-1]["balance"])


def test_pdf_in_both_languages(house: House, cash: Account):
    for language, words in (
        ("en", ("Statement of account", "Opening balance", "100.00 HKD", "Deposit of cash")),
        ("zh-hant", ("對帳單", "期初結餘", "100.00 HKD", "第 1 頁", "存入現金")),
    ):
        with translation.override(language):
            made = pdf(open_statement(cash, first_on=cash_day(), last_on=cash_day()))
        [page] = PdfReader(BytesIO(made)).pages
        text = page.extract_text()
        assert [word for word in words if word not in text] == []
        assert are_embedded(page) == {True}
    response = house.system.get(address(cash, ".pdf"), **PERIOD)
    assert response["Content-Type"] == "application/pdf"


def are_embedded(page: PageObject) -> set[bool]:
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    return {"/FontFile2" in font.get("/FontDescriptor", {}) for font in fonts}


def test_a_pdf_says_what_people_write_and_simplified_chinese_in_the_readers_own_font(
    house: House, cash: Account
):
    poster = system_of(house.world.broker, may_post_journals=True)
    for n, narrative in enumerate(("退回費用 for 鰂魚涌 & 深水埗", "嘅 <b>㗎</b> naïve 𨋢", "退回费用")):
        legs = [
            {"role": "house_capital", "asset": "HKD", "side": "debit", "quantity": f"{n + 1}.00"},
            {
                "role": "client_cash",
                "asset": "HKD",
                "client": "C001",
                "side": "credit",
                "quantity": f"{n + 1}.00",
            },
        ]
        poster.post("journals", {"value_on": "2026-04-02", "narrative": narrative, "legs": legs})
        [page] = PdfReader(BytesIO(pdf(open_statement(cash, first_on=cash_day(), last_on=cash_day())))).pages
        assert are_embedded(page) == ({True} if n < 2 else {True, False})
    text = page.extract_text()
    assert "退回費用 for 鰂魚涌 & 深水埗" in text
    assert "嘅 <b>㗎</b> naïve" in text


def test_every_character_has_a_font():
    faces = [font_of(text) for text in ("", "Fee", "退回費用", "费用", "1 – 2", "𨋢", "ಠ")]
    assert faces == [FACE, FACE, FACE, SIMPLIFIED, FACE, FACE, FACE]


def test_a_pdf_has_its_limit(house: House, cash: Account, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ledger.statement_pdf.PDF_LINES_MAX", 3)
    told = problem(house.system.get(address(cash, ".pdf"), **PERIOD), 422, "statement_too_long")
    assert told["details"] == {"limit": 3}


def test_the_page_in_the_back_office(house: House, cash: Account):
    browser = signed_in(user("boss", is_superuser=True)).client
    page = f"/admin/ledger/account/{cash.pk}/statement/"
    assert page in browser.get(f"/admin/ledger/account/{cash.pk}/change/").content.decode()

    shown = browser.get(page, {"first": "2026-04-01", "last": "2026-04-30"}).content.decode()
    assert shown.count("data-line") == 5
    assert "100.00" in shown
    assert "115.00" in shown
    empty = browser.get(page, {"first": "2020-04-01", "last": "2020-04-30"}).content.decode()
    assert "Nothing moved this account in the period." in empty
    wrong = browser.get(page, {"first": "2026-04-30", "last": "2026-04-01"}).content.decode()
    assert "The last day is before the first." in wrong
    assert browser.get(page, {"first": "x", "last": "y"}).status_code == 200
    file = browser.get(page, {"first": "2026-04-01", "last": "2026-04-30", "as": "csv"})
    assert b"".join(file.streaming_content).count(b"cash_deposit") == 5
    assert browser.get(page, {"as": "pdf"})["Content-Type"] == "application/pdf"
    assert signed_in(user("ng")).client.get(page).status_code == 403


def test_csv_rows_of_coins_keep_every_decimal(house: House):
    coins = Account.objects.select_related("book", "asset", "location").get(
        role="client_collateral", asset__code="BTC"
    )
    assert Asset.objects.get(code="BTC").scale == 8
    rows = list(csv_rows(open_statement(coins, first_on=cash_day(), last_on=cash_day())))
    assert rows[1].strip().endswith(",1.50000000")

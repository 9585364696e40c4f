"""The market in the back office: pages that show, files that are taken in, buttons that ask why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from collateral.haircuts import propose_haircut
from collateral.instruments import import_securities
from collateral.models import FxRate, Instrument, LendingHaircut, Price, PricePolicy
from ledger.core.models import Event
from ledger.models import Asset

from .market import at, hkt, listing, observe

pytestmark = pytest.mark.django_db

NOW = "2026-03-09 11:00"


def browser_of(person: User) -> Client:
    browser = Client()
    browser.force_login(person)
    return browser


@pytest.fixture
def now() -> Iterator[None]:
    with at(NOW):
        yield


@pytest.fixture
def chow(now: None) -> Client:
    return browser_of(User.objects.create_superuser("chow"))


@pytest.fixture
def ng(now: None) -> Client:
    return browser_of(User.objects.create_superuser("ng"))


def page(model: str, view: str, *args: Any) -> str:
    return reverse(f"admin:collateral_{model}_{view}", args=args)


def upload(browser: Client, model: str, text: str | bytes, **fields: str) -> Any:
    content = text.encode() if isinstance(text, str) else text
    file = SimpleUploadedFile("list.csv", content, content_type="text/csv")
    return browser.post(page(model, "upload"), {"file": file, **fields})


def press(browser: Client, model: str, button: str, row: int, **answers: str) -> Any:
    """Send the dialog of a button on a row's page."""
    return browser.post(page(model, button, row), {"_form_submitted": "True", **answers})


@pytest.mark.usefixtures("policies")
class TestInstruments:
    def test_the_list_shows_each_price_and_what_it_is_good_for_in_one_query(
        self, chow: Client, hsbc: Instrument, tencent: Instrument, bitcoin: Instrument
    ) -> None:
        observe(hsbc, "98.40", "2026-03-09 10:59")
        observe(tencent, "610.00", "2026-03-06 16:08")
        observe(bitcoin, "95000", "2026-03-09 10:50")
        content = chow.get(page("instrument", "changelist")).content.decode()
        for words in ("98.40 HKD", "610.00 HKD", "95,000.00 USD", "soft-stale", "hard-stale", "missing"):
            assert words in content

        with CaptureQueriesContext(connection) as few:
            chow.get(page("instrument", "changelist"))
        import_securities([listing(f"01{n:03}") for n in range(40)], actor="wong")
        with CaptureQueriesContext(connection) as many:
            chow.get(page("instrument", "changelist"))
        assert len(many) == len(few)

    def test_a_suspension_asks_why_and_a_resumption_undoes_it(self, chow: Client, hsbc: Instrument) -> None:
        silent = press(chow, "instrument", "suspend", hsbc.pk, reason="")
        assert silent.status_code == 200
        assert Instrument.objects.get(pk=hsbc.pk).status == "listed"

        press(chow, "instrument", "suspend", hsbc.pk, reason="Trading halt")
        assert Instrument.objects.get(pk=hsbc.pk).status == "suspended"
        assert "Trading halt" in Event.objects.filter(topic="collateral.instrument.suspended").get().reason
        shown = chow.get(page("instrument", "change", hsbc.pk)).content.decode()
        assert "Suspended" in shown

        press(chow, "instrument", "resume", hsbc.pk, reason="Halt lifted")
        assert Instrument.objects.get(pk=hsbc.pk).status == "listed"

    def test_the_exchanges_list_is_uploaded_and_its_bad_lines_are_shown(self, chow: Client) -> None:
        header = (
            "stock_code,name,category,sub_category,board_lot,isin,trading_currency,"
            "rmb_counter,stamp_duty,cas_eligible,vcm_eligible,spread_table\n"
        )
        reply = upload(
            chow,
            "instrument",
            f"\ufeff{header}00011,HANG SENG BANK,Equity,,100,,HKD,,Y,Y,Y,1\n"
            "00012,NO LOT,Equity,,0,,HKD,,Y,Y, ,1\n",
        )
        assert reply.context["outcome"].counts[0][1] == 1
        assert [(e.line, e.code) for e in reply.context["outcome"].errors] == [(3, "OUT_OF_RANGE")]
        assert "OUT_OF_RANGE" in reply.content.decode()
        assert Instrument.objects.filter(code="00011").exists()
        assert not Instrument.objects.filter(code="00012").exists()

    def test_who_may_only_look_finds_no_button_and_no_upload(self, now: None, hsbc: Instrument) -> None:
        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.add(Permission.objects.get(codename="view_instrument"))
        browser = browser_of(clerk)
        assert browser.get(page("instrument", "changelist")).status_code == 200
        assert browser.get(page("instrument", "upload")).status_code == 403
        assert press(browser, "instrument", "suspend", hsbc.pk, reason="x").status_code == 403
        assert browser.get(page("price", "changelist")).status_code == 403


class TestFiles:
    def test_a_history_of_prices_is_uploaded_with_a_result_per_line(
        self, chow: Client, hsbc: Instrument
    ) -> None:
        text = (
            "code,price,currency,observed_at\n"
            "00005,98.40,HKD,2026-03-05T16:08:00+08:00\n"
            "00005,-1,HKD,2026-03-06T16:08:00+08:00\n"
        )
        reply = upload(chow, "price", text, source="history")
        assert [count for _name, count in reply.context["outcome"].counts] == [1, 0, 1]
        assert [(e.line, e.code) for e in reply.context["outcome"].errors] == [(3, "NOT_POSITIVE")]
        row = Price.objects.get()
        assert row.source == "history"
        listed = chow.get(page("price", "changelist"), {"q": "00005"}).content.decode()
        assert "98.40" in listed
        assert chow.get(page("price", "change", row.pk)).status_code == 200
        assert chow.get(page("price", "add")).status_code == 403

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (b"code;price\n00005;98.40\n", "missing_columns"),
            (b"\xff\xfe\x00binary", "not_text"),
            (b"code,price,currency,observed_at\n\x00,1,HKD,2026-03-05T16:08:00+08:00\n", "not_text"),
            (b"", "empty"),
        ],
    )
    def test_what_is_no_such_file_is_said_in_the_form(self, chow: Client, content: bytes, code: str) -> None:
        reply = upload(chow, "price", content, source="history")
        errors = [error.code for group in reply.context["form"].errors.as_data().values() for error in group]
        assert errors == [code]
        assert not Price.objects.exists()

    def test_an_empty_page_explains_the_columns(self, chow: Client) -> None:
        assert "observed_at" in chow.get(page("price", "upload")).content.decode()

    def test_a_file_of_haircuts_becomes_proposals_of_the_uploader(
        self, chow: Client, hsbc: Instrument
    ) -> None:
        text = "asset,haircut,valid_from\n00005,0.30,2026-03-10\nBTC,0.50,2026-03-10\n"
        reply = upload(chow, "lendinghaircut", text)
        proposal = LendingHaircut.objects.get()
        assert (proposal.approval, proposal.maker.username) == ("proposed", "chow")
        assert [(line, code) for line, code, _words in reply.context["rows"]] == [(2, ""), (3, "BELOW_FLOOR")]
        assert page("lendinghaircut", "change", proposal.pk) in reply.content.decode()


class TestHaircuts:
    FORM = {
        "asset": "BTC",
        "haircut": "0.65",
        "valid_from": "2026-03-10",
        "entity_type": "licensed_corporation",
        "product": "margin_loan",
        "reason": "Volatility",
    }

    def test_one_person_proposes_and_another_decides(self, chow: Client, ng: Client) -> None:
        assert chow.post(page("lendinghaircut", "add"), self.FORM).status_code == 302
        proposal = LendingHaircut.objects.get()
        address = page("lendinghaircut", "change", proposal.pk)
        assert "65.00%" in chow.get(page("lendinghaircut", "changelist")).content.decode()
        assert "Approve" in ng.get(address).content.decode()

        press(chow, "lendinghaircut", "approve_proposal", proposal.pk)
        assert "may not be the checker" in chow.get(address).content.decode()
        assert LendingHaircut.objects.get().approval == "proposed"

        press(ng, "lendinghaircut", "approve_proposal", proposal.pk)
        decided = LendingHaircut.objects.get()
        assert (decided.approval, decided.checker.username) == ("approved", "ng")  # type: ignore[union-attr]

    def test_a_day_that_has_passed_is_refused_at_the_field(self, chow: Client, ng: Client) -> None:
        chow.post(page("lendinghaircut", "add"), self.FORM | {"valid_from": "2026-03-09"})
        press(ng, "lendinghaircut", "approve_proposal", LendingHaircut.objects.get().pk)

        reply = chow.post(page("lendinghaircut", "add"), self.FORM | {"valid_from": "2026-03-08"})

        errors = reply.context["adminform"].form.errors.as_data()
        assert [error.code for error in errors["valid_from"]] == ["RETROACTIVE"]

    def test_an_approval_overtaken_by_its_day_is_refused(self, chow: Client, ng: Client) -> None:
        chow.post(page("lendinghaircut", "add"), self.FORM | {"valid_from": "2026-03-09"})
        press(ng, "lendinghaircut", "approve_proposal", LendingHaircut.objects.get().pk)
        late = propose_haircut(
            asset=Asset.objects.get(code="BTC"),
            haircut="0.70",
            valid_from=hkt("2026-03-10 00:00").date(),
            maker=User.objects.get(username="chow"),
        )
        with at("2026-03-12 09:00"):
            third = browser_of(User.objects.create_superuser("ho"))
            press(third, "lendinghaircut", "approve_proposal", late.pk)
        assert LendingHaircut.objects.get(pk=late.pk).approval == "proposed"

    def test_a_rejection_keeps_its_reason(self, chow: Client, ng: Client) -> None:
        chow.post(page("lendinghaircut", "add"), self.FORM)
        press(ng, "lendinghaircut", "reject_proposal", LendingHaircut.objects.get().pk, reason="No")
        assert LendingHaircut.objects.get().approval == "rejected"
        assert Event.objects.filter(topic="collateral.haircut.rejected", actor="ng", reason="No").exists()


class TestRates:
    FORM = {
        "base": "USD",
        "quote": "HKD",
        "bid": "7.7850",
        "ask": "7.7860",
        "source": "bank",
        "observed_at_0": "2026-03-09",
        "observed_at_1": "10:59:00",
    }

    def test_a_rate_is_recorded_by_hand(self, chow: Client) -> None:
        assert chow.post(page("fxrate", "add"), self.FORM).status_code == 302
        rate = FxRate.objects.get()
        assert rate.observed_at == hkt("2026-03-09 10:59")
        assert "7.7850" in chow.get(page("fxrate", "changelist")).content.decode()
        assert chow.get(page("fxrate", "change", rate.pk)).status_code == 200
        assert Event.objects.filter(topic="collateral.fx_rate.recorded", actor="chow").exists()

    @pytest.mark.parametrize(
        ("changes", "field", "code"),
        [
            ({"ask": "7.8501"}, "bid", "OUT_OF_PEG"),
            ({"bid": "7.7861"}, "bid", "BID_ABOVE_ASK"),
            ({"bid": "NaN"}, "bid", "INEXACT"),
            ({"base": "EUR"}, "base", "UNKNOWN_CURRENCY"),
            ({"observed_at_1": "11:00:01"}, "observed_at", "FROM_THE_FUTURE"),
        ],
    )
    def test_a_rate_that_cannot_be_is_refused_at_its_field(
        self, chow: Client, changes: dict[str, str], field: str, code: str
    ) -> None:
        reply = chow.post(page("fxrate", "add"), self.FORM | changes)
        errors = reply.context["adminform"].form.errors.as_data()
        assert [error.code for error in errors[field]] == [code]
        assert not FxRate.objects.exists()


class TestPolicies:
    FORM = {
        "asset_kind": "security",
        "valid_from": "2026-03-10",
        "counts_sessions": "on",
        "soft_age_seconds": "0",
        "hard_age_seconds": "0",
        "deviation_limit": "0.50",
        "sources_min": "1",
        "outlier_limit": "0.02",
        "reason": "",
    }

    def test_a_policy_takes_two_people(self, chow: Client, ng: Client) -> None:
        assert chow.post(page("pricepolicy", "add"), self.FORM).status_code == 302
        proposal = PricePolicy.objects.get()
        press(chow, "pricepolicy", "approve_proposal", proposal.pk)
        assert PricePolicy.objects.get().approval == "proposed"
        press(ng, "pricepolicy", "approve_proposal", proposal.pk)
        assert PricePolicy.objects.get().approval == "approved"
        assert "50.00%" in ng.get(page("pricepolicy", "changelist")).content.decode()
        second = chow.post(page("pricepolicy", "add"), self.FORM)
        assert second.status_code == 302
        press(ng, "pricepolicy", "reject_proposal", PricePolicy.objects.latest("pk").pk, reason="Twice")
        assert PricePolicy.objects.latest("pk").approval == "rejected"

    def test_a_policy_out_of_range_is_refused_at_its_field(self, chow: Client) -> None:
        reply = chow.post(page("pricepolicy", "add"), self.FORM | {"deviation_limit": "0"})
        errors = reply.context["adminform"].form.errors.as_data()
        assert [error.code for error in errors["deviation_limit"]] == ["OUT_OF_RANGE"]

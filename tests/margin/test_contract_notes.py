"""A client is told of a day's sales on paper: from the fill records, numbered, never changed, in time."""

from __future__ import annotations

import json
from datetime import date
from io import BytesIO

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import translation
from pypdf import PdfReader

from ledger import audit
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import Event
from margin import tasks
from margin.calls import advance_due
from margin.contract_notes.content import hash_of
from margin.contract_notes.deadlines import alerts, tell_late
from margin.contract_notes.issuing import correct_note, issue_due, record_handover
from margin.contract_notes.paper import pdf
from margin.models import Client, ContractNote, Fill, Notice
from margin.notices.outbox import filled, sold_figures
from margin.notices.texts import DEFAULTS
from margin.sales.execution import advance_sales
from tests.builders import D, World, at
from tests.ledger.books import without_law
from tests.margin.sales.test_forced_sale import ho_called_at_90, released

pytestmark = pytest.mark.django_db


@pytest.fixture
def sold() -> World:
    """HSBC of Ms Ho are sold at 90.00 on Wednesday 25 March; she reads Chinese and has an e-mail address."""
    world = ho_called_at_90()
    Client.objects.update(email="ho@example.com", language="zh-hant")
    with at("2026-03-25 15:00"):
        world.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=world.broker)
        released(world)
        advance_sales(broker=world.broker)
    return world


def issued(world: World) -> ContractNote:
    with at("2026-03-26 00:10"):
        assert issue_due(broker=world.broker) == 1
        assert issue_due(broker=world.broker) == 0
    return ContractNote.objects.get()


def text_of(document: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(bytes(document))).pages)


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_note_says_what_the_rules_ask_from_the_fill_record(sold):
    with at("2026-03-25 23:59"):
        assert issue_due(broker=sold.broker) == 0
    note, fill = issued(sold), Fill.objects.get()
    assert (note.reference, note.due_on) == ("CN-2026-000001", date(2026, 3, 27))
    assert (note.quantity, note.gross, note.net) == (fill.quantity, fill.gross.amount, fill.net.amount)
    words = json.loads(note.content)
    assert words["account"] == {"number": "C002", "kind": "margin"}
    assert (words["capacity"], words["side"], words["cause"]) == ("agent", "sell", "forced_sale")
    assert (words["traded_on"], words["settles_on"], words["average_price"]) == (
        "2026-03-25",
        "2026-03-27",
        "90.000000",
    )
    [trade] = words["trades"]
    assert (trade["execution"], trade["price"], trade["journal"]) == (
        fill.execution_id,
        "90",
        str(fill.trade_journal_id),
    )
    assert sum(map(D, words["fees"].values())) == fill.fees_total.amount
    assert {"commission", "stamp_duty", "sfc_levy", "afrc_levy", "trading_fee"} < words["fees"].keys()
    paper = text_of(note.document)
    for said in ("CN-2026-000001", "成交單據", "保證金帳戶", "C002 Ho Ka Yan", "00005 HSBC HOLDINGS"):
        assert said in paper
    assert f"{fill.net.amount:,.2f}" in paper
    assert audit.run().findings == ()


def test_the_paper_comes_out_the_same_whenever_and_for_whomever_it_is_made_again(sold):
    note = issued(sold)
    with at("2027-01-05 12:00"), translation.override("en"):
        again = pdf(json.loads(note.content), note.language)
    assert again == bytes(note.document)
    assert hash_of(again) == note.document_hash
    assert note.content_hash == hash_of(note.content.encode())


def test_the_notice_of_the_sale_goes_out_with_the_note(sold):
    note = issued(sold)
    notice = Notice.objects.get(kind="sale_notice")
    assert notice.contract_note == note
    figures = sold_figures(json.loads(note.content), "zh-hant")
    link = f"http://localhost:8000/notices/{notice.token}"
    names = {"client": "Ho Ka Yan", "broker": "Harbour Securities", "reference": "MC-C002-1"}
    subject, body = DEFAULTS["zh-hant"]["sale_notice"]
    told = {**names, **figures, "link": notice.body.split("\n")[-3]}
    assert (notice.subject, notice.body) == (filled(subject, told), filled(body, told))
    assert link.rsplit("/", 1)[1] in told["link"]
    assert figures["gross"] in notice.body
    with at("2026-03-26 00:11"):
        tasks.send_notices()
    sent = [one for one in mail.outbox if "已出售" in one.subject]
    assert [(name, kind) for name, _paper, kind in sent[0].attachments] == [
        ("CN-2026-000001.pdf", "application/pdf")
    ]
    assert sent[0].attachments[0][1] == bytes(note.document)
    browser = Browser()
    page = browser.get(reverse("notice", args=[notice.token])).content.decode()
    address = reverse("notice-paper", args=[notice.token])
    assert address in page
    assert browser.get(address).content == bytes(note.document)
    other = Notice.objects.exclude(kind="sale_notice").first()
    assert browser.get(reverse("notice-paper", args=[other.token])).status_code == 404


def test_a_note_is_corrected_by_a_later_version_only(sold):
    note = issued(sold)
    with at("2026-03-27 10:00"):
        with pytest.raises(Conflict, match="records say"):
            correct_note(note=note, reason="name", actor="wong")
        Client.objects.update(name="Ho Ka-yan")
        with pytest.raises(Invalid):
            correct_note(note=note, reason=" ", actor="wong")
        later = correct_note(note=note, reason="name misspelt", actor="wong")
        with pytest.raises(Conflict, match="later version"):
            correct_note(note=note, reason="name", actor="wong")
    assert (later.reference, later.corrects, later.number) == ("CN-2026-000001/2", note, 1)
    assert json.loads(later.content)["corrects"] == "CN-2026-000001"
    note = ContractNote.objects.get(pk=note.pk)
    assert not note.is_in_force
    assert Notice.objects.filter(kind="sale_notice", contract_note=later).count() == 1
    assert audit.run().findings == ()


def test_a_trade_that_is_reported_late_makes_a_correction(sold):
    note = issued(sold)
    without_law(
        "INSERT INTO margin_fill (order_id, venue, execution_id, quantity, price, gross, gross_currency, fees,"
        " fees_total, fees_total_currency, net, net_currency, traded_at, settles_on, trade_journal_id)"
        " SELECT order_id, venue, 'sehk-late', 400, 91, 36400, 'HKD', '{\"commission\": \"100.00\"}', 100, 'HKD',"
        " 36300, 'HKD', traded_at, settles_on, (SELECT id FROM ledger_journal WHERE kind = 'drawdown' LIMIT 1)"
        " FROM margin_fill"
    )
    with at("2026-03-27 00:10"):
        assert issue_due(broker=sold.broker) == 1
        assert issue_due(broker=sold.broker) == 0
    later = note.corrected_by
    assert (later.version, later.quantity, later.net) == (2, note.quantity + 400, note.net + 36300)
    assert [trade["execution"] for trade in json.loads(later.content)["trades"]][1] == "sehk-late"


def test_what_is_not_issued_or_not_given_in_time_is_told_once(sold):
    with at("2026-03-26 09:00"):
        [alert] = alerts(sold.broker)
        assert (alert.what, alert.due_on, alert.is_late) == ("not_issued", date(2026, 3, 27), False)
    Client.objects.update(email="")
    note = issued(sold)
    for when in ("2026-03-27 23:10", "2026-03-28 00:10", "2026-03-28 01:10"):
        with at(when):
            tasks.issue_contract_notes()
    late = Event.objects.get(topic="margin.contract_note.late")
    assert (late.subject_id, late.reason, late.payload["due_on"]) == (str(note.pk), "not_given", "2026-03-27")
    with at("2026-03-28 10:00"):
        [alert] = alerts(sold.broker)
        assert (alert.what, alert.note, alert.is_late) == ("not_given", note, True)
        for channel, day in (
            ("pigeon", date(2026, 3, 28)),
            ("post", date(2026, 3, 29)),
            ("post", date(2026, 3, 25)),
        ):
            with pytest.raises(Invalid):
                record_handover(note=note, channel=channel, handed_on=day, actor="wong")
        for _time in range(2):
            record_handover(note=note, channel="post", handed_on=date(2026, 3, 28), actor="wong")
        assert alerts(sold.broker) == []


@pytest.mark.django_db(transaction=True)
def test_what_the_clock_tells_of_late_notes_is_committed_by_itself(sold):
    """Outside a test a job has no transaction but its own."""
    with at("2026-03-28 00:10"):
        assert [tell_late(broker=sold.broker), tell_late(broker=sold.broker)] == [1, 0]
        tasks.issue_contract_notes()
        tasks.issue_contract_notes()
    told = Event.objects.filter(topic="margin.contract_note.late").order_by("pk")
    assert [event.reason for event in told] == ["not_issued", "not_given"]


COPY = (
    "INSERT INTO margin_contractnote (broker_id, client_id, year, number, version, corrects_id, reason, traded_on,"
    " asset_id, side, currency, quantity, gross, fees_total, net, due_on, issued_at, actor, language, content,"
    " content_hash, document, document_hash) SELECT broker_id, client_id, year, {number}, {version}, {corrects}, {reason},"
    " traded_on + 1, asset_id, side, currency, quantity, gross, fees_total, net, due_on, issued_at, actor, language,"
    " content, {hash}, document, document_hash FROM margin_contractnote"
)


def test_raw_sql_leaves_no_gap_changes_no_note_and_forges_none(sold):
    issued(sold)
    first = {"version": 1, "corrects": "NULL", "reason": "''", "hash": "content_hash"}
    second = {"version": 2, "corrects": "id", "reason": "'why'", "hash": "content_hash"}
    for statement, wall in (
        (COPY.format(number=3, **first), "follows on"),
        (COPY.format(number=1, **first), "follows on"),
        (COPY.format(number=1, **second), "corrects another note"),
        (COPY.format(number=2, **first | {"hash": "repeat('0', 64)"}), "hash says"),
        ("UPDATE margin_contractnote SET net = net + 1", "append-only"),
        ("DELETE FROM margin_contractnotetrade", "append-only"),
        ("UPDATE margin_notice SET contract_note_id = NULL", "stays as it was written"),
    ):
        with pytest.raises(IntegrityError, match=wall), transaction.atomic():
            sql(statement)


def test_damage_to_a_note_is_found(sold):
    issued(sold)
    without_law("UPDATE margin_contractnote SET number = 2, net = net + 1, content = content || ' '")
    found = sorted(f.subject for f in audit.run().findings if f.check == "margin.contract_notes_are_whole")
    assert found == ["contract note 2026-2/1", "contract note 2026-2/1", "firm HARBOUR year 2026"]

"""Notices: written with the change, sent after it, worded in the client's language, confirmed by token."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser

from ledger.core.approvals import approve
from ledger.core.errors import Conflict, Forbidden, Invalid, NotFound
from ledger.core.models import Event
from margin import tasks
from margin.accrual import accrue_due
from margin.calls import review_calls
from margin.custody import deposit_cash
from margin.models import Client, ForcedSale, MarginCall, Notice
from margin.notices import relay
from margin.notices.outbox import KIND_OF
from margin.notices.settings import propose_template, set_webhook
from margin.notices.texts import DEFAULTS, PLACEHOLDERS, SOLD_PLACEHOLDERS
from margin.states import CALL, TRANSITIONS
from margin.valuations import run_valuation
from tests.builders import D, World, at, user, v01

pytestmark = pytest.mark.django_db


def called(
    *, email: str = "chan@example.com", language: str = "zh-hant", mobile: str = ""
) -> tuple[World, MarginCall]:
    world, chan = v01()
    Client.objects.filter(pk=chan.client_id).update(email=email, language=language, mobile=mobile)
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return world, call


def send(when: str) -> None:
    with at(when):
        tasks.send_notices()


def topics() -> list[str]:
    told = Event.objects.filter(topic__startswith="margin.notice").order_by("pk")
    return [topic.removeprefix("margin.notice.") for topic in told.values_list("topic", flat=True)]


def test_a_call_is_told_in_the_clients_language_once_and_confirmed_by_its_link():
    _world, call = called()
    assert mail.outbox == []
    send("2026-04-02 16:31")
    send("2026-04-02 16:32")
    [message] = mail.outbox
    assert message.to == ["chan@example.com"]
    assert message.subject == "追繳保證金通知 MC-C001-1：請於 2026-04-08 15:00 前補足 HKD 77,147.67"
    assert topics() == ["written", "sent"]

    path = re.search(r"/notices/[\w-]+", message.body).group(0)
    browser = Browser()
    with at("2026-04-02 17:00"):
        page = browser.get(path)
        assert "我已閱讀" in page.content.decode()
        call.refresh_from_db()
        assert call.acknowledged_at is None
        for _press in range(2):
            assert "你已確認" in browser.post(path).content.decode()
    call.refresh_from_db()
    assert (call.status, call.acknowledged_by, call.acknowledged_channel) == (
        "acknowledged",
        "Chan Siu Ming",
        "email",
    )
    assert topics() == ["written", "sent", "acknowledged"]
    assert browser.get("/notices/nothing-of-ours").status_code == 404
    with pytest.raises(NotFound):
        relay.acknowledge_by_token("é\0")


def test_a_client_without_a_channel_is_told_of_to_the_staff_and_may_be_sold_out():
    _world, call = called(email="")
    assert topics() == ["no_channel"]
    assert relay.was_handed_over(call)
    assert not Notice.objects.exists()


def test_i12_no_sale_before_the_demand_left_or_its_failure_was_told(monkeypatch):
    world, _call = called()
    with at("2026-04-08 15:00"):
        world.price("BTC", "95000", "2026-04-08 14:59:50")
        for code, price in (("00005", "98.40"), ("00700", "512.50")):
            world.price(code, price, "2026-04-08 14:59")
        tasks.advance_calls()
        assert not ForcedSale.objects.exists()

        def refuse(_notice: Notice) -> None:
            raise ConnectionError("no route to the mail server")

        monkeypatch.setattr(relay, "hand_over", refuse)
        tasks.send_notices()
        notice = Notice.objects.get(kind="issued")
        assert (notice.status, notice.attempts) == ("pending", 1)
        assert notice.escalated_at is not None
        tasks.advance_calls()
    assert MarginCall.objects.get().status == "sale_pending"
    assert topics().count("escalated") == 1


def test_a_notice_that_no_channel_takes_is_tried_again_then_failed_and_told_to_the_staff(monkeypatch):
    _world, _call = called()
    tries = []

    def refuse(notice: Notice) -> None:
        tries.append(notice.pk)
        raise TimeoutError("slow")

    monkeypatch.setattr(relay, "hand_over", refuse)
    for when in ("16:30", "16:30", "16:31", "16:36", "16:51", "17:21", "18:21", "18:30"):
        send(f"2026-04-02 {when}")
    assert len(tries) == 6
    notice = Notice.objects.get()
    assert (notice.status, notice.error) == ("failed", "TimeoutError: slow")
    assert topics() == ["written", "escalated", "failed"]


def test_a_worker_that_dies_after_handing_over_sends_the_same_message_again(monkeypatch):
    _world, _call = called()
    hand_over = relay.hand_over

    def die(notice: Notice) -> None:
        hand_over(notice)
        raise SystemExit

    monkeypatch.setattr(relay, "hand_over", die)
    with at("2026-04-02 16:31"), pytest.raises(SystemExit):
        tasks.send_notices()
    monkeypatch.setattr(relay, "hand_over", hand_over)
    send("2026-04-02 16:32")
    assert len(mail.outbox) == 1
    send("2026-04-02 16:41")
    first, second = mail.outbox
    assert first.extra_headers["Message-ID"] == second.extra_headers["Message-ID"]
    assert topics() == ["written", "sent"]


class Ear(BaseHTTPRequestHandler):
    """A broker's own system, which takes notices."""

    heard: list[tuple[dict[str, str], bytes]] = []
    answer = 204

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((dict(self.headers), body))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def ear() -> Iterator[str]:
    Ear.heard, Ear.answer = [], 204
    server = HTTPServer(("127.0.0.1", 0), Ear)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/notices"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_webhook_is_signed_and_names_the_same_id_on_every_attempt(ear):
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        endpoint = set_webhook(broker=world.broker, url=ear, is_active=True, actor="wong")
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
    Ear.answer = 503
    send("2026-04-02 16:30")
    Ear.answer = 204
    send("2026-04-02 16:31")
    (first, _body), (headers, body) = Ear.heard
    moment, signed = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Lombard-Signature"]).groups()
    assert (
        signed
        == hmac.new(endpoint.secret.encode(), moment.encode() + b"." + body, hashlib.sha256).hexdigest()
    )
    told = json.loads(body)
    assert (told["call"], told["client"], told["kind"]) == ("MC-C001-1", "C001", "issued")
    assert first["Idempotency-Key"] == headers["Idempotency-Key"] == told["id"]
    assert Notice.objects.get().status == "delivered"


def test_a_webhook_goes_to_an_encrypted_address_only():
    world, _chan = v01()
    for url in ("http://example.com/", "ftp://example.com", "http://localhost.example.com/"):
        with pytest.raises(Invalid) as refusal:
            set_webhook(broker=world.broker, url=url, is_active=True, actor="wong")
        assert refusal.value.reason == "not_https"


SMS: list[tuple[str, str]] = []


def take_sms(*, number: str, text: str, message_id: str) -> None:
    SMS.append((number, text))


def test_sms_goes_through_the_adapter_that_the_firm_names(settings):
    settings.LOMBARD_SMS_ADAPTER = f"{__name__}.take_sms"
    SMS.clear()
    _world, _call = called(email="", mobile="+85291234567", language="en")
    send("2026-04-02 16:31")
    assert SMS == [("+85291234567", "Margin call MC-C001-1: HKD 77,147.67 by 2026-04-08 15:00")]
    notice = Notice.objects.get()
    with at("2026-04-02 16:32"):
        for _twice in range(2):
            relay.report(notice=notice, is_delivered=True, detail="", actor="provider")
        with pytest.raises(Conflict):
            relay.report(notice=notice, is_delivered=False, detail="late", actor="provider")
    assert topics() == ["written", "sent", "delivered"]


def test_a_client_is_reminded_a_day_and_four_hours_before_and_not_when_paid(monkeypatch):
    world, _call = called()
    for when in (
        "2026-04-07 14:59",
        "2026-04-07 15:00",
        "2026-04-07 15:01",
        "2026-04-08 11:00",
        "2026-04-08 11:01",
    ):
        with at(when):
            for code, price in (("BTC", "95000"), ("00005", "98.40"), ("00700", "512.50")):
                world.price(code, price, when)
        send(when)
    reminders = Notice.objects.filter(kind="reminder").order_by("number")
    assert [(r.number, str(r.created_at)) for r in reminders] == [
        (1, "2026-04-07 07:00:00+00:00"),
        (2, "2026-04-08 03:00:00+00:00"),
    ]


def test_a_part_payment_and_the_end_are_told_with_what_is_missing():
    world, call = called(language="en")
    for number, (minute, amount) in enumerate(
        (("16:31", "30000.00"), ("16:33", "7000.00"), ("16:35", "40147.67"))
    ):
        with at(f"2026-04-02 {minute}"):
            world.price("BTC", "95000", f"2026-04-02 {minute}")
            deposit_cash(
                client=call.facility.client, currency="HKD", amount=D(amount), key=f"d{number}", actor="wong"
            )
            review_calls(run=run_valuation(broker=world.broker))
    said = list(Notice.objects.order_by("pk").values_list("kind", "number", "subject"))
    assert said[1:] == [
        ("part_met", 1, "Margin call MC-C001-1: HKD 47,147.67 still missing"),
        ("part_met", 2, "Margin call MC-C001-1: HKD 40,147.67 still missing"),
        ("met", 1, "Margin call MC-C001-1 is met"),
    ]


def test_a_wording_is_versioned_and_used_once_a_second_person_approves_it():
    world, _chan = v01()
    words = {"broker": world.broker, "kind": "issued", "language": "en", "maker": user("wong")}
    with at("2026-04-02 16:00"):
        first = propose_template(subject="Pay {amount}", body="By {due}: {link}", **words)
        second = propose_template(subject="Bring {amount}", body="Until {due}: {link}", **words)
        with pytest.raises(Forbidden):
            approve(second, checker=user("wong"), topic="margin.notice_template.approved")
        approve(second, checker=user("lee"), topic="margin.notice_template.approved")
        assert (first.version, second.version) == (1, 2)
        for body, code in (
            ("{due.__class__} {link} {amount}", "unknown_placeholder"),
            ("{due}", "says_too_little"),
        ):
            with pytest.raises(Invalid) as refusal:
                propose_template(subject="x", body=body, **words)
            assert refusal.value.reason == code
    Client.objects.update(email="chan@example.com")
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
    notice = Notice.objects.get()
    assert (notice.template_version, notice.subject) == (2, "Bring HKD 77,147.67")


def test_what_was_said_stays_as_it_was_said():
    _world, _call = called()
    for change in (
        "body = 'other'",
        "recipient = 'x@example.com'",
        "token = 'known'",
        "template_version = 9",
    ):
        with pytest.raises(IntegrityError, match="stays as it was written"), transaction.atomic():
            sql(f"UPDATE margin_notice SET {change}")
    sql("UPDATE margin_notice SET status = 'sent'")
    with pytest.raises(IntegrityError, match="may not go from"), transaction.atomic():
        sql("UPDATE margin_notice SET status = 'pending'")


def test_every_kind_has_words_in_both_languages_with_figures_that_exist():
    assert DEFAULTS["en"].keys() == DEFAULTS["zh-hant"].keys() >= set(KIND_OF.values()) | {"reminder"}
    steps = {event for _from, event, _to in TRANSITIONS[CALL]} | {"expected", "amended", "due_time_moved"}
    assert set(KIND_OF) <= steps
    for texts in DEFAULTS.values():
        for kind, (subject, body) in texts.items():
            known = {*PLACEHOLDERS, *(SOLD_PLACEHOLDERS if kind == "sale_notice" else ())}
            assert set(re.findall(r"\{(\w+)\}", subject + body)) <= known


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

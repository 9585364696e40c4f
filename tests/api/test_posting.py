"""Journals of a firm's own choice over HTTP: who may, what is refused, what happens once, and what a preview says."""

from __future__ import annotations

import json
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection

from ledger import coalescing, posting
from ledger.api.journal_bodies import BatchItemSerializer, _at_once
from ledger.balances import holding
from ledger.core.models import Command, Event
from ledger.models import Account, Entry, Journal, PostingKey
from ledger.requests import AccountKey, Leg
from margin.models import Staff
from tests.builders import at, user, v01

from .conftest import NOW, Caller, House, broken_rules, peak_brokerage, problem, signed_in, system_of
from .test_numbers import RULES


@pytest.fixture
def poster(house: House) -> Caller:
    """Harbour Securities' system with the right to post journals."""
    return system_of(house.world.broker, may_post_journals=True)


def leg(
    side: str, quantity: str, role: str = "client_cash", client: str = "C001", **more: str
) -> dict[str, str]:
    return {"role": role, "asset": "HKD", "client": client, "side": side, "quantity": quantity} | more


def fee_back(quantity: str = "120.50", **more: Any) -> dict[str, Any]:
    """A fee given back to Ms Chan out of the firm's capital."""
    legs = [leg("debit", quantity, "house_capital", ""), leg("credit", quantity)]
    return {"value_on": "2026-04-02", "legs": legs} | more


def fee_charged(quantity: str, **more: Any) -> dict[str, Any]:
    legs = [leg("debit", quantity), leg("credit", quantity, "house_capital", "")]
    return {"value_on": "2026-04-02", "legs": legs} | more


def batch(*journals: dict[str, Any], mode: str = "independent") -> dict[str, Any]:
    return {"mode": mode, "journals": list(journals)}


def cash(house: House) -> Decimal:
    return holding(house.world.broker.book, AccountKey("client_cash", "HKD", "C001"))


def traces() -> list[int]:
    return [model.objects.count() for model in (Journal, Entry, Account, PostingKey, Event)]


def test_a_journal_is_booked_as_it_was_written(house: House, poster: Caller):
    before = cash(house)
    body = fee_back(kind="fee_correction", cause="client:C001", narrative="Charged twice")

    response = poster.post("journals", body)

    assert response.status_code == 201, response.content
    told = response.json()
    assert (told["kind"], told["value_on"], told["cause"]) == ("fee_correction", "2026-04-02", "client:C001")
    assert (told["narrative"], told["entry_count"], told["reversal_of"]) == ("Charged twice", 2, None)
    assert told["actor"].startswith("api:")
    entries = poster.get(f"journals/{told['id']}").json()["entries"]
    assert [(e["role"], e["client"], e["amount"]) for e in entries] == [
        ("house_capital", "", "120.50"),
        ("client_cash", "C001", "-120.50"),
    ]
    assert cash(house) == before + Decimal("120.50")


def test_only_a_key_that_was_given_the_right_posts(house: House):
    for path in ("journals", "journal-batches", "journals/preview"):
        problem(house.system.post(path, fee_back()), 403, "not_granted")
    journal = Journal.objects.latest("pk").pk
    problem(house.system.post(f"journals/{journal}/reversals", {"reason": "Mistake"}), 403, "not_granted")
    assert house.system.get("journals").status_code == 200


def test_a_person_needs_the_permission(house: House):
    officer = user("ng")
    Staff.objects.create(user=officer, broker=house.world.broker)
    assert signed_in(officer).post("journals", fee_back()).status_code == 403
    officer.user_permissions.add(Permission.objects.get(codename="add_journal"))
    assert signed_in(user("ng")).post("journals", fee_back()).status_code == 201


def test_a_house_operator_names_the_firm(house: House):
    boss = signed_in(user("boss", is_superuser=True))
    problem(boss.post("journals", fee_back()), 422, "broker_required")
    assert boss.post("journals?broker=HARBOUR", fee_back()).status_code == 201


def test_a_firm_posts_to_its_own_clients_only(house: House):
    peak = system_of(peak_brokerage(), may_post_journals=True)
    before = traces()
    told = problem(peak.post("journals", fee_back()), 422, "unknown_client")
    assert [e["field"] for e in told["errors"]] == ["legs.1.client"]
    [result] = peak.post("journal-batches", batch(fee_back(key="f1"))).json()["results"]
    assert (result["is_refused"], result["problem"]["code"]) == (True, "unknown_client")
    told = problem(
        peak.post("journal-batches", batch(fee_back(key="f1"), mode="all_or_none")), 422, "unknown_client"
    )
    assert [e["field"] for e in told["errors"]] == ["journals.0.legs.1.client"]
    assert traces() == before


@pytest.mark.parametrize("path", ["journals", "journals/preview", "journal-batches"])
def test_a_bad_number_is_refused_by_field_and_rule(house: House, poster: Caller, path: str):
    before, found = traces(), {}
    where = "legs.1.quantity" if path == "journals" else "journals.1.legs.1.quantity"
    for written, rule in RULES:
        text = json.dumps(fee_back("7777", key="f2") if path != "journals" else fee_back("7777"))
        head, _mark, tail = text.rpartition('"7777"')
        text = head + written + tail
        if path != "journals":
            text = f'{{"mode": "independent", "journals": [{json.dumps(fee_back(key="f1"))}, {text}]}}'
        if rule == "surplus_decimals":
            text = text.replace("0.001", "0.0000000000000000001")
        found[written, rule] = broken_rules(poster.send(path, text, **{"Idempotency-Key": "k1"}))
    assert found == {row: [(where, row[1])] for row in RULES}
    assert traces() == before
    assert not Command.objects.filter(key="k1").exists()


def test_what_no_account_can_be_of_is_refused_at_its_leg(house: House, poster: Caller):
    """Nothing of it stays, and its key may be used again."""
    lost = [
        leg("debit", "1", "custody", "", asset="BTC", location="MOON"),
        leg("credit", "1", asset="BTC", location="MOON"),
    ]
    odd = [leg("debit", "1", asset="DOGE"), leg("credit", "1", "house_capital", "")]
    nowhere = [
        leg("debit", "1", "custody", "", asset="BTC"),
        leg("credit", "1", "house_capital", "", asset="BTC"),
    ]
    half = [
        leg("debit", "1.001", "house_capital", ""),
        leg("credit", "1", "client_cash"),
        leg("credit", "0.001", "house_capital", ""),
    ]
    before = traces()
    for legs, field, code in (
        (lost, "legs.0.location", "unknown_location"),
        (odd, "legs.0.asset", "unknown_asset"),
        (nowhere, "legs.0.location", "location_required"),
    ):
        told = problem(poster.post("journals", fee_back(legs=legs)), 422, code)
        assert [(e["field"], e["code"]) for e in told["errors"]] == [(field, code)]
    half[0]["quantity"], half[2]["quantity"] = "1.001", "0.001"
    half[2]["role"] = "fee_income"
    told = problem(poster.post("journals", fee_back(legs=half)), 422, "inexact")
    assert [e["field"] for e in told["errors"]] == ["legs.0.quantity"]
    uneven = [leg("debit", "1", "house_capital", ""), leg("credit", "0.99")]
    problem(poster.post("journals", fee_back(legs=uneven)), 422, "unbalanced")
    after = traces()
    # An unbalanced journal is refused by the database and its refusal kept under its key.
    assert [after[n] - before[n] for n in range(5)] == [0, 0, 0, 1, 0]


def test_unknown_fields_roles_and_sides_are_named(house: House, poster: Caller):
    body = fee_back(legs=[leg("debit", "1", "petty_cash"), leg("left", "1", colour="red")], colour="red")
    assert broken_rules(poster.post("journals", body)) == [("colour", "unknown_field")]
    del body["colour"]
    assert broken_rules(poster.post("journals", body)) == [
        ("legs.0.role", "invalid_choice"),
        ("legs.1.colour", "unknown_field"),
    ]
    assert broken_rules(poster.post("journals", {"legs": []})) == [
        ("value_on", "required"),
        ("legs", "min_length"),
    ]
    assert broken_rules(poster.post("journals", fee_back(kind="Fee!"))) == [("kind", "invalid")]
    assert broken_rules(poster.post("journal-batches", batch(fee_back()))) == [("journals.0.key", "required")]
    assert broken_rules(poster.post("journal-batches", {"mode": "some", "journals": []})) == [
        ("mode", "invalid_choice"),
        ("journals", "min_length"),
    ]


def test_the_limits_are_published_and_named_when_passed(house: House, poster: Caller, monkeypatch: Any):
    assert poster.get("limits").json() == {
        "journals_per_batch": 5000,
        "entries_per_journal": 500,
        "body_bytes": 1_048_576,
        "batch_body_bytes": 16_777_216,
    }
    many = [leg("debit", "1", "house_capital", "")] * 500 + [leg("credit", "500")]
    told = problem(poster.post("journals", fee_back(legs=many)), 422, "journal_size")
    assert told["details"] == {"limit": 500}
    crowd = [fee_back(key=f"f{n}") for n in range(5001)]
    told = problem(poster.post("journal-batches", batch(*crowd)), 422, "batch_too_large")
    assert told["details"] == {"limit": 5000}
    assert [(e["field"], e["code"]) for e in told["errors"]] == [("journals", "batch_too_large")]


def test_a_retry_after_a_lost_reply_gets_the_first_answer(house: House, poster: Caller):
    first = poster.post("journals", fee_back(), key="k1")
    again = poster.post("journals", fee_back(), key="k1")
    assert (first.json(), again["Idempotency-Replayed"]) == (again.json(), "true")

    refused = problem(
        poster.post("journals", fee_charged("999999999.00"), key="k2"), 422, "insufficient_balance"
    )
    poster.post("journals", fee_back("999999999.00"))
    remembered = poster.post("journals", fee_charged("999999999.00"), key="k2")
    assert problem(remembered, 422, "insufficient_balance")["detail"] == refused["detail"]
    assert remembered["Idempotency-Replayed"] == "true"

    told = problem(poster.post("journals", fee_back("120.51"), key="k1"), 422, "idempotency_key_reused")
    assert [e["field"] for e in told["errors"]] == ["legs"]


def test_a_journal_has_one_effect_whichever_request_brings_it(house: House, poster: Caller):
    before = cash(house)
    single = poster.post("journals", fee_back(), key="fee-1").json()["id"]

    [known] = poster.post("journal-batches", batch(fee_back(key="fee-1"))).json()["results"]
    assert (known["journal"], known["is_replay"]) == (single, True)
    refused = fee_charged("999999999.00")
    assert poster.post("journals", refused, key="fee-2").status_code == 422
    poster.post("journals", fee_back("999999999.00"))
    [kept] = poster.post("journal-batches", batch({**refused, "key": "fee-2"})).json()["results"]
    assert (kept["is_refused"], kept["is_replay"]) == (True, True)
    assert cash(house) == before + Decimal("120.50") + Decimal("999999999.00")


def test_an_independent_batch_answers_each_in_order(house: House, poster: Caller):
    before = cash(house)
    body = batch(
        fee_back("1.00", key="a"),
        fee_charged("999999999.00", key="b"),
        fee_back("1.00", key="a"),
        fee_back("2.00", key="a"),
        fee_back("4.00", key="c"),
    )

    response = poster.post("journal-batches", body, key="batch-1")

    assert response.status_code == 201
    results = response.json()["results"]
    codes = [r["problem"]["code"] if r["is_refused"] else None for r in results]
    assert [r["key"] for r in results] == ["a", "b", "a", "a", "c"]
    assert codes == [None, "insufficient_balance", None, "idempotency_key_reused", None]
    assert [r["is_replay"] for r in results] == [False, False, True, False, False]
    assert results[0]["journal"] == results[2]["journal"]
    assert cash(house) == before + Decimal("5.00")
    assert poster.post("journal-batches", body, key="batch-1").json() == response.json()
    replayed = poster.post("journal-batches", body, key="batch-2").json()["results"]
    assert [r["is_replay"] for r in replayed] == [True, True, True, False, True]


def test_all_or_none_names_the_journal_it_is_refused_for(house: House, poster: Caller):
    before = traces()
    body = batch(
        *[fee_back("1.00", key=f"a{n}") for n in range(9)],
        fee_charged("999999999.00", key="b"),
        fee_charged("999999999.00", key="c"),
        mode="all_or_none",
    )
    told = problem(poster.post("journal-batches", body), 422, "insufficient_balance")
    assert told["details"]["item"] == 9
    assert [e["field"] for e in told["errors"]] == ["journals.9.quantity"]
    assert traces() == before

    body["journals"] = body["journals"][:9]
    response = poster.post("journal-batches", body)
    assert [r["is_replay"] for r in response.json()["results"]] == [False] * 9
    assert Journal.objects.filter(pk__in=[r["journal"] for r in response.json()["results"]]).count() == 9


def test_a_preview_says_what_posting_then_does_and_leaves_nothing(house: House, poster: Caller):
    poster.post("journals", fee_back("1.00"))
    body = batch(fee_back("1.00", key="a"), fee_charged("999999999.00", key="b"))
    before, commands = traces(), Command.objects.count()

    seen = poster.client.post("/api/v1/journals/preview", body, format="json")

    assert seen.status_code == 200, seen.content
    assert (traces(), Command.objects.count()) == (before, commands)
    done = poster.post("journal-batches", body).json()
    expected = [{**r, "journal": None} for r in done["results"]]
    assert seen.json()["results"] == expected
    shown = {
        (a["role"], a["client"]): (a["quantity"], a["held"], a["available"]) for a in seen.json()["accounts"]
    }
    standing = f"{cash(house):.2f}"
    assert shown["client_cash", "C001"] == (standing, "0.00", standing)


def test_a_preview_of_all_or_none_is_refused_as_the_batch_is(house: House, poster: Caller):
    poster.post("journals", fee_back("1.00"))
    body = batch(fee_back("1.00", key="a"), fee_charged("999999999.00", key="b"), mode="all_or_none")
    seen = problem(poster.post("journals/preview", body), 422, "insufficient_balance")
    done = problem(poster.post("journal-batches", body), 422, "insufficient_balance")
    assert (seen["detail"], seen["errors"], seen["details"]) == (
        done["detail"],
        done["errors"],
        done["details"],
    )


def test_a_reversal_whole_and_in_part(house: House, poster: Caller):
    before = cash(house)
    journal = poster.post("journals", fee_back("100.00")).json()["id"]
    part = [leg("debit", "30.00", "house_capital", ""), leg("credit", "30.00")]

    first = poster.post(f"journals/{journal}/reversals", {"reason": "Partly wrong", "legs": part}, key="r1")
    assert first.status_code == 201, first.content
    assert first.json()["reversal_of"] == journal
    assert cash(house) == before + Decimal("70.00")
    rest = poster.post(
        f"journals/{journal}/reversals", {"reason": "All wrong", "value_on": "2026-04-01"}, key="r2"
    )
    assert rest.json()["value_on"] == "2026-04-01"
    assert cash(house) == before
    assert (
        poster.post(
            f"journals/{journal}/reversals", {"reason": "Partly wrong", "legs": part}, key="r1"
        ).json()
        == first.json()
    )
    problem(poster.post(f"journals/{journal}/reversals", {"reason": "Again"}), 409, "already_reversed")
    assert broken_rules(poster.post(f"journals/{journal}/reversals", {"reason": ""})) == [("reason", "blank")]


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_in_flight_the_second_is_told_to_wait(monkeypatch: pytest.MonkeyPatch):
    world, _chan = v01()
    poster = system_of(world.broker, may_post_journals=True)
    inside, go_on, replies = threading.Event(), threading.Event(), []

    def slowly(*arguments: Any, **options: Any) -> Any:
        inside.set()
        assert go_on.wait(timeout=20)
        return posting.post_each_for(*arguments, **options)

    def first_call() -> None:
        try:
            with at(NOW):
                replies.append(
                    system_of(world.broker, may_post_journals=True).post("journals", fee_back(), key="k1")
                )
        finally:
            connection.close()

    monkeypatch.setattr(coalescing, "post_each_for", slowly)
    worker = threading.Thread(target=first_call)
    worker.start()
    assert inside.wait(timeout=20)
    with at(NOW):
        waiting = poster.post("journals", fee_back(), key="k1")
        go_on.set()
        worker.join(timeout=20)
        afterwards = poster.post("journals", fee_back(), key="k1")

    problem(waiting, 409, "in_flight")
    assert afterwards.json() == replies[0].json()
    assert Journal.objects.filter(kind="manual").count() == 1


ORDINARY = {
    "key": "k",
    "kind": "fee",
    "value_on": "2026-04-02",
    "cause": "a",
    "narrative": "費用",
    "legs": [],
}
ODD: list[tuple[str, Any]] = [
    ("key", ""), ("key", "a b"), ("key", "x" * 201), ("key", 5), ("kind", ""), ("kind", "Fee"), ("kind", "a" * 41),
    ("kind", "fee\n"), ("value_on", "2026-4-2"), ("value_on", "2026-02-30"), ("value_on", None), ("cause", None),
    ("cause", "x" * 121), ("narrative", "a\x00b"), ("narrative", "\ud800"), ("narrative", ["x"]), ("legs", "ab"),
    ("legs", {"0": 1, "1": 2}), ("legs", [1, 2]), ("colour", "red"),
]  # fmt: skip
ODD_LEGS: list[tuple[str, Any]] = [
    ("role", "petty_cash"), ("role", ["client_cash"]), ("asset", ""), ("asset", "X" * 17), ("client", None),
    ("client", "x" * 41), ("location", 7), ("side", "left"), ("side", "Debit"), ("colour", "red"),
    *[("quantity", json.loads(written)) for written, _rule in RULES if written not in ("1e400", '"0.001"')],
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [*ODD, *[(f"legs.{name}", value) for name, value in ODD_LEGS]])
def test_the_quick_reading_takes_nothing_that_the_declared_fields_refuse(name: str, value: Any):
    legs = [leg("debit", "1.50"), leg("credit", "1.50")]
    item: dict[str, Any] = {**ORDINARY, "legs": legs}
    if name.startswith("legs."):
        legs[1] = {**legs[1], name.removeprefix("legs."): value}
    else:
        item[name] = value
    declared = BatchItemSerializer(data=item)
    assert not declared.is_valid(), name
    assert _at_once(item) is None


@pytest.mark.parametrize("left_out", [(), ("kind",), ("cause", "narrative"), ("kind", "cause", "narrative")])
def test_the_quick_reading_says_what_the_declared_fields_say(left_out: tuple[str, ...]):
    bare = {"role": "nostro", "asset": "HKD", "side": "debit", "quantity": "1.5000"}
    item = {**ORDINARY, "legs": [bare, leg("credit", "1.50", location="BANK")]}
    for name in left_out:
        del item[name]
    read = _at_once(item)
    declared = BatchItemSerializer(data=item)
    assert declared.is_valid(), declared.errors
    assert read == declared.validated_data
    assert read is not None
    assert read.legs[1] == Leg(AccountKey("client_cash", "HKD", "C001", "BANK"), Decimal("-1.50"))

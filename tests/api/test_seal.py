"""Blocks, proofs and balances as they stood, for the firm whose book it is."""

from __future__ import annotations

from ledger.models import Journal
from ledger.seal import verify
from tests.builders import user

from .conftest import House, broken_rules, problem, signed_in
from .stories import sealed


def test_a_journal_is_proved_and_its_block_is_listed(house: House):
    sealed()
    journal = Journal.objects.latest("pk")

    proof = house.system.get(f"journals/{journal.pk}/proof").json()
    [block] = house.system.get("blocks").json()["results"]

    verdict = verify.verify(proof, [verify.Anchor("HARBOUR", 1, block["hash"])])
    assert (verdict.journal, verdict.block, verdict.anchored) == (str(journal.pk), 1, (1,))
    assert block == proof["blocks"][0]
    assert house.system.get(f"journals/{journal.pk}/proof", through="9").json() == proof
    assert broken_rules(house.system.get(f"journals/{journal.pk}/proof", through="x")) == [
        ("through", "invalid")
    ]


def test_what_is_not_sealed_yet_is_a_conflict(house: House):
    journal = Journal.objects.latest("pk")

    problem(house.system.get(f"journals/{journal.pk}/proof"), 409, "not_sealed_yet")


def test_balances_as_they_stood(house: House):
    def coins(**asked: str) -> list[tuple[str, int]]:
        rows = house.system.get("balances", client="C001", asset="BTC", **asked).json()["results"]
        return [(row["quantity"], row["version"]) for row in rows]

    sealed()
    value_on = Journal.objects.latest("pk").value_on.isoformat()
    house.system.post("clients/C001/collateral-deposits", {"asset": "BTC", "quantity": "0.5"})

    assert coins() == [("2.00000000", 2)]
    assert coins(as_of="2020-01-01") == [("0.00000000", 2)]
    assert coins(as_of="2030-01-01") == [("2.00000000", 2)]
    assert coins(as_of="2030-01-01", block="1") == [("1.50000000", 1)]
    assert coins(as_of=value_on, block="0") == [("0.00000000", 0)]


def test_what_cannot_be_asked_of_the_past(house: House):
    def wrong(**asked: str) -> list[tuple[str, str]]:
        return broken_rules(house.system.get("balances", **asked))

    assert wrong(as_of="yesterday") == [("as_of", "invalid")]
    assert wrong(as_of="20220613") == [("as_of", "invalid")]
    assert wrong(block="1") == [("block", "needs_as_of")]
    assert wrong(as_of="2022-06-13", block="1") == [("block", "unknown_block")]
    assert wrong(as_of="2022-06-13", block="-1") == [("block", "invalid")]
    operator = signed_in(user("boss", is_superuser=True))
    assert broken_rules(operator.get("balances", as_of="2022-06-13", block="0")) == [
        ("block", "needs_a_book")
    ]

"""A proof is judged without the database: good ones hold, and whatever is changed in one is seen."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import posting
from ledger.models import Block, Book, Journal
from ledger.seal import verify
from ledger.seal.anchor import append_to
from ledger.seal.proof import NotSealedYet, prove
from ledger.seal.sealer import seal
from tests.ledger.books import cash_in, cash_out, pledge

CHAN, LEE = "H0001", "H0002"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def sealed(book: Book, transactional_db: None) -> Book:
    """Block 1 of seven journals, blocks 2 and 3 of one."""
    deposits = [cash_in(f"d{n}", CHAN, f"{n + 1}.00", narrative=f"支票 {n} \x02") for n in range(7)]
    posting.post_batch(book, deposits, actor="ops")
    seal()
    for request in (pledge("p1", CHAN, "1.5"), cash_out("w1", CHAN, "0.50")):
        posting.post(book, request, actor="ops")
        seal()
    return book


def proof_of(key: str, through: int = 3) -> dict[str, Any]:
    return prove(Journal.objects.get(idempotency_key=key), through=through)


def rejected(proof: object) -> str:
    with pytest.raises(verify.ProofRejected) as why:
        verify.verify(proof)
    return str(why.value)


@pytest.mark.django_db(transaction=True)
def test_every_journal_of_a_block_can_be_proved(sealed: Book) -> None:
    newest = Block.objects.get(number=3)
    for n in range(7):
        verdict = verify.verify(proof_of(f"d{n}"))
        assert (verdict.book, verdict.block, verdict.newest) == ("HARBOUR", 1, 3)
        assert verdict.newest_hash == bytes(newest.hash).hex()
    assert verify.verify(proof_of("w1", through=0)).newest == 3


@pytest.mark.django_db(transaction=True)
def test_what_is_not_sealed_cannot_be_proved_yet(sealed: Book) -> None:
    posting.post(sealed, cash_in("late", CHAN, "1.00"), actor="ops")
    with pytest.raises(NotSealedYet):
        proof_of("late")


@pytest.mark.django_db(transaction=True)
def test_every_change_of_a_single_bit_is_seen(sealed: Book) -> None:
    """Every bit of every byte, not a sample: what still parses to another proof is rejected."""
    proof = proof_of("d4", through=2)
    text = json.dumps(proof, ensure_ascii=False, indent=1).encode()
    accepted = []
    for place in range(len(text)):
        for bit in range(8):
            changed = bytearray(text)
            changed[place] ^= 1 << bit
            try:
                parsed = verify.read(changed.decode())
                verify.verify(parsed)
            except (verify.ProofRejected, UnicodeDecodeError):
                continue
            if parsed != proof:
                accepted.append((place, bit, bytes(changed[place - 20 : place + 20])))
    assert accepted == []


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object], str]] = [
    ("entries in another order", lambda p: p["journal"]["entries"].reverse(), "not in their order"),
    ("an entry less", lambda p: p["journal"]["entries"].pop(), "does not have the entries"),
    ("an entry more", lambda p: p["journal"]["entries"].append({}), "does not have the entries"),
    ("a hole in the chain", lambda p: p["blocks"].pop(1), "block 3 does not follow"),
    ("no chain", lambda p: p["blocks"].clear(), "names no block"),
    ("the chain turned round", lambda p: p["blocks"].reverse(), "block 2 does not follow"),
    ("a block twice", lambda p: p["blocks"].insert(1, p["blocks"][0]), "block 1 does not follow"),
    ("another block's root", lambda p: p["blocks"].pop(0), "lies outside the block"),
    ("a longer path", lambda p: p["path"].append("0" * 64), "too long"),
    ("a shorter path", lambda p: p["path"].pop(), "too short"),
    ("a path in capitals", lambda p: p.update(path=[s.upper() for s in p["path"]]), "not a list of hashes"),
    ("another place", lambda p: p.update(place=5), "does not lead to the root"),
    ("a place outside", lambda p: p.update(place=7), "outside a block of 7"),
    ("a place that is a truth", lambda p: p.update(place=True), "not a whole number"),
    ("a field more", lambda p: p["journal"].update(note="x"), "does not have the fields"),
    ("a field less", lambda p: p["journal"].pop("actor"), "does not have the fields"),
    ("a number for a text", lambda p: p["journal"].update(kind=7), "not a text"),
    ("nothing for a text", lambda p: p["journal"].update(cause=None), "not a text"),
    ("half a character", lambda p: p["journal"].update(cause="\ud800"), "not a text"),
    ("a number written otherwise", lambda p: p["blocks"][0].update(number="01"), "not a number"),
    ("another form", lambda p: p.update(format="lombard.proof/2"), "not a proof of the form"),
]


@pytest.mark.django_db(transaction=True)
def test_what_a_forger_would_try(sealed: Book) -> None:
    good = proof_of("d4")
    for name, change, message in CHANGES:
        forged = copy.deepcopy(good)
        change(forged)
        assert message in rejected(forged), name
    other = proof_of("p1")
    assert "lies outside the block" in rejected(good | {"blocks": other["blocks"]})
    assert "does not lead to the root" in rejected(good | {"path": proof_of("d5")["path"]})
    assert "does not lead to the root" in rejected(good | {"journal": proof_of("d5")["journal"]})
    for what in (None, [], "x", 3):
        assert "does not have the fields" in rejected(what)
    with pytest.raises(verify.ProofRejected, match="given twice"):
        verify.read('{"a": 1, "a": 2}')
    with pytest.raises(verify.ProofRejected, match="not JSON"):
        verify.read("{")


@pytest.mark.django_db(transaction=True)
def test_from_the_books_to_the_verdict_on_the_command_line(sealed: Book, tmp_path: Path) -> None:
    """Sealed, anchored, proved and judged by commands; the judge runs without settings and without a database."""
    journal = Journal.objects.get(idempotency_key="d4")
    anchors, told = tmp_path / "anchors.txt", tmp_path / "proof.json"
    out = StringIO()
    call_command("seal", "--anchor", str(anchors), stdout=out)
    assert append_to(anchors) == 0
    entry = journal.entries.get(position=2)
    for name in (str(journal.pk), str(entry.pk)):
        written = StringIO()
        call_command("prove", name, stdout=written)
        told.write_text(written.getvalue(), encoding="utf-8")

    good = _judge(told, "--anchor", anchors)
    assert good.returncode == 0, good.stdout + good.stderr
    assert good.stdout.splitlines() == [
        f"journal {journal.pk} lies in block 1 of HARBOUR",
        f"the chain holds to block 3, {bytes(Block.objects.get(number=3).hash).hex()}",
        "kept outside too: block 3",
    ]
    told.write_text(told.read_text(encoding="utf-8").replace('"500"', '"501"'), encoding="utf-8")
    forged = _judge(told)
    assert (forged.returncode, forged.stdout) == (
        1,
        "REJECTED: the journal does not lead to the root of the block\n",
    )


def _judge(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", "-m", "ledger.seal.verify", *map(str, arguments)],
        cwd=ROOT,
        env={"PATH": "", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.django_db(transaction=True)
def test_the_proof_command_says_what_it_cannot_prove(sealed: Book) -> None:
    posting.post(sealed, cash_in("late", CHAN, "1.00"), actor="ops")
    late = Journal.objects.get(idempotency_key="late")
    with pytest.raises(CommandError, match="not sealed yet"):
        call_command("prove", str(late.pk))
    for name in ("999999999", "nothing", "01890a5d-0000-7000-8000-000000000000"):
        with pytest.raises(CommandError, match="there is no journal or entry"):
            call_command("prove", name)


@pytest.mark.django_db(transaction=True)
def test_anchors_of_other_books_and_of_other_blocks_prove_nothing(sealed: Book) -> None:
    proof = proof_of("d4", through=2)
    newest = bytes(Block.objects.get(number=2).hash).hex()

    assert verify.verify(proof, [verify.Anchor("HARBOUR", 2, newest)]).anchored == (2,)
    for anchors in (
        [],
        [verify.Anchor("OTHER", 2, newest)],
        [verify.Anchor("HARBOUR", 3, bytes(Block.objects.get(number=3).hash).hex())],
    ):
        with pytest.raises(verify.ProofRejected, match="none of the blocks is among the hashes kept outside"):
            verify.verify(proof, anchors)


def test_what_is_no_line_of_an_anchor_file() -> None:
    anchors = verify.read_anchors(f"3 {'a' * 64} 2022-05-12T00:00:00.000000Z A BOOK OF WORDS\n")
    assert anchors == [verify.Anchor("A BOOK OF WORDS", 3, "a" * 64)]
    for line in ("3 abc x y", f"x {'a' * 64} t b", f"3 {'a' * 64}"):
        with pytest.raises(verify.ProofRejected, match="not a line of an anchor file"):
            verify.read_anchors(line)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70, unique=True), st.data())
def test_a_path_leads_to_the_root_from_its_own_leaf_and_from_no_other(
    leaves: list[bytes], data: st.DataObject
) -> None:
    root = verify.tree(leaves)[-1][0]
    place = data.draw(st.integers(0, len(leaves) - 1))
    path = verify.path_to(leaves, place)

    assert verify.root_from(leaves[place], place, len(leaves), path) == root
    for other in range(len(leaves)):
        if other != place:
            assert verify.root_from(leaves[other], other, len(leaves), verify.path_to(leaves, other)) == root
            try:
                assert verify.root_from(leaves[place], other, len(leaves), path) != root
            except verify.ProofRejected:
                continue


@given(st.lists(st.none() | st.text(), max_size=5), st.lists(st.none() | st.text(), max_size=5))
def test_no_two_rows_have_the_same_bytes(one: list[str | None], other: list[str | None]) -> None:
    assert (verify.record(one) == verify.record(other)) == (one == other)

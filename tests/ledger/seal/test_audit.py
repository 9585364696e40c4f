"""A superuser alters what was sealed; the audit names the row, and where all was made anew, the hash kept outside does."""

from __future__ import annotations

import pytest

from ledger import audit, outbox, posting
from ledger.models import Block, Book, Journal
from ledger.requests import JournalRequest, body_hash
from ledger.seal import proof, verify
from ledger.seal.anchor import anchor_lines
from ledger.seal.sealer import seal
from tests.ledger.books import BANK, account_id, cash, cash_in, cash_out, pledge, sql, without_law

pytestmark = pytest.mark.django_db(transaction=True)
CHAN, LEE = "H0001", "H0002"


@pytest.fixture
def sealed(book: Book) -> Book:
    """Three blocks: two deposits, a pledge, a withdrawal; then a deposit that is not sealed."""
    posting.post_batch(
        book, [cash_in("d1", CHAN, "100.00", narrative="Cheque 17"), cash_in("d2", LEE, "50.00")], actor="ops"
    )
    seal()
    posting.post(book, pledge("p1", CHAN, "1.5"), actor="ops")
    seal()
    posting.post(book, cash_out("w1", CHAN, "30.00"), actor="ops")
    seal()
    posting.post(book, cash_in("d3", CHAN, "1.00"), actor="ops")
    return book


def found() -> dict[str, list[tuple[str, str]]]:
    told: dict[str, list[tuple[str, str]]] = {}
    for finding in audit.run().findings:
        told.setdefault(finding.check.removeprefix("ledger."), []).append((finding.subject, finding.message))
    return told


def journal(key: str) -> Journal:
    return Journal.objects.get(idempotency_key=key)


def alter_amount(book: Book, key: str, by: int) -> None:
    """Alter a deposit with all that was derived from it: entries, balances, days and the journal's own hash."""
    pk = journal(key).pk
    bank = f"(SELECT account_id FROM ledger_entry WHERE journal_id = '{pk}' AND position = 1)"
    other = f"(SELECT account_id FROM ledger_entry WHERE journal_id = '{pk}' AND position = 2)"
    statements = []
    for account, atoms in ((bank, by), (other, -by)):
        from_version = (
            f"(SELECT version FROM ledger_entry WHERE journal_id = '{pk}' AND account_id = {account})"
        )
        statements += [
            f"UPDATE ledger_entry SET amount_atoms = amount_atoms + ({atoms})"
            f" WHERE journal_id = '{pk}' AND account_id = {account}",
            f"UPDATE ledger_entry SET balance_atoms = balance_atoms + ({atoms})"
            f" WHERE account_id = {account} AND version >= {from_version}",
            f"UPDATE ledger_balance SET net_atoms = net_atoms + ({atoms}) WHERE account_id = {account}",
            f"UPDATE ledger_balance_day SET delta_atoms = delta_atoms + ({atoms})"
            f" WHERE account_id = {account} AND block = 1",
            f"UPDATE ledger_balance_day SET total_atoms = total_atoms + ({atoms}) WHERE account_id = {account}",
        ]
    without_law(*statements)
    legs = tuple(posting._legs_of(journal(key)))
    row = journal(key)
    digest = body_hash(JournalRequest("", row.kind, legs, row.value_on, row.cause), legs).hex()
    without_law(f"UPDATE ledger_journal SET body_hash = '\\x{digest}' WHERE id = '{pk}'")


def chain_anew() -> None:
    """Make all hashes anew over what stands in the books now, and tell the outbox so too."""
    without_law(
        """
        DO $$
        DECLARE b ledger_block; last bytea;
        BEGIN
            FOR b IN SELECT * FROM ledger_block ORDER BY book_id, number LOOP
                UPDATE ledger_block_leaves SET leaves = (
                    SELECT array_agg(leaf ORDER BY transaction, journal_id)
                      FROM ledger_leaves(b.from_transaction, b.to_transaction, b.book_id)) WHERE block_id = b.id;
                UPDATE ledger_block SET previous_hash = coalesce(last, previous_hash), merkle_root = ledger_merkle_root(
                    (SELECT leaves FROM ledger_block_leaves WHERE block_id = b.id)) WHERE id = b.id RETURNING * INTO b;
                UPDATE ledger_block SET hash = ledger_block_hash(b) WHERE id = b.id RETURNING hash INTO last;
                UPDATE core_event SET payload = payload || jsonb_build_object('hash', encode(last, 'hex'))
                 WHERE topic = 'ledger.block.sealed' AND subject_id = b.id::text;
            END LOOP;
        END $$
        """
    )


def test_sealed_books_have_no_findings(sealed: Book) -> None:
    assert found() == {}


def test_a_narrative_altered(sealed: Book) -> None:
    """No amount and no body hash says anything of it: only the seal does."""
    d1 = journal("d1").pk
    without_law(f"UPDATE ledger_journal SET narrative = 'Cheque 71' WHERE id = '{d1}'")

    assert found() == {
        "blocks_hold_what_was_sealed": [
            ("block 1 of HARBOUR", "its journals do not lead to its root"),
            (f"journal {d1}", "is not what was sealed in block 1 of HARBOUR"),
        ]
    }
    with pytest.raises(proof.SealBroken):
        proof.prove(journal("d1"))


def test_an_amount_forged_with_everything_that_follows_from_it(sealed: Book) -> None:
    """Entries, running balances, balances, days and the body's hash all agree: only the seal does not.

    Journals state the balances they left behind, so every later one on the same accounts tells too.
    """
    alter_amount(sealed, "d1", 900_000)

    told = found()
    assert told.keys() == {"blocks_hold_what_was_sealed"}
    assert sorted(told["blocks_hold_what_was_sealed"]) == sorted(
        [
            ("block 1 of HARBOUR", "its journals do not lead to its root"),
            ("block 3 of HARBOUR", "its journals do not lead to its root"),
            (f"journal {journal('d1').pk}", "is not what was sealed in block 1 of HARBOUR"),
            (f"journal {journal('d2').pk}", "is not what was sealed in block 1 of HARBOUR"),
            (f"journal {journal('w1').pk}", "is not what was sealed in block 3 of HARBOUR"),
        ]
    )


def test_a_journal_taken_out_of_a_block(sealed: Book) -> None:
    p1 = journal("p1").pk
    without_law(
        f"DELETE FROM ledger_entry WHERE journal_id = '{p1}'",
        f"DELETE FROM ledger_journal WHERE id = '{p1}'",
        "DELETE FROM ledger_key WHERE key = 'p1'",
    )

    assert found()["blocks_hold_what_was_sealed"] == [
        ("block 2 of HARBOUR", "sealed 1 journals of 2 entries; the books hold 0 of 0")
    ]


def test_a_journal_slipped_into_an_old_block(sealed: Book) -> None:
    d3 = journal("d3").pk
    inside = Block.objects.get(number=2).to_transaction - 1
    without_law(f"UPDATE ledger_journal SET transaction = '{inside}' WHERE id = '{d3}'")

    assert found()["blocks_hold_what_was_sealed"] == [
        ("block 2 of HARBOUR", "sealed 1 journals of 2 entries; the books hold 2 of 4"),
        (f"journal {d3}", "is not what was sealed in block 2 of HARBOUR"),
    ]


def test_the_newest_block_deleted(sealed: Book) -> None:
    newest = Block.objects.get(number=3).pk
    without_law(
        "DELETE FROM ledger_balance_day WHERE block = 3",
        f"DELETE FROM ledger_block_leaves WHERE block_id = {newest}",
        f"DELETE FROM ledger_block WHERE id = {newest}",
    )
    told = found()

    assert [subject for subject, message in told["blocks_follow"]] == ["block 3 of HARBOUR"]
    assert "told of it and it does not exist" in told["blocks_follow"][0][1]
    # The books are sealed again, under another hash: what was told before stays told.
    seal()
    assert found()["blocks_follow"][0][0] == "block 3 of HARBOUR"


def test_a_block_deleted_from_the_middle(sealed: Book) -> None:
    middle = Block.objects.get(number=2).pk
    without_law(
        f"DELETE FROM ledger_block_leaves WHERE block_id = {middle}",
        f"DELETE FROM ledger_block WHERE id = {middle}",
    )
    told = found()

    assert ("block 3 of HARBOUR", "comes as number 2") in told["blocks_follow"]
    assert told["blocks_hold_what_was_sealed"] == [
        (f"journal {journal('p1').pk}", "is older than the newest seal and lies in no block")
    ]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("sealed_at = sealed_at - interval '1 day'", "its hash is not that of what it says"),
        ("hash = sha256('x')", "its hash is not that of what it says"),
        ("previous_hash = sha256('x')", "does not name the hash of the block before it"),
        ("from_transaction = '1'", "covers transactions 1 to"),
        ("number = 7", "comes as number 3"),
    ],
)
def test_a_header_altered(sealed: Book, damage: str, message: str) -> None:
    without_law(f"UPDATE ledger_block SET {damage} WHERE number = 3")

    subject = "block 7 of HARBOUR" if "number = 7" in damage else "block 3 of HARBOUR"
    assert any(s == subject and m.startswith(message) for s, m in found()["blocks_follow"])


def test_counts_and_kept_hashes_altered(sealed: Book) -> None:
    without_law("UPDATE ledger_block SET journal_count = 3 WHERE number = 1")
    assert ("block 1 of HARBOUR", "sealed 3 journals of 4 entries; the books hold 2 of 4") in found()[
        "blocks_hold_what_was_sealed"
    ]
    without_law("UPDATE ledger_block SET journal_count = 2", "UPDATE ledger_block_leaves SET leaves = '{}'")
    assert found()["blocks_hold_what_was_sealed"][0] == (
        "block 1 of HARBOUR",
        "the hashes kept of its journals do not lead to its root",
    )


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            "UPDATE ledger_balance_day SET delta_atoms = -9999 WHERE account_id = {chan} AND block = 1",
            "block 1, value date 2022-05-12: says -9999 atoms of 1 entries; the entries make -10000 of 1",
        ),
        (
            "UPDATE ledger_balance_day SET total_atoms = -1 WHERE account_id = {chan} AND block = 3",
            "block 3, value date 2022-05-12: its totals do not run on from the block before",
        ),
        (
            "UPDATE ledger_balance_day SET known_entries = 9 WHERE account_id = {chan} AND block = 3",
            "block 3, value date 2022-05-12: its totals do not run on from the block before",
        ),
        (
            "DELETE FROM ledger_balance_day WHERE account_id = {chan} AND block = 3",
            "block 3, value date 2022-05-12: entries make 3000 atoms and nothing says so",
        ),
        (
            "INSERT INTO ledger_balance_day (account_id, value_on, block, delta_atoms, total_atoms, entry_count,"
            " known_entries, first_version, last_version) SELECT account_id, value_on, 2, 0, total_atoms, 0, 1, 1, 1"
            " FROM ledger_balance_day WHERE account_id = {chan} AND block = 1",
            "block 2, value date 2022-05-12: no entry makes it",
        ),
    ],
)
def test_a_balance_of_a_day_altered(sealed: Book, damage: str, message: str) -> None:
    chan = account_id(sealed, cash(CHAN))
    sql("ALTER TABLE ledger_balance_day DISABLE TRIGGER USER")
    sql(damage.format(chan=chan))
    sql("ALTER TABLE ledger_balance_day ENABLE TRIGGER USER")

    assert (f"account {chan}", message) in found()["balance_days_are_sums"]


def test_a_whole_chain_made_anew_is_shown_by_what_was_kept_outside_and_by_nothing_else(sealed: Book) -> None:
    """Every hash in the database agrees with the forgery, so neither the audit nor the proof alone can tell."""
    kept = verify.read_anchors("\n".join(anchor_lines()))
    good = proof.prove(journal("d1"), through=3)
    assert verify.verify(good, kept).anchored == (3,)

    alter_amount(sealed, "d1", 900_000)
    chain_anew()

    assert found() == {}
    forged = proof.prove(journal("d1"), through=3)
    assert verify.verify(forged).journal == str(journal("d1").pk)
    with pytest.raises(verify.ProofRejected, match="another hash than the one kept outside"):
        verify.verify(forged, kept)
    assert account_id(sealed, BANK)


def test_the_forgery_is_shown_by_a_consumer_that_kept_the_event(sealed: Book) -> None:
    heard = {
        e.payload["number"]: e.payload["hash"]
        for e in outbox.read_events()
        if e.topic == "ledger.block.sealed"
    }
    alter_amount(sealed, "d1", 900_000)
    chain_anew()

    told = {str(block.number): bytes(block.hash).hex() for block in Block.objects.all()}
    assert told.keys() == heard.keys()
    assert all(told[number] != heard[number] for number in heard)

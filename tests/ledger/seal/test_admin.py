"""The seal in the back office: the list of blocks, a journal's proof to take away, an account as it stood."""

from __future__ import annotations

import json
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ledger import posting
from ledger.models import Account, Block, Book, Journal
from ledger.seal import verify
from ledger.seal.sealer import seal
from tests.ledger.books import account_id, cash, cash_in
from tests.ledger.test_admin import page, press, read, signed_in

pytestmark = pytest.mark.django_db(transaction=True)
CHAN = "H0001"


@pytest.fixture
def sealed(book: Book) -> Book:
    """Two blocks of a deposit each, and a deposit that is not sealed yet."""
    for key in ("d1", "d2"):
        posting.post(book, cash_in(key, CHAN, "1000.00"), actor="ops")
        seal()
    posting.post(book, cash_in("d3", CHAN, "0.50"), actor="ops")
    return book


@pytest.fixture
def lam(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("lam"))
    return client


def test_blocks_are_listed_and_opened_and_nothing_can_be_changed(lam: Client, sealed: Book) -> None:
    newest = Block.objects.get(number=2)
    digest = bytes(newest.hash).hex()

    assert digest[:16] in read(lam, page(Block, "changelist"))
    text = read(lam, page(Block, "change", newest.pk))
    assert digest in text
    assert bytes(newest.previous_hash).hex() in text
    assert 'name="_save"' not in text
    assert lam.get(page(Block, "add")).status_code == 403
    assert reverse("admin:ledger_block_changelist") in read(lam, reverse("admin:index"))


def test_an_empty_list_of_blocks_opens(lam: Client, book: Book) -> None:
    read(lam, page(Block, "changelist"))


def test_who_may_see_journals_may_see_blocks_and_nobody_else(sealed: Book) -> None:
    read(signed_in("view_journal"), page(Block, "changelist"))
    assert signed_in("view_account", name="other").get(page(Block, "changelist")).status_code == 403


def test_a_journal_names_its_block_and_gives_its_proof(lam: Client, sealed: Book) -> None:
    journal = Journal.objects.get(idempotency_key="d1")
    text = read(lam, page(Journal, "change", journal.pk))
    assert page(Block, "change", Block.objects.get(number=1).pk) in text
    assert page(Journal, "prove_journal", journal.pk) in text

    proof = lam.get(page(Journal, "prove_journal", journal.pk))
    assert proof["Content-Disposition"] == f'attachment; filename="proof-{journal.pk}.json"'
    assert verify.verify(json.loads(proof.content)).newest == 2


def test_a_journal_that_is_not_sealed_yet_says_so(lam: Client, sealed: Book) -> None:
    journal = Journal.objects.get(idempotency_key="d3")
    text = read(lam, page(Journal, "change", journal.pk))
    assert "Not sealed yet" in text
    assert page(Journal, "prove_journal", journal.pk) not in text

    assert lam.get(page(Journal, "prove_journal", journal.pk)).status_code == 302
    assert "not sealed yet" in read(lam, page(Journal, "change", journal.pk))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"value_on": "2022-05-12"}, "known now: 2,000.50 HKD."),
        ({"value_on": "2022-05-12", "known_at": "1"}, "known at block 1: 1,000.00 HKD."),
        ({"value_on": "2022-05-11", "known_at": "2"}, "known at block 2: 0.00 HKD."),
        ({"value_on": "2022-05-12", "known_at": "3"}, "The newest block is 2; there is no block 3."),
    ],
)
def test_an_account_as_it_stood(lam: Client, sealed: Book, asked: dict[str, str], said: str) -> None:
    account = account_id(sealed, cash(CHAN))
    press(lam, page(Account, "ask_as_of", account), **asked)

    assert said in unescape(read(lam, page(Account, "change", account)))

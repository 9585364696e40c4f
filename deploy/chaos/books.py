"""What happens in the book that is tortured: everything follows from the seed, a writer's name and the step."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from django.contrib.auth.models import User

from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.corporate_actions.proposals import Terms, approve, propose
from ledger.models import Asset, Book, CorporateAction, Location
from ledger.posting import JournalRequest, credit, debit, post_batch

CODE: Final = "CHAOS"
PREFIX: Final = "chaos:"
VALUE_ON: Final = date(2026, 1, 5)
JOURNALS_BY_MODE: Final = {"single": 1, "batch": 20, "each": 20, "coalesced": 8}
_CLIENTS: Final = [f"C{n:03}" for n in range(60)]
_HOLDERS: Final = [f"H{n:03}" for n in range(200)]
_BANK: Final = AccountKey("nostro", "HKD", location="BANK")


def _cash(owner: str) -> AccountKey:
    return AccountKey("client_cash", "HKD", owner)


def _move(key: str, to: AccountKey, of: AccountKey, amount: Decimal) -> JournalRequest:
    # One value date for all, so that a step asked again after midnight has the same body.
    return JournalRequest(
        key=key, kind="transfer", value_on=VALUE_ON, legs=(debit(to, amount), credit(of, amount))
    )


def wishes(seed: int, writer: str, mode: str, step: int) -> list[JournalRequest]:
    """The journals of one step: money between clients, more than some have, now and then money from outside."""
    dice = random.Random(f"{seed}/{writer}/{step}")  # noqa: S311
    found = []
    for n in range(JOURNALS_BY_MODE[mode]):
        giver, taker = dice.sample(_CLIENTS, 2)
        # A batch is refused whole for one client without means, so its amounts are small.
        amount = Decimal(dice.randint(1, 4_000 if mode == "batch" else 60_000)) / 100
        is_deposit = dice.random() < 0.1
        key = f"{PREFIX}{writer}:{step}:{n}"
        found.append(_move(key, _BANK if is_deposit else _cash(giver), _cash(taker), amount))
    return found


def open_books(dividends: int) -> list[CorporateAction]:
    """A book with sixty clients who have a thousand dollars each, and shares that pay `dividends` dividends."""
    Location.objects.create(code="BANK", name="Bank", kind=Location.Kind.BANK)
    Location.objects.create(code="CCASS", name="CCASS", kind=Location.Kind.CCASS)
    book = Book.objects.create(code=CODE, name="A book under fire")
    post_batch(
        book, [_move(f"open:{c}", _BANK, _cash(c), Decimal("1000.00")) for c in _CLIENTS], actor="chaos"
    )
    today = clock.today()
    maker, _checker = (User.objects.create(username=name) for name in ("maker", "checker"))
    made = []
    for n in range(dividends):
        code = f"{n + 1:05}"
        Asset.objects.get_or_create(
            code=code,
            defaults={"name": code, "kind": Asset.Kind.SECURITY, "scale": 0, "is_located": True},
        )
        pledges = [
            _move(
                f"pledge:{code}:{owner}",
                AccountKey("custody", code, location="CCASS"),
                AccountKey("client_collateral", code, owner, "CCASS"),
                Decimal(100 + m),
            )
            for m, owner in enumerate(_HOLDERS)
        ]
        post_batch(book, pledges, actor="chaos")
        terms = Terms(
            reference=f"D{code}",
            kind="cash_dividend",
            asset=code,
            amount="0.125",
            currency="HKD",
            ex_on=today - timedelta(days=4),
            record_on=today - timedelta(days=2),
            pay_on=today,
        )
        made.append(propose(terms=terms, maker=maker))
    return made


def release(dividend: CorporateAction) -> None:
    """Approve a dividend, so that a worker finds it due."""
    approve(dividend, checker=User.objects.get(username="checker"))

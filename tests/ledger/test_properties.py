"""Whatever is posted, in whatever order, the ledger and the plain oracle agree in every reply and balance."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger import audit, balances, posting
from ledger.accounts import AccountKey
from ledger.core.decimals import from_atoms
from ledger.core.errors import Refusal
from ledger.models import Account, Book, Journal, Location
from ledger.posting import JournalRequest, Leg

from .books import BANK, DAY, account_id, cash, custody, pledged
from .oracle import Oracle, Wish

SCALES = {"HKD": 2, "BTC": 8}
CHAN, LEE = "H0001", "H0002"
LOAN = AccountKey("loan_principal", "HKD", CHAN)
MONEY = [BANK, cash(CHAN), cash(LEE), LOAN]
COINS = [custody(), pledged(CHAN), pledged(LEE), custody("BTC", "COLD"), pledged(CHAN, "BTC", "COLD")]

keys = st.integers(0, 400).map(lambda n: f"k{n}")
accounts = st.sampled_from(MONEY + COINS)
amounts = st.integers(1, 300) | st.sampled_from([10**17 + 1, 10**17 + 2, 1])


def fellows(account: AccountKey) -> list[AccountKey]:
    """The accounts that `account` can exchange something with."""
    same = [a for a in MONEY + COINS if (a.asset, a.location) == (account.asset, account.location)]
    return [a for a in (MONEY if account.asset == "HKD" else same) if a != account]


@st.composite
def moves(draw: st.DrawFn) -> tuple[tuple[AccountKey, int], ...]:
    """Out of one account into another of the same asset and place."""
    of = draw(accounts)
    amount = draw(amounts)
    return (of, -amount), (draw(st.sampled_from(fellows(of))), amount)


anything = st.lists(st.tuples(accounts, st.integers(-3, 3)), max_size=4).map(tuple)
wishes = st.builds(Wish, key=keys, legs=st.integers(0, 9).flatmap(lambda n: moves() if n < 9 else anything))


def request_of(wish: Wish) -> JournalRequest:
    legs = tuple(Leg(account, from_atoms(n, SCALES[account.asset])) for account, n in wish.legs)
    return JournalRequest(key=wish.key, kind="story", legs=legs, value_on=DAY)


class Ledger(RuleBasedStateMachine):
    book: Book

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self) -> None:
        findings = audit.run().findings
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)
        assert findings == ()

    @initialize()
    def begin_with_something(self) -> None:
        opening = Wish("opening", ((BANK, 1000), (cash(CHAN), -600), (cash(LEE), -400)))
        coins = Wish("coins", ((custody(), 500), (pledged(CHAN), -500)))
        self.post_all_or_none([opening, coins])

    @rule(batch=st.lists(wishes, min_size=1, max_size=4))
    def post_all_or_none(self, batch: list[Wish]) -> None:
        self.both(batch, lambda: posting.post_batch(self.book, [request_of(w) for w in batch], actor="ops"))

    @rule(batch=st.lists(wishes, min_size=1, max_size=3))
    def post_each_on_its_own(self, batch: list[Wish]) -> None:
        results = posting.post_each(self.book, [request_of(w) for w in batch], actor="ops")
        for wish, result in zip(batch, results, strict=True):
            told = self.oracle.post_batch([wish])
            if isinstance(result, posting.Refused):
                assert result.refusal.reason in told
            else:
                assert [result.is_replay] == told

    @rule(data=st.data(), key=keys)
    def reverse(self, data: st.DataObject, key: str) -> None:
        reversed_before = {wish.reverses for wish in self.oracle.journals.values()}
        open_ones = sorted(self.oracle.journals.keys() - reversed_before)
        of = data.draw(st.sampled_from(open_ones * 4 + sorted(self.oracle.journals)))
        journal = Journal.objects.get(book=self.book, idempotency_key=of)
        opposite = tuple((account, -n) for account, n in self.oracle.journals[of].merged.items())
        self.both(
            [Wish(key, opposite, reverses=of)],
            lambda: [posting.reverse(journal, key=key, actor="lam", reason="Mistake", value_on=DAY)],
        )

    @rule(account=accounts, mode=st.sampled_from(["none", "none", "debit", "credit", "all"]))
    def freeze(self, account: AccountKey, mode: str) -> None:
        Account.objects.filter(pk=account_id(self.book, account)).update(freeze=mode)
        self.oracle.freezes[account] = mode

    @invariant()
    def every_balance_and_version_is_the_same(self) -> None:
        standings = balances.standings(self.book, with_empty=True)
        told = {s.key: (s.quantity, s.version) for s in standings if s.version}
        expected = {}
        for key, version in self.oracle.versions.items():
            units = from_atoms(self.oracle.balances[key], SCALES[key.asset])
            expected[key] = balances.natural(key.role, units), version
        assert told == expected

    def both(self, batch: list[Wish], post: Callable[[], list[posting.Posted]]) -> None:
        """Post to both and compare the replies, or the reason for refusing."""
        told = self.oracle.post_batch(batch)
        if isinstance(told, set):
            with pytest.raises(Refusal) as refusal:
                post()
            assert refusal.value.reason in told
        else:
            assert [posted.is_replay for posted in post()] == told


@pytest.mark.django_db
def test_the_ledger_and_the_oracle_agree(book: Book) -> None:
    Location.objects.create(code="COLD", name="Cold wallet", kind=Location.Kind.WALLET)
    machine = type("Machine", (Ledger,), {"book": book})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

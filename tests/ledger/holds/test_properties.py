"""Whatever is placed, posted, released and left to expire: what is held is the sum of what is left of active holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import audit, holds, posting
from ledger.core import clock
from ledger.core.decimals import from_atoms
from ledger.core.errors import Refusal
from ledger.holds import HoldRequest
from ledger.models import Balance, Book, Hold
from tests.ledger.books import BANK, account_id, cash, cash_in, move

CLIENTS = [cash("H0001"), cash("H0002"), cash("H0003")]
amounts = st.integers(1, 4000)
pairs = st.permutations([*CLIENTS, BANK]).map(lambda accounts: tuple(accounts[:2]))


@dataclass
class Told:
    """A hold as plain Python keeps it, in atoms."""

    group: int
    debit: object
    credit: object
    amount: int
    expires_at: datetime | None
    posted: int = 0
    state: str = "active"

    @property
    def left(self) -> int:
        return self.amount - self.posted if self.state == "active" else 0


class Holds(RuleBasedStateMachine):
    book: Book

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2022, 5, 12, 4, tzinfo=UTC)
        self.oracle: dict[object, Told] = {}
        self.nets: Counter[object] = Counter()
        self.groups = 0
        self.keys = 0
        self.example = transaction.atomic()
        self.example.__enter__()

    def teardown(self) -> None:
        findings = audit.run().findings
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)
        assert findings == ()

    @initialize()
    def money_comes_in(self) -> None:
        for n, client in enumerate(CLIENTS):
            posting.post(self.book, cash_in(f"d{n}", client.owner, "100.00"), actor="ops")
            self.moved(BANK, client, 10_000)

    @rule(
        wishes=st.lists(st.tuples(pairs, amounts), min_size=1, max_size=3),
        minutes=st.sampled_from([None, 1, 5]),
    )
    def place(self, wishes: list[tuple[tuple[object, object], int]], minutes: int | None) -> None:
        expires_at = self.now + timedelta(minutes=minutes) if minutes else None
        trial = [Told(self.groups, debit, credit, amount, expires_at) for (debit, credit), amount in wishes]
        requests = [HoldRequest(t.debit, t.credit, from_atoms(t.amount, 2)) for t in trial]  # type: ignore[arg-type]
        known = self.oracle | dict(enumerate(trial))
        refused = self.is_outside(known)
        with clock.override(self.now):
            made = self.attempt(
                lambda: holds.place(self.book, requests, key=self.key(), actor="ops", expires_at=expires_at),
                {"insufficient_balance"} if refused else set(),
            )
        if made:
            self.groups += 1
            self.oracle |= dict(zip([hold.pk for hold in made.holds], trial, strict=True))

    @precondition(lambda self: self.oracle)
    @rule(data=st.data(), part=st.none() | amounts, then_release=st.booleans())
    def post(self, data: st.DataObject, part: int | None, then_release: bool) -> None:
        group = self.any_group(data)
        active = {pk: told for pk, told in group.items() if told.state == "active"}
        is_late = any(told.expires_at and told.expires_at <= self.now for told in active.values())
        asked = None if part is None else {pk: from_atoms(part, 2) for pk in active}
        too_much = part is not None and any(part > told.left for told in active.values())
        refused = {"hold_not_open"} if not active or is_late or too_much else set()
        hold = Hold.objects.get(pk=next(iter(group)))
        with clock.override(self.now):
            done = self.attempt(
                lambda: holds.post_group(
                    self.book,
                    hold.group_id,
                    quantities=asked,
                    then_release=then_release,
                    key=self.key(),
                    actor="ops",
                ),
                refused,
            )
        if done:
            for told in active.values():
                atoms = told.left if part is None else part
                told.posted += atoms
                self.moved(told.debit, told.credit, atoms)
                told.state = (
                    "posted" if told.posted == told.amount else "released" if then_release else "active"
                )

    @precondition(lambda self: self.oracle)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        group = self.any_group(data)
        active = [told for told in group.values() if told.state == "active"]
        hold = Hold.objects.get(pk=next(iter(group)))
        done = self.attempt(
            lambda: holds.release_group(self.book, hold.group_id, actor="lam", reason="Withdrawn"),
            set() if active else {"hold_not_open"},
        )
        if done:
            for told in active:
                told.state = "released"

    @rule(pair=pairs, amount=amounts)
    def move(self, pair: tuple[object, object], amount: int) -> None:
        debit, credit = pair
        self.moved(debit, credit, amount)
        refused = self.is_outside(self.oracle)
        self.moved(credit, debit, amount)
        request = move(self.key(), debit, credit, str(from_atoms(amount, 2)))  # type: ignore[arg-type]
        if self.attempt(
            lambda: posting.post(self.book, request, actor="ops"),
            {"insufficient_balance"} if refused else set(),
        ):
            self.moved(debit, credit, amount)

    @rule(minutes=st.integers(1, 3))
    def time_passes_and_the_clock_comes_round(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        due = [t for t in self.oracle.values() if t.left and t.expires_at and t.expires_at <= self.now]
        if minutes == 2:
            return
        with clock.override(self.now):
            assert holds.expire_due() == len(due)
        for told in due:
            told.state = "expired"

    @invariant()
    def what_is_held_is_the_sum_of_active_holds(self) -> None:
        debits, credits = self.held(self.oracle)
        for key in [*CLIENTS, BANK]:
            balance = Balance.objects.get(account_id=account_id(self.book, key))
            assert (balance.held_debit_atoms, balance.held_credit_atoms) == (debits[key], credits[key])
            assert balance.net_atoms == self.nets[key]
        rows = Hold.objects.values_list("pk", "state", "posted_atoms")
        assert {pk: (state, posted) for pk, state, posted in rows} == {
            pk: (told.state, told.posted) for pk, told in self.oracle.items()
        }

    def any_group(self, data: st.DataObject) -> dict[object, Told]:
        number = data.draw(st.sampled_from(sorted({told.group for told in self.oracle.values()})))
        return {pk: told for pk, told in self.oracle.items() if told.group == number}

    def held(self, known: dict[object, Told]) -> tuple[Counter[object], Counter[object]]:
        debits: Counter[object] = Counter()
        credits: Counter[object] = Counter()
        for told in known.values():
            debits[told.debit] += told.left
            credits[told.credit] += told.left
        return debits, credits

    def is_outside(self, known: dict[object, Told]) -> bool:
        """Whether a client would owe: what is to be debited counts as if it were."""
        debits, _credits = self.held(known)
        return any(self.nets[client] + debits[client] > 0 for client in CLIENTS)

    def moved(self, debit: object, credit: object, atoms: int) -> None:
        self.nets[debit] += atoms
        self.nets[credit] -= atoms

    def key(self) -> str:
        self.keys += 1
        return f"k{self.keys}"

    def attempt(self, work: object, refused: set[str]) -> object:
        """Do it and return what came of it; None when it was refused, as it had to be."""
        if not refused:
            return work()  # type: ignore[operator]
        with pytest.raises(Refusal) as refusal:
            work()  # type: ignore[operator]
        assert refusal.value.reason in refused
        return None


@pytest.mark.django_db
def test_what_is_held_is_always_the_sum_of_active_holds(book: Book) -> None:
    machine = type("Machine", (Holds,), {"book": book})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )

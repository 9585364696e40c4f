"""Whatever is done, in whatever order, the ledger and the plain oracle agree in every reply and in all that stands.

`LOMBARD_ORACLE_EXAMPLES=2000 uv run pytest tests/ledger/test_properties.py -s` runs for longer; the seed it prints
repeats a run when given as `LOMBARD_ORACLE_SEED`, and with `LOMBARD_ORACLE_SHRINK=1` a failure is made small, which
takes minutes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from django.db import Error, connection, transaction
from django.db.models import QuerySet
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ledger import audit, balances, holds, posting
from ledger.accounts import AccountKey, slot_of_process
from ledger.coalescing import Coalescer
from ledger.core import clock
from ledger.core.decimals import from_atoms
from ledger.core.errors import Refusal
from ledger.core.ids import uuid7
from ledger.holds import HoldRequest
from ledger.models import Account, Book, Hold, Journal, Location
from ledger.posting import JournalRequest, Leg
from ledger.preview import Mode, preview

from .books import BANK, CAPITAL, DAY, account_id, cash, custody, pledged
from .controls.accounts import changed, limited
from .oracle import Legs, No, Oracle, Wish
from .told import accounts_of, no, no_of_law, state_of, state_told

EXAMPLES = int(os.environ.get("LOMBARD_ORACLE_EXAMPLES", "10"))
SEED = int(os.environ.get("LOMBARD_ORACLE_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
SHRINKS = os.environ.get("LOMBARD_ORACLE_SHRINK") == "1"

SCALES = {"HKD": 2, "BTC": 8, "ETH": 18, "00700": 0}
CHAN, LEE = "H0001", "H0002"
LOAN = AccountKey("loan_principal", "HKD", CHAN)
SLOTS = [BANK._replace(slot=(slot_of_process() + n) % 16) for n in (1, 2)]
MONEY = [BANK, *SLOTS, CAPITAL, cash(CHAN), cash(LEE), LOAN]
THINGS = [
    make(*owner, asset, place)
    for asset, place in (("BTC", "VAULT"), ("BTC", "COLD"), ("ETH", "VAULT"), ("00700", "CCASS"))
    for make, owner in ((custody, ()), (pledged, (CHAN,)), (pledged, (LEE,)))
]

keys = st.integers(0, 400).map(lambda n: f"k{n}")
accounts = st.sampled_from(MONEY + THINGS)
amounts = st.integers(1, 300) | st.sampled_from([10**17 + 1, 10**17 + 2, 1])
days = st.integers(-2, 2).map(lambda n: DAY + timedelta(days=n))
books = st.sampled_from(["HARBOUR", "HARBOUR", "PEAK"])


def fellows(account: AccountKey) -> list[AccountKey]:
    """The accounts that `account` can exchange something with."""
    place = account.location if account.asset != "HKD" else None
    return [
        other
        for other in MONEY + THINGS
        if other != account and other.asset == account.asset and place in (None, other.location)
    ]


@st.composite
def moves(draw: st.DrawFn) -> Legs:
    """Out of one account into another of the same asset and place."""
    of = draw(accounts)
    amount = draw(amounts)
    return (of, -amount), (draw(st.sampled_from(fellows(of))), amount)


anything = st.lists(st.tuples(accounts, st.integers(-3, 3)), max_size=4).map(tuple)
legs = st.integers(0, 9).flatmap(lambda n: moves() if n < 9 else anything)
wishes = st.builds(Wish, key=keys, legs=legs, value_on=days)


@dataclass
class Side:
    """One book and the oracle of it, with what was wished for and answered so far."""

    book: Book
    oracle: Oracle
    wished: list[Wish] = field(default_factory=list)
    made: dict[str, UUID] = field(default_factory=dict)
    holds: dict[str, UUID] = field(default_factory=dict)

    def request(self, wish: Wish) -> JournalRequest:
        return JournalRequest(
            key=wish.key,
            kind=wish.kind,
            legs=tuple(Leg(account, units(account, atoms)) for account, atoms in wish.legs),
            value_on=wish.value_on,
            cause=f"journal:{self.made[wish.reverses]}" if wish.reverses else wish.cause,
            reversal_of=self.made[wish.reverses] if wish.reverses else None,
            hold=self.holds[wish.posts] if wish.posts else None,
        )

    def answered(self, wish: Wish, posted: posting.Posted) -> bool:
        """Take an answer down: whoever asks again is told the journal of the first one."""
        assert self.made.setdefault(wish.key, posted.journal_id) == posted.journal_id
        return posted.is_replay

    def expects(self, refusal: Refusal, told: list[bool] | list[No], there: Collection[AccountKey]) -> No:
        """Find the refusal among those the oracle tells; `there` are the accounts that stood before the call."""
        given = no(self.book, refusal)
        assert given in [self._as_seen(n, there) for n in told]
        return given

    def accounts_there(self) -> Collection[AccountKey]:
        return accounts_of(self.book).values()

    def rows_of(self, account: AccountKey) -> QuerySet[Account]:
        """The account in all its slots, which are opened if they were not."""
        return Account.objects.filter(pk__in=[account_id(self.book, key) for key in slots(account)])

    def _as_seen(self, refusal: Any, there: Collection[AccountKey]) -> Any:
        """An account that a refused posting would have opened has no name any more, whoever opened it thereafter.

        What an earlier journal of the same batch opened has moved by then.
        """
        key = refusal.details.get("account") if isinstance(refusal, No) else None
        if key is None or key in there or self.oracle.account(key).version:
            return refusal
        return replace(refusal, details={**refusal.details, "account": None})


@cache
def desk() -> Coalescer:
    return Coalescer()


def slots(account: AccountKey) -> list[AccountKey]:
    """The keys of the account as a whole, as far as the stories name them."""
    return [key for key in MONEY if key.parts() == account.parts()] or [account]


def units(account: AccountKey, atoms: int) -> Any:
    return from_atoms(atoms, SCALES[account.asset])


class Ledger(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.surroundings = ExitStack()
        self.sides: dict[str, Side] = {}

    def teardown(self) -> None:
        with self.surroundings:
            assert audit.run().findings == ()

    @initialize(is_committed=st.booleans())
    def begin_with_something(self, is_committed: bool) -> None:
        """Every step commits, as in a service of its own, or all stand in one transaction that is undone."""
        if not is_committed:
            self.surroundings.enter_context(transaction.atomic())
            self.surroundings.callback(transaction.set_rollback, True)
        for code in ("HARBOUR", "PEAK"):
            book = Book.objects.create(code=f"{code}:{uuid7().hex[-16:]}", name=code.title())
            self.sides[code] = Side(book, Oracle(home=slot_of_process()))
            opening = ((BANK, 100_000), (cash(CHAN), -60_000), (cash(LEE), -40_000))
            things = tuple((account, 1000 if account.role == "custody" else -500) for account in THINGS)
            self.post_whole(code, [Wish("opening", opening, DAY), Wish("things", things, DAY)])

    @rule(code=books, batch=st.lists(wishes, min_size=1, max_size=4))
    def post_whole(self, code: str, batch: list[Wish]) -> None:
        side = self.sides[code]
        side.wished += batch
        self.both(
            side,
            side.oracle.post_batch(batch),
            batch,
            lambda: posting.post_batch(side.book, [side.request(wish) for wish in batch], actor="ops"),
        )

    @rule(code=books, batch=st.lists(wishes, min_size=1, max_size=4))
    def preview_and_post(self, code: str, batch: list[Wish]) -> None:
        """A preview says what posting then does, with the balances it leaves, and changes nothing."""
        side = self.sides[code]
        trial = deepcopy(side.oracle)
        told = trial.post_batch(batch)
        requests = [side.request(wish) for wish in batch]
        try:
            seen = preview(side.book, requests, actor="ops", mode=Mode.ALL_OR_NONE)
        except Refusal as refusal:
            side.expects(refusal, told, side.accounts_there())
        else:
            assert [outlook.is_replay for outlook in seen.outlooks] == told
            for standing in seen.standings:
                atoms = sum(a.net for key, a in trial.accounts.items() if key.parts() == standing.key.parts())
                assert standing.quantity == balances.natural(standing.key.role, units(standing.key, atoms))
        self.all_that_stands_is_the_same()
        self.post_whole(code, batch)

    @rule(code=books, batch=st.lists(wishes, min_size=1, max_size=4), keeps=st.booleans())
    def post_each(self, code: str, batch: list[Wish], keeps: bool) -> None:
        side = self.sides[code]
        side.wished += batch
        requests = [side.request(wish) for wish in batch]
        there = side.accounts_there()
        results = posting.post_each(side.book, requests, actor="ops", keeps_refusals=keeps)
        for wish, result in zip(batch, results, strict=True):
            is_refused_before = wish.key in side.oracle.refused
            told = side.oracle.post_batch([wish])
            if isinstance(result, posting.Posted):
                assert [side.answered(wish, result)] == told
            else:
                given = side.expects(result.refusal, told, there)
                assert result.is_replay == (is_refused_before and given.reason != "idempotency_key_reused")
                if keeps:
                    side.oracle.keep(wish, given)

    @rule(code=books, wish=wishes)
    def post_through_the_lane(self, code: str, wish: Wish) -> None:
        """Where every step commits, a caller may share the commit of others; a refusal is kept too."""
        if connection.in_atomic_block:
            return
        side = self.sides[code]
        side.wished.append(wish)
        told = side.oracle.post_batch([wish])
        try:
            posted = desk().post(side.book, side.request(wish), actor="ops")
        except Refusal as refusal:
            side.oracle.keep(wish, side.expects(refusal, told, side.accounts_there()))
        else:
            assert [side.answered(wish, posted)] == told

    @rule(code=books, data=st.data())
    def send_again(self, code: str, data: st.DataObject) -> None:
        """The same wish once more, or another under its key, alone or in company."""
        side = self.sides[code]
        wish = data.draw(st.sampled_from(side.wished))
        change = data.draw(st.sampled_from(["", "", "legs", "value_on", "kind", "cause"]))
        others = {"legs": data.draw(moves()), "value_on": data.draw(days), "kind": "fee", "cause": "loan:7"}
        if change:
            wish = replace(wish, **{change: others[change]})
        self.post_in_company(code, wish, data)

    def post_in_company(self, code: str, wish: Wish, data: st.DataObject) -> None:
        """Post a wish alone or among others, whole or each on its own."""
        others = data.draw(st.lists(wishes, max_size=2))
        batch = list(data.draw(st.permutations([wish, *others])))
        if data.draw(st.booleans()):
            self.post_whole(code, batch)
        else:
            self.post_each(code, batch, keeps=data.draw(st.booleans()))

    @rule(code=books, data=st.data(), key=keys, value_on=days, is_part=st.booleans())
    def reverse(self, code: str, data: st.DataObject, key: str, value_on: Any, is_part: bool) -> None:
        side = self.sides[code]
        of = data.draw(st.sampled_from(sorted(side.oracle.journals)))
        key = data.draw(st.sampled_from([key, key, *side.oracle.reversals_of(of)]))
        part = self.part_of(side, of, data) if is_part else None
        told = side.oracle.reverse(of, key, value_on, part)
        made = Journal.objects.get(pk=side.made[of])
        named = part and [Leg(account, units(account, atoms)) for account, atoms in part]
        wish = Wish(key, (), value_on)
        self.both(
            side,
            told,
            [wish],
            lambda: [
                posting.reverse(made, key=key, actor="lam", reason="Mistake", value_on=value_on, part=named)
            ],
        )

    def part_of(self, side: Side, of: str, data: st.DataObject) -> Legs:
        """Some of what a journal moved between two of its accounts, now and then more than that."""
        entries = side.oracle.entries[of]
        of_one = data.draw(st.sampled_from([entry for entry in entries if entry.atoms > 0]))
        fellow = data.draw(st.sampled_from([entry for entry in entries if entry.atoms < 0]))
        most = min(of_one.atoms, -fellow.atoms)
        atoms = data.draw(st.integers(1, most) | st.just(most) | st.just(most + 1))
        return (of_one.account._replace(slot=None), atoms), (fellow.account._replace(slot=None), -atoms)

    @rule(code=books, data=st.data(), amount=amounts)
    def place_a_hold(self, code: str, data: st.DataObject, amount: int) -> None:
        side = self.sides[code]
        key = f"h{len(side.oracle.holds)}"
        debit = data.draw(accounts)
        credit = data.draw(st.sampled_from(fellows(debit)) | accounts)
        request = HoldRequest(debit, credit, from_atoms(amount, SCALES[debit.asset]))
        self.by_law(
            side.oracle.place(key, debit, credit, amount),
            lambda: holds.place(side.book, [request], key=key, actor="ops"),
        )
        side.holds |= dict(Hold.objects.filter(book=side.book).values_list("idempotency_key", "pk"))

    @rule(code=books, data=st.data(), key=keys, value_on=days)
    def post_of_a_hold(self, code: str, data: st.DataObject, key: str, value_on: Any) -> None:
        """A part or all of a hold, or more, alone or beside other journals."""
        side = self.sides[code]
        if not side.oracle.holds:
            return
        name = data.draw(st.sampled_from(sorted(side.oracle.holds)))
        hold = side.oracle.holds[name]
        atoms = data.draw(
            st.integers(1, hold.amount) | st.just(max(1, hold.outstanding)) | st.just(hold.amount + 1)
        )
        wish = Wish(key, ((hold.debit, atoms), (hold.credit, -atoms)), value_on, posts=name)
        self.post_in_company(code, wish, data)

    @rule(code=books, data=st.data())
    def release_a_hold(self, code: str, data: st.DataObject) -> None:
        side = self.sides[code]
        if not side.oracle.holds:
            return
        name = data.draw(st.sampled_from(sorted(side.oracle.holds)))
        hold = Hold.objects.get(pk=side.holds[name])
        told = side.oracle.end(name, "released")
        self.by_law(
            [No(refusal.reason) for refusal in told],
            lambda: holds.release(hold, actor="lam", reason="Withdrawn"),
        )

    @rule(code=books, account=accounts, mode=st.sampled_from(["none", "none", "debit", "credit", "all"]))
    def freeze(self, code: str, account: AccountKey, mode: str) -> None:
        side = self.sides[code]
        side.rows_of(account).update(freeze=mode)
        for key in slots(account):
            side.oracle.account(key).freeze = mode

    @rule(code=books, data=st.data())
    def close_an_account(self, code: str, data: st.DataObject) -> None:
        side = self.sides[code]
        empty = [key for key in MONEY + THINGS if not side.oracle.account(key).net]
        account = data.draw(st.sampled_from(empty or MONEY) | accounts)
        of = side.rows_of(account)
        self.by_law(side.oracle.close(slots(account)), lambda: of.update(closed_at=clock.now()))

    @rule(code=books, data=st.data())
    def reopen_an_account(self, code: str, data: st.DataObject) -> None:
        side = self.sides[code]
        closed = [key for key, account in side.oracle.accounts.items() if account.is_closed]
        if closed:
            account = data.draw(st.sampled_from(sorted(closed)))
            side.rows_of(account).update(closed_at=None)
            for key in slots(account):
                side.oracle.account(key).is_closed = False

    @rule(code=books, day=st.none() | days.map(lambda day: day - timedelta(days=2)))
    def close_or_reopen_a_period(self, code: str, day: Any) -> None:
        side = self.sides[code]
        before = side.oracle.closed_through
        if day != before:
            is_forward = before is None or (day is not None and day > before)
            changed(side.book, "close" if is_forward else "reopen", day)
            side.oracle.closed_through = day

    @rule(code=books, account=accounts, margins=st.tuples(*[st.none() | st.integers(-50, 10_000)] * 2))
    def limit(self, code: str, account: AccountKey, margins: tuple[int | None, int | None]) -> None:
        """Draw a floor and a ceiling so far below and above what stands there; now and then too near."""
        side = self.sides[code]
        standing = side.oracle.account(account)
        below, above = margins
        floor = None if below is None else standing.net - standing.held_credit - below
        ceiling = None if above is None else standing.net + standing.held_debit + above
        told = side.oracle.limit(account, floor, ceiling)
        of = side.rows_of(account)[0]
        if not of.is_debit_normal:
            floor, ceiling = (None if atoms is None else -atoms for atoms in (ceiling, floor))
        named = [None if atoms is None else units(account, atoms) for atoms in (floor, ceiling)]
        refused = []
        try:
            limited(of, floor=named[0], ceiling=named[1], effective_on=clock.today())
        except Refusal as refusal:
            refused = [refusal.reason]
        assert refused == [refusal.reason for refusal in told][:1]

    @invariant()
    def all_that_stands_is_the_same(self) -> None:
        for side in self.sides.values():
            assert state_of(side.book) == state_told(side.oracle)

    def both(
        self,
        side: Side,
        told: list[bool] | list[No],
        batch: Sequence[Wish],
        post: Callable[[], list[posting.Posted]],
    ) -> None:
        """Post and compare the replies with what the oracle told, or the reason for refusing."""
        try:
            results = post()
        except Refusal as refusal:
            side.expects(refusal, told, side.accounts_there())
        else:
            assert [side.answered(w, posted) for w, posted in zip(batch, results, strict=True)] == told

    def by_law(self, told: list[No], change: Callable[[], object]) -> None:
        """Change rows, by hand or by a service, and compare with what the oracle told."""
        refused = []
        try:
            with transaction.atomic():
                change()
        except Error as error:
            refused = [no_of_law(error).reason]
        except Refusal as refusal:
            refused = [refusal.reason]
        assert bool(refused) == bool(told)
        assert set(refused) <= {refusal.reason for refusal in told}


@pytest.fixture
def cold(book: Book) -> None:
    Location.objects.create(code="COLD", name="Cold wallet", kind=Location.Kind.WALLET)


@pytest.mark.usefixtures("cold")
@pytest.mark.django_db(transaction=True)
def test_an_account_that_a_refused_journal_would_have_opened_is_opened_by_a_later_one() -> None:
    """The refusal is of an account that was never there, whatever stands when it is told and told again."""
    story = Ledger()
    story.begin_with_something(True)
    batch = [
        Wish("too-much", ((BANK, 268), (LOAN, -268)), DAY),
        Wish("lends", ((cash(LEE), -5), (LOAN, 5)), DAY),
        Wish("too-much-again", ((BANK, 268), (LOAN, -268)), DAY),
    ]
    for _time in ("first", "again"):
        story.post_each("HARBOUR", batch, keeps=True)
        story.all_that_stands_is_the_same()
    story.teardown()


@pytest.mark.usefixtures("cold")
@pytest.mark.django_db(transaction=True)
def test_the_ledger_and_the_oracle_agree() -> None:
    print(f"LOMBARD_ORACLE_SEED={SEED}")
    run_state_machine_as_test(
        seed(SEED)(Ledger),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink] if SHRINKS else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )

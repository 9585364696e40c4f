"""The ledger told again in plain Python: dicts and integers, no SQL. Tests do the same to both and compare.

An oracle keeps one book. It names a journal by its key, a hold by its key and an account by its exact key, slot and
all. What it refuses it tells as a list: a batch that breaks several rules at once is refused by any of them.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ledger.accounts import AccountKey

DEBIT_NORMAL = {"loan_principal", "custody", "nostro"}
UNBOUNDED = {"nostro", "house_capital"}
LOCATED = {"BTC", "ETH", "00700"}
# Refused before the book is asked, or because the key has an answer already: nothing new to remember.
FORGOTTEN = {"journal_size", "idempotency_key_reused"}

Legs = tuple[tuple[AccountKey, int], ...]


@dataclass(frozen=True)
class Wish:
    """A journal to be, in atoms; it names the journal it reverses and the hold it posts by their keys."""

    key: str
    legs: Legs
    value_on: date
    kind: str = "story"
    cause: str = ""
    reverses: str = ""
    posts: str = ""

    @property
    def merged(self) -> dict[AccountKey, int]:
        totals: Counter[AccountKey] = Counter()
        for account, atoms in self.legs:
            totals[account] += atoms
        return {account: atoms for account, atoms in totals.items() if atoms}

    @property
    def body(self) -> dict[str, object]:
        """What makes it the same wish: which slot of a house account takes an entry does not."""
        legs = sorted((account.parts(), atoms) for account, atoms in self.merged.items())
        names = ("kind", "value_on", "cause")
        told = {name: getattr(self, name) for name in names}
        return told | {"reversal_of": self.reverses, "hold": self.posts, "legs": legs}


@dataclass(frozen=True)
class No:
    """A refusal: its stable code, the field at fault and the values that broke the rule."""

    reason: str
    field: str = ""
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclass
class Account:
    net: int = 0
    version: int = 0
    held_debit: int = 0
    held_credit: int = 0
    floor: int | None = None
    ceiling: int | None = None
    freeze: str = "none"
    is_closed: bool = False

    @classmethod
    def new(cls, role: str) -> Account:
        if role in UNBOUNDED:
            return cls()
        return cls(floor=0) if role in DEBIT_NORMAL else cls(ceiling=0)

    @property
    def is_within_bounds(self) -> bool:
        return (self.floor is None or self.net - self.held_credit >= self.floor) and (
            self.ceiling is None or self.net + self.held_debit <= self.ceiling
        )

    def is_frozen_for(self, atoms: int) -> bool:
        return self.freeze == "all" or self.freeze == ("debit" if atoms > 0 else "credit")

    def held(self, atoms: int) -> int:
        return self.held_debit if atoms > 0 else self.held_credit


@dataclass
class Hold:
    debit: AccountKey
    credit: AccountKey
    amount: int
    posted: int = 0
    state: str = "active"

    @property
    def outstanding(self) -> int:
        return self.amount - self.posted


@dataclass(frozen=True)
class Entry:
    account: AccountKey
    atoms: int
    balance: int
    version: int


@dataclass
class Oracle:
    """One book. A key of a spread house account without a slot stands for the slot `home`."""

    home: int = 0
    accounts: dict[AccountKey, Account] = dataclasses.field(default_factory=dict)
    journals: dict[str, Wish] = dataclasses.field(default_factory=dict)
    entries: dict[str, list[Entry]] = dataclasses.field(default_factory=dict)
    refused: dict[str, tuple[Wish, No]] = dataclasses.field(default_factory=dict)
    holds: dict[str, Hold] = dataclasses.field(default_factory=dict)
    closed_through: date | None = None

    def exactly(self, key: AccountKey) -> AccountKey:
        slot = self.home if key.role in UNBOUNDED else 0
        return key if key.slot is not None else key._replace(slot=slot)

    def account(self, key: AccountKey) -> Account:
        return self.accounts.setdefault(self.exactly(key), Account.new(key.role))

    # Posting

    def post_batch(self, wishes: Sequence[Wish]) -> list[bool] | list[No]:
        """Book all or none. Return for each whether it was known before, or why nothing was booked."""
        if not all(2 <= len(wish.merged) <= 500 for wish in wishes):
            return [No("journal_size", "legs", {"limit": 500})]
        is_fresh, refusals = self._claim(wishes)
        if refusals:
            return refusals
        fresh = [wish for wish, is_new in zip(wishes, is_fresh, strict=True) if is_new]
        trial = self._copy()
        trial.journals |= {wish.key: wish for wish in fresh}
        laws = (_unbalanced, _late, Oracle._post_holds, Oracle._move_balances, Oracle._reversals)
        if refusals := [refusal for law in laws for refusal in law(trial, fresh)]:
            return refusals
        self.__dict__.update(trial.__dict__)
        return [not is_new for is_new in is_fresh]

    def keep(self, wish: Wish, refusal: No) -> None:
        """Remember the refusal that an independent journal was given."""
        if refusal.reason not in FORGOTTEN:
            self.refused.setdefault(wish.key, (wish, refusal))

    def reverse(self, of: str, key: str, value_on: date, part: Legs | None = None) -> list[bool] | list[No]:
        """Take back what is left of a journal, or a part of it on the very accounts it was booked on."""
        known = self.journals.get(key)
        if part is not None:
            booked = {entry.account._replace(slot=None): entry.account for entry in self.entries[of]}
            legs = tuple((booked.get(account, account), -atoms) for account, atoms in part)
        elif known is not None and known.reverses == of:
            legs = known.legs
        else:
            legs = self.remaining(of)
        if not legs:
            return [No("already_reversed", details={"journal": of})]
        return self.post_batch(
            [Wish(key, legs, value_on, kind="reversal", cause=f"journal:{of}", reverses=of)]
        )

    def remaining(self, of: str) -> Legs:
        left: Counter[AccountKey] = Counter()
        for key in (of, *self.reversals_of(of)):
            for entry in self.entries[key]:
                left[entry.account] -= entry.atoms
        return tuple((account, atoms) for account, atoms in left.items() if atoms)

    def reversals_of(self, of: str) -> list[str]:
        return [key for key, wish in self.journals.items() if wish.reverses == of]

    # Holds

    def place(self, key: str, debit: AccountKey, credit: AccountKey, amount: int) -> list[No]:
        """Reserve an amount between two accounts; return why not."""
        debited, credited = self.account(debit), self.account(credit)
        if debited.is_closed or credited.is_closed:
            return [No("account_closed")]
        if debited.is_frozen_for(amount) or credited.is_frozen_for(-amount):
            return [No("account_frozen")]
        if self.exactly(debit) == self.exactly(credit) or _place(debit) != _place(credit):
            return [No("hold_shape", "accounts")]
        full = []
        for account, atoms in ((debit, amount), (credit, -amount)):
            standing = self.account(account)
            if not _with_held(standing, atoms).is_within_bounds:
                full.append(self._insufficient(account, amount, standing.net, standing.held(atoms)))
        if not full:
            self.holds[key] = Hold(self.exactly(debit), self.exactly(credit), amount)
            debited.held_debit += amount
            credited.held_credit += amount
        return full

    def end(self, key: str, state: str) -> list[No]:
        """Let go of what is left of a hold."""
        hold = self.holds[key]
        if hold.state != "active":
            return [No("hold_not_open", details={"hold": key, "state": hold.state})]
        self._let_go(hold, hold.outstanding)
        hold.state = state
        return []

    # What people set

    def close(self, slots: Sequence[AccountKey]) -> list[No]:
        """Close an account in all its slots or in none."""
        accounts = [self.account(key) for key in slots]
        if any(account.net or account.held_debit or account.held_credit for account in accounts):
            return [No("account_not_empty")]
        for account in accounts:
            account.is_closed = True
        return []

    def limit(self, key: AccountKey, floor: int | None, ceiling: int | None) -> list[No]:
        """Draw the bounds of a balance, debit positive; the refusals in the order in which they are told."""
        account = self.account(key)
        limited = replace(account, floor=floor, ceiling=ceiling)
        is_short = (
            (floor is None or floor < 0) if key.role in DEBIT_NORMAL else (ceiling is None or ceiling > 0)
        )
        no = [
            (key.role in UNBOUNDED, "account_in_slots"),
            (account.is_closed, "account_closed"),
            (floor is not None and ceiling is not None and floor > ceiling, "bounds_crossed"),
            (key.asset in LOCATED and is_short, "goes_short"),
            (not limited.is_within_bounds, "outside_bounds"),
        ]
        if told := [No(reason) for is_so, reason in no if is_so]:
            return told
        account.floor, account.ceiling = floor, ceiling
        return []

    # The law

    def _claim(self, wishes: Sequence[Wish]) -> tuple[list[bool], list[No]]:
        """Whose key is new; and which keys are reused, else which were refused before."""
        known = {key: wish for key, (wish, _no) in self.refused.items()} | self.journals
        is_fresh, reused, refused = [], [], []
        for wish in wishes:
            is_fresh.append(wish.key not in known)
            if known.setdefault(wish.key, wish).body != wish.body:
                reused.append(self._reused(wish.key, wishes))
            elif wish.key in self.refused:
                refused.append(self.refused[wish.key][1])
        return is_fresh, reused or refused

    def _reused(self, key: str, wishes: Sequence[Wish]) -> No:
        """Name what differs between the bodies that are known of a key: of a refused one only its hash is."""
        made = self.journals.get(key)
        bodies = [wish.body for wish in (made, *wishes) if wish and wish.key == key]
        differing = sorted(name for name in bodies[0] if any(b[name] != bodies[0][name] for b in bodies))
        details = {"differing": differing} | ({"journal": key} if made else {})
        return No("idempotency_key_reused", "key", details)

    def _post_holds(self, fresh: Sequence[Wish]) -> Iterator[No]:
        wanted = Counter({wish.posts: 0 for wish in fresh if wish.posts})
        for wish in fresh:
            wanted[wish.posts] += sum(atoms for atoms in wish.merged.values() if atoms > 0)
        for wish in fresh:
            hold = self.holds.get(wish.posts)
            if hold and not self._is_posting_of(wish, hold, wanted[wish.posts]):
                details = {"hold": wish.posts, "state": hold.state, "outstanding": str(hold.outstanding)}
                yield No("hold_not_open", details=details)
        for key in sorted(wanted.keys() & self.holds.keys()):
            hold = self.holds[key]
            if hold.state == "active" and hold.outstanding >= wanted[key]:
                self._let_go(hold, wanted[key])
                hold.posted += wanted[key]
                hold.state = "active" if hold.outstanding else "posted"

    def _is_posting_of(self, wish: Wish, hold: Hold, wanted: int) -> bool:
        sides = {self.exactly(account): atoms > 0 for account, atoms in wish.merged.items()}
        return (
            hold.state == "active"
            and sides == {hold.debit: True, hold.credit: False}
            and hold.outstanding >= wanted
        )

    def _let_go(self, hold: Hold, atoms: int) -> None:
        self.accounts[hold.debit].held_debit -= atoms
        self.accounts[hold.credit].held_credit -= atoms

    def _move_balances(self, fresh: Sequence[Wish]) -> Iterator[No]:
        for wish in fresh:
            entries = self.entries[wish.key] = []
            for key, atoms in wish.merged.items():
                account = self.account(key)
                account.net += atoms
                account.version += 1
                entries.append(Entry(self.exactly(key), atoms, account.net, account.version))
                if not account.is_within_bounds:
                    yield self._insufficient(key, atoms, account.net, account.held(atoms))
                elif account.is_closed:
                    yield No("account_closed")
                elif account.is_frozen_for(atoms):
                    yield No("account_frozen")

    def _reversals(self, fresh: Sequence[Wish]) -> Iterator[No]:
        for wish in fresh:
            if not wish.reverses:
                continue
            booked = {entry.account: entry.atoms for entry in self.entries.get(wish.reverses, [])}
            total: Counter[AccountKey] = Counter()
            for key in self.reversals_of(wish.reverses):
                for entry in self.entries[key]:
                    total[entry.account] += entry.atoms
            own = {entry.account: entry.atoms for entry in self.entries[wish.key]}
            if not all(_takes_back(atoms, booked.get(account, 0)) for account, atoms in own.items()):
                yield No("not_opposite")
            elif any(abs(total[account]) > abs(booked.get(account, 0)) for account in total):
                yield No("already_reversed")

    def _insufficient(self, key: AccountKey, atoms: int, balance: int, held: int) -> No:
        details = {"account": self.exactly(key), "amount": str(atoms), "balance": str(balance)}
        return No("insufficient_balance", "quantity", details | {"held": str(held)})

    def _copy(self) -> Oracle:
        return Oracle(
            self.home,
            {key: replace(account) for key, account in self.accounts.items()},
            dict(self.journals),
            dict(self.entries),
            dict(self.refused),
            {key: replace(hold) for key, hold in self.holds.items()},
            self.closed_through,
        )


def _unbalanced(_oracle: Oracle, fresh: Sequence[Wish]) -> Iterator[No]:
    for wish in fresh:
        totals: Counter[tuple[str, str]] = Counter()
        for account, atoms in wish.merged.items():
            totals[_place(account)] += atoms
        if any(totals.values()):
            yield No("unbalanced", "legs")


def _late(oracle: Oracle, fresh: Sequence[Wish]) -> Iterator[No]:
    through = oracle.closed_through
    if through and any(wish.value_on <= through for wish in fresh):
        yield No("period_closed", "value_on", {"closed_through": through.isoformat()})


def _place(account: AccountKey) -> tuple[str, str]:
    """What balances by itself: an asset, and where it lies if it lies somewhere."""
    return account.asset, account.location if account.asset in LOCATED else ""


def _takes_back(atoms: int, booked: int) -> bool:
    return -booked <= atoms < 0 if booked > 0 else 0 < atoms <= -booked


def _with_held(account: Account, atoms: int) -> Account:
    if atoms > 0:
        return replace(account, held_debit=account.held_debit + atoms)
    return replace(account, held_credit=account.held_credit - atoms)

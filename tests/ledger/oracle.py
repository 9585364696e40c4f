"""The ledger told again in plain Python: dicts and integers, no SQL. Tests post to both and compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from ledger.accounts import AccountKey

DEBIT_NORMAL = {"loan_principal", "custody"}
UNBOUNDED = {"nostro", "house_capital"}
LOCATED = {"BTC"}

Legs = tuple[tuple[AccountKey, int], ...]


@dataclass(frozen=True)
class Wish:
    """A journal to be, in atoms."""

    key: str
    legs: Legs
    reverses: str = ""

    @property
    def merged(self) -> dict[AccountKey, int]:
        totals: Counter[AccountKey] = Counter()
        for account, atoms in self.legs:
            totals[account] += atoms
        return {account: atoms for account, atoms in totals.items() if atoms}


@dataclass
class Oracle:
    balances: Counter[AccountKey] = field(default_factory=Counter)
    versions: Counter[AccountKey] = field(default_factory=Counter)
    freezes: dict[AccountKey, str] = field(default_factory=dict)
    journals: dict[str, Wish] = field(default_factory=dict)

    def post_batch(self, wishes: Sequence[Wish]) -> list[bool] | set[str]:
        """Book all or none.

        Return for each whether it was known before, or the reasons of which the ledger may give any: a batch
        that breaks two rules is refused by either.
        """
        if any(not 2 <= len(wish.merged) <= 500 for wish in wishes):
            return {"journal_size"}
        trial = Oracle(self.balances.copy(), self.versions.copy(), dict(self.freezes), dict(self.journals))
        claims = [trial._claim(wish) for wish in wishes]
        if None in claims:
            return {"idempotency_key_reused"}
        fresh = [wish for wish, is_new in zip(wishes, claims, strict=True) if is_new]
        reversing = [wish.reverses for wish in trial.journals.values() if wish.reverses]
        if len(set(reversing)) < len(reversing):
            return {"already_reversed"}
        if not all(_balances(wish) for wish in fresh):
            return {"unbalanced"}
        if reasons := {reason for wish in fresh for reason in trial._apply(wish)}:
            return reasons
        self.balances, self.versions, self.journals = trial.balances, trial.versions, trial.journals
        return [not is_new for is_new in claims]

    def _claim(self, wish: Wish) -> bool | None:
        """Take the key: True when it is new, False when it made this journal, None when it made another."""
        known = self.journals.setdefault(wish.key, wish)
        if (known.merged, known.reverses) != (wish.merged, wish.reverses):
            return None
        return known is wish

    def _apply(self, wish: Wish) -> set[str]:
        reasons = set()
        for account, atoms in wish.merged.items():
            self.balances[account] += atoms
            self.versions[account] += 1
            standing = self.balances[account]
            if (
                account.role not in UNBOUNDED
                and (standing < 0) == (account.role in DEBIT_NORMAL)
                and standing
            ):
                reasons.add("insufficient_balance")
            freeze = self.freezes.get(account, "none")
            if freeze == "all" or freeze == ("debit" if atoms > 0 else "credit"):
                reasons.add("account_frozen")
        return reasons


def _balances(wish: Wish) -> bool:
    totals: Counter[tuple[str, str]] = Counter()
    for account, atoms in wish.merged.items():
        totals[account.asset, account.location if account.asset in LOCATED else ""] += atoms
    return not any(totals.values())

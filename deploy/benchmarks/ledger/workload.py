"""Which accounts a transfer moves between: drawn ahead of time, the same for every yardstick."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

HOUSE: Final = -1
"""The index of the house's account: the last one of a list that has the clients' first."""

CONTENTIONS: Final = ("uniform", "zipf", "hot")
CENTS_MAX: Final = 999


@dataclass(frozen=True, slots=True)
class Transfer:
    """Debit one account and credit another, both by index into the list of accounts."""

    debit: int
    credit: int
    cents: int

    @property
    def house_cents(self) -> int:
        """By how much the house's account grows on its debit side."""
        return self.cents if self.debit == HOUSE else -self.cents if self.credit == HOUSE else 0


def zipf_weights(count: int, exponent: float = 1.0) -> list[float]:
    """Weights of ranks 1 to `count`, each in proportion to 1 / rank ** exponent.

    >>> zipf_weights(4)
    [1.0, 0.5, 0.3333333333333333, 0.25]
    """
    return [1 / rank**exponent for rank in range(1, count + 1)]


def transfers(contention: str, accounts: int, count: int, seed: str) -> list[Transfer]:
    """Draw `count` transfers among `accounts` clients; the same arguments give the same list.

    The clients that Zipf's law prefers lie scattered over the accounts, and are the same for every seed.
    """
    draw = random.Random(seed)  # noqa: S311
    if contention == "hot":
        return [_with_house(draw, accounts) for _ in range(count)]
    clients: Sequence[int] = range(accounts)
    cumulative: list[float] | None = None
    if contention == "zipf":
        clients = random.Random("ranks").sample(clients, accounts)  # noqa: S311
        cumulative = list(accumulate(zipf_weights(accounts)))
    drawn: list[Transfer] = []
    while len(drawn) < count:
        chosen = draw.choices(clients, cum_weights=cumulative, k=2 * (count - len(drawn)))
        pairs = zip(chosen[::2], chosen[1::2], strict=True)
        drawn += [Transfer(one, other, draw.randint(1, CENTS_MAX)) for one, other in pairs if one != other]
    return drawn


def _with_house(draw: random.Random, accounts: int) -> Transfer:
    client, cents = draw.randrange(accounts), draw.randint(1, CENTS_MAX)
    return Transfer(HOUSE, client, cents) if draw.random() < 0.5 else Transfer(client, HOUSE, cents)

"""A batch of journals as the posting function takes it: parallel arrays, written as text.

PostgreSQL reads a text array in a fraction of the time in which a driver converts a list item by item, and the
server's reading checks each value anyway.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from ledger.core.decimals import CONTEXT, InexactValue, to_atoms
from ledger.core.errors import Invalid
from ledger.core.ids import uuid7s

from .accounts import Found
from .requests import (
    ATOMS_DIGITS_MAX,
    AccountKey,
    JournalRequest,
    ToldLeg,
    check_entries,
    hash_of,
    head_of,
    merge,
    plain_units,
)

# Shifting by the scale is exact or not done at all.
_EXACT: Final = decimal.Context(prec=CONTEXT.prec, traps=[*CONTEXT.traps, decimal.Inexact])


class Batch:
    """Journals whose accounts are known, in the order in which they are to be booked."""

    def __init__(
        self, accounts: Mapping[AccountKey, Found], requests: Sequence[JournalRequest] = (), actor: str = ""
    ) -> None:
        """Raise KeyError naming a leg's account that is not among `accounts`."""
        self.accounts = accounts
        self.requests: list[JournalRequest] = []
        self.hashes: list[bytes] = []
        self.actors: list[str] = []
        self._journals: list[int] = []
        self._positions: list[int] = []
        self._account_ids: list[int] = []
        self._amounts: list[int] = []
        self._counts: list[int] = []
        self._ids: list[UUID] = []
        self._heads: dict[tuple[str, date, str, UUID | None], str] = {}
        for request in requests:
            self.add(request, actor)

    @property
    def ids(self) -> list[UUID]:
        """The ids the journals will have, in order."""
        if len(self._ids) < len(self.requests):
            self._ids = uuid7s(len(self.requests))
        return self._ids

    def add(self, request: JournalRequest, actor: str) -> None:
        """Take a journal in. Raises :class:`Invalid`, and takes nothing, when its shape or a quantity is wrong."""
        accounts = self.accounts
        told: list[ToldLeg] = []
        amounts = []
        ids = []
        for key, quantity in merge(request):
            found = accounts[key]
            amounts.append(atoms_of(quantity, found))
            ids.append(found.id)
            told.append((found.parts, plain_units(quantity), found.quoted))
        if len(set(ids)) < len(ids):
            ids, amounts = _merged(ids, amounts)
        named = (request.kind, request.value_on, request.cause, request.reversal_of)
        head = self._heads.get(named)
        if head is None:
            head = self._heads[named] = head_of(*named)
        self.hashes.append(hash_of(head, told, request.hold))
        self.requests.append(request)
        self.actors.append(actor)
        count = len(ids)
        self._counts.append(count)
        self._journals += [len(self.requests)] * count
        self._positions += range(1, count + 1)
        self._account_ids += ids
        self._amounts += amounts

    def columns(self) -> list[str]:
        """Return the arrays that :sql:`ledger_post` takes, from `p_ids` on."""
        requests = self.requests
        return [
            _ids(self.ids),
            _texts("key", [request.key for request in requests]),
            '{"\\\\x' + '","\\\\x'.join([digest.hex() for digest in self.hashes]) + '"}',
            _texts("actor", self.actors),
            _texts("kind", [request.kind for request in requests]),
            "{" + ",".join([request.value_on.isoformat() for request in requests]) + "}",
            _texts("cause", [request.cause for request in requests]),
            _texts("narrative", [request.narrative for request in requests]),
            _numbers(self._counts),
            _ids(request.reversal_of for request in requests),
            _ids(request.hold for request in requests),
            _numbers(self._journals),
            _numbers(self._positions),
            _numbers(self._account_ids),
            _numbers(self._amounts),
            *self._running(),
        ]

    def single(self) -> list[str | None]:
        """Return what :sql:`ledger_post_one` takes of a batch of one journal, from `p_id` on."""
        (request,) = self.requests
        texts = {"key": request.key, "actor": self.actors[0], "kind": request.kind, "cause": request.cause}
        texts["narrative"] = request.narrative
        for name, text in texts.items():
            if "\0" in text:
                raise _nul(name)
        return [
            self.ids[0].hex,
            request.key,
            "\\x" + self.hashes[0].hex(),
            self.actors[0],
            request.kind,
            request.value_on.isoformat(),
            request.cause,
            request.narrative,
            request.reversal_of.hex if request.reversal_of else None,
            request.hold.hex if request.hold else None,
            _numbers(self._account_ids),
            _numbers(self._amounts),
        ]

    def _running(self) -> tuple[str, str]:
        """What the batch has moved on each entry's account up to it, and in how many entries."""
        totals: dict[int, int] = {}
        turns: dict[int, int] = {}
        moved = []
        nth = []
        for account, amount in zip(self._account_ids, self._amounts, strict=True):
            total = totals[account] = totals.get(account, 0) + amount
            turn = turns[account] = turns.get(account, 0) + 1
            moved.append(total)
            nth.append(turn)
        return _numbers(moved), _numbers(nth)


def atoms_of(quantity: Decimal, account: Found) -> int:
    """Convert units to atoms of the account's asset, exactly; raises :class:`Invalid` for what does not fit.

    The usual number takes a short way, which is exact or not taken.
    """
    if type(quantity) is Decimal and quantity.is_finite() and quantity.adjusted() < ATOMS_DIGITS_MAX:
        try:
            shifted = quantity.scaleb(account.scale, _EXACT)
        except decimal.Inexact:
            shifted = quantity
        atoms = int(shifted)
        if atoms and atoms == shifted and shifted is not quantity:
            return atoms
    try:
        return to_atoms(quantity, account.scale)
    except InexactValue as error:
        raise Invalid(
            f"{account.asset}: {error}", field="quantity", code="inexact", asset=account.asset
        ) from error


def _merged(ids: Sequence[int], amounts: Sequence[int]) -> tuple[list[int], list[int]]:
    """Merge entries on one account: a house account and the slot that this process takes may both be named."""
    totals: dict[int, int] = {}
    for account, amount in zip(ids, amounts, strict=True):
        totals[account] = totals.get(account, 0) + amount
    left = {account: total for account, total in totals.items() if total}
    check_entries(len(left))
    return list(left), list(left.values())


def _numbers(values: Sequence[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _ids(values: Iterable[UUID | None]) -> str:
    return "{" + ",".join([f"{value.int:032x}" if value else "NULL" for value in values]) + "}"


def _texts(name: str, values: Sequence[str]) -> str:
    written = "".join(values)
    if "\0" in written:
        raise _nul(name)
    if '"' in written or "\\" in written:
        values = [value.replace("\\", "\\\\").replace('"', '\\"') for value in values]
    return '{"' + '","'.join(values) + '"}'


def _nul(name: str) -> Invalid:
    return Invalid(_("Text holds no NUL character."), field=name, code="nul")

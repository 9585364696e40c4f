"""What a caller wants booked, and what makes it one and the same wish: pure values, no database.

A request names its entries by account key, in units of each asset; the posting path turns them to atoms once the
asset's scale is known. The body hash is over the canonical JSON of the request, so the same wish has the same hash
whoever sends it, in whatever order it names its legs, and whichever slot of a house account takes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _

from ledger.core.decimals import InexactValue, decimal_places, exact
from ledger.core.errors import Invalid, Refusal

from .models.account import in_words

JOURNALS_PER_BATCH_MAX: Final = 5_000
ENTRIES_PER_JOURNAL_MAX: Final = 500
# The domain `atoms` ends here; no asset has more decimals than this.
ATOMS_DIGITS_MAX: Final = 38
SCALE_MAX: Final = 18
TEXT_LENGTHS_MAX: Final = {"key": 200, "kind": 40, "cause": 120, "narrative": 200}


ToldLeg = tuple[tuple[str, str, str, str], str, str]


class AccountKey(NamedTuple):
    """What identifies an account inside its book, by codes. The house's own accounts have no owner.

    A busy house account lies in several slots so that postings do not wait for one another; a key without a slot
    stands for all of them, and a posting takes the slot of its process.
    """

    role: str
    asset: str
    owner: str = ""
    location: str = ""
    slot: int | None = None

    @classmethod
    def of(cls, account: Any) -> AccountKey:
        """Return the key of an account, whichever slot of it is given."""
        location = account.location.code if account.location else ""
        return cls(account.role, account.asset.code, account.owner, location)

    @classmethod
    def exactly(cls, account: Any) -> AccountKey:
        """Return the key of this account and of no other slot."""
        return cls.of(account)._replace(slot=account.slot)

    def label(self) -> str:
        """Name the account in words, for people."""
        return in_words(self.owner, self.role, self.asset, self.location)

    def parts(self) -> tuple[str, str, str, str]:
        return self.role, self.asset, self.owner, self.location


class Leg(NamedTuple):
    """One entry to be: `quantity` in units of the asset, debit positive."""

    account: AccountKey
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class JournalRequest:
    """What to book: the kind of event, its legs and the key that makes it happen once.

    `hold` names the hold that this journal posts, whole or in part.
    """

    key: str
    kind: str
    legs: tuple[Leg, ...]
    value_on: date
    cause: str = ""
    narrative: str = ""
    reversal_of: UUID | None = None
    hold: UUID | None = None


@dataclass(frozen=True, slots=True)
class Posted:
    """A journal that stands in the books; `is_replay` says that an earlier call booked it."""

    journal_id: UUID
    is_replay: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """One item of an independent batch that was not booked."""

    refusal: Refusal
    is_replay: bool = False


def debit(account: AccountKey, quantity: Decimal) -> Leg:
    return Leg(account, quantity)


def credit(account: AccountKey, quantity: Decimal) -> Leg:
    return Leg(account, -quantity)


def check_size(count: int, *, field: str = "journals") -> None:
    """Refuse a batch of more than :data:`JOURNALS_PER_BATCH_MAX` items, naming the limit."""
    if count > JOURNALS_PER_BATCH_MAX:
        raise Invalid(
            _("A batch holds at most %(most)s journals.") % {"most": JOURNALS_PER_BATCH_MAX},
            field=field,
            code="batch_too_large",
            limit=JOURNALS_PER_BATCH_MAX,
        )


def merge(request: JournalRequest) -> Sequence[Leg]:
    """Check the shape of a journal and merge legs on one account, dropping those that cancel out.

    Raises :class:`Invalid` for a missing key, a text that is too long, a quantity no asset can hold, and a journal
    of fewer than 2 or more than :data:`ENTRIES_PER_JOURNAL_MAX` entries that move something.
    """
    if not request.key:
        raise Invalid(_("A journal needs an idempotency key."), field="key", code="key_required")
    if (
        len(request.key) > 40
        or len(request.kind) > 40
        or len(request.cause) > 40
        or len(request.narrative) > 40
    ):
        _check_lengths(request)
    legs = request.legs
    if len(legs) == 2:
        (one, amount), (other, contra) = legs
        if one != other and _is_plain(amount) and _is_plain(contra):
            return legs
    totals: dict[AccountKey, Decimal] = {}
    for account, quantity in legs:
        totals[account] = totals.get(account, Decimal(0)) + _holdable(quantity)
    merged = [Leg(account, quantity) for account, quantity in totals.items() if quantity]
    check_entries(len(merged))
    return merged


def check_entries(count: int) -> None:
    """Refuse a journal of fewer than 2 or more than :data:`ENTRIES_PER_JOURNAL_MAX` entries."""
    if not 2 <= count <= ENTRIES_PER_JOURNAL_MAX:
        raise Invalid(
            _("A journal has between 2 and %(most)s entries that move something.")
            % {"most": ENTRIES_PER_JOURNAL_MAX},
            field="legs",
            code="journal_size",
            limit=ENTRIES_PER_JOURNAL_MAX,
        )


def _check_lengths(request: JournalRequest) -> None:
    for name, length_max in TEXT_LENGTHS_MAX.items():
        if len(getattr(request, name)) > length_max:
            raise Invalid(
                _("At most %(most)s characters.") % {"most": length_max}, field=name, code="too_long"
            )


def _is_plain(quantity: Decimal) -> bool:
    """Whether `quantity` is an ordinary number that moves something; the rest is looked at more closely."""
    return (
        type(quantity) is Decimal and bool(quantity) and -SCALE_MAX <= quantity.adjusted() < ATOMS_DIGITS_MAX
    )


def _holdable(quantity: Decimal) -> Decimal:
    """Refuse what no asset can hold, so that sums of what is left are exact in the decimal context."""
    try:
        number = exact(quantity)
    except InexactValue as error:
        raise Invalid(str(error), field="quantity", code="inexact") from error
    if number.adjusted() >= ATOMS_DIGITS_MAX or decimal_places(number) > SCALE_MAX:
        raise Invalid(
            _("%(quantity)s is outside what the books can hold.") % {"quantity": number},
            field="quantity",
            code="inexact",
        )
    return number


def body(request: JournalRequest, legs: Iterable[Leg]) -> dict[str, object]:
    """Return what identifies a wish, JSON-safe; what was not said is left out, so that old hashes stay."""
    said: dict[str, object] = {
        "kind": request.kind,
        "value_on": request.value_on.isoformat(),
        "cause": request.cause,
        "reversal_of": str(request.reversal_of or ""),
        "legs": sorted([*leg.account.parts(), plain_units(leg.quantity)] for leg in legs),
    }
    return said | ({"hold": str(request.hold)} if request.hold else {})


def plain_units(quantity: Decimal) -> str:
    """Write a number without exponent and without zeros that say nothing."""
    text = str(quantity)
    if "E" in text:
        return format(quantity.normalize(), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def body_hash(request: JournalRequest, legs: Iterable[Leg]) -> bytes:
    """SHA-256 over the canonical JSON of :func:`body`."""
    told = [(leg.account.parts(), plain_units(leg.quantity), quoted_parts(leg.account)) for leg in legs]
    head = head_of(request.kind, request.value_on, request.cause, request.reversal_of)
    return hash_of(head, told, request.hold)


def quoted_parts(account: AccountKey) -> str:
    """The parts of a key as they stand in the canonical JSON; kept by callers that hash many journals."""
    return ",".join(map(quoted, account.parts()))


def head_of(kind: str, value_on: date, cause: str, reversal_of: UUID | None) -> str:
    """The canonical JSON of a body up to its legs, which many journals of a batch have in common."""
    return (
        f'{{"kind":{quoted(kind)},"value_on":"{value_on.isoformat()}",'
        f'"cause":{quoted(cause)},"reversal_of":"{reversal_of or ""}","legs":['
    )


def hash_of(head: str, told: list[ToldLeg], hold: UUID | None) -> bytes:
    """Hash a body of which `head` is the beginning and whose legs are given as (parts, units, quoted parts).

    Writes by hand what `json.dumps(body(...), separators=(",", ":"))` gives, in a fifth of the time. Sorts `told`.
    """
    told.sort()
    rows = ",".join([f'[{text},"{units}"]' for _parts, units, text in told])
    tail = f'],"hold":"{hold}"}}' if hold else "]}"
    return hashlib.sha256(f"{head}{rows}{tail}".encode()).digest()

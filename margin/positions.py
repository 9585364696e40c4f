"""What clients hold and owe, read from the book for many at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Sum

from ledger.balances import standings
from ledger.core.decimals import ZERO, from_atoms
from ledger.corporate_actions.splits import pending_changes
from ledger.models import Role

from .interest import rounded_cents
from .models import Broker, Facility, InterestAccrual

CLIENT_ROLES = (
    Role.CLIENT_COLLATERAL,
    Role.CLIENT_IN_SALE,
    Role.CLIENT_CASH,
    Role.CLIENT_PROCEEDS,
    Role.LOAN_PRINCIPAL,
    Role.INTEREST_RECEIVABLE,
)


@dataclass(slots=True)
class Position:
    """One client's side of the book, in units; `interest` is what was booked plus what has accrued since.

    `awaited` is what a split has yet to change where the account was frozen or bound: it counts, for the price has
    changed already, and can be neither sold nor withdrawn.
    """

    pledged: dict[str, Decimal] = field(default_factory=dict)
    in_sale: dict[str, Decimal] = field(default_factory=dict)
    awaited: dict[str, Decimal] = field(default_factory=dict)
    cash: dict[str, Decimal] = field(default_factory=dict)
    proceeds: Decimal = ZERO
    principal: Decimal = ZERO
    interest: Decimal = ZERO

    def holdings(self) -> dict[str, Decimal]:
        """Return all that secures the loan by asset: pledged, in sale but not sold, and awaited from a split."""
        total = dict(self.pledged)
        for part in (self.in_sale, self.awaited):
            for code, quantity in part.items():
                total[code] = max(total.get(code, ZERO) + quantity, ZERO)
        return dict(sorted(total.items()))


def positions(broker: Broker, facilities: Collection[Facility]) -> dict[int, Position]:
    """Return the position of each facility by its id, in three queries."""
    by_owner = {facility.client.number: facility for facility in facilities}
    found = {facility.pk: Position() for facility in facilities}
    for standing in standings(broker.book, owners=by_owner.keys(), roles=CLIENT_ROLES):
        position = found[by_owner[standing.key.owner].pk]
        code, quantity = standing.key.asset, standing.quantity
        match standing.key.role:
            case Role.CLIENT_COLLATERAL:
                position.pledged[code] = position.pledged.get(code, ZERO) + quantity
            case Role.CLIENT_IN_SALE:
                position.in_sale[code] = position.in_sale.get(code, ZERO) + quantity
            case Role.CLIENT_CASH:
                position.cash[code] = quantity
            case Role.CLIENT_PROCEEDS:
                position.proceeds += quantity
            case Role.LOAN_PRINCIPAL:
                position.principal += quantity
            case Role.INTEREST_RECEIVABLE:
                position.interest += quantity
    for (owner, code), change in pending_changes(broker.book, owners=by_owner.keys()).items():
        found[by_owner[owner].pk].awaited[code] = change
    accrued = (
        InterestAccrual.objects.filter(facility__in=found, posting__isnull=True)
        .values("facility")
        .annotate(total=Sum("numerator"))
    )
    for row in accrued:
        found[row["facility"]].interest += from_atoms(rounded_cents(int(row["total"])), 2)
    return found


def position_of(facility: Facility) -> Position:
    """Return one facility's position."""
    return positions(facility.client.broker, [facility])[facility.pk]

"""The terms of an action put on holdings: what each account is given, and what the custodian's rounding leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from fractions import Fraction

from django.utils.translation import gettext as _

from ledger.core.errors import Invalid
from ledger.models import Account, CorporateAction, Entitlement, Role
from ledger.models.account import DEBIT_NORMAL_ROLES

from .holdings import Held
from .ratios import NOTHING, Ratio, cash_for, rate_of, share, spread, surplus


def rate(action: CorporateAction) -> Fraction:
    """How many atoms of what is given one atom of the asset gives."""
    if action.amount is not None:
        return rate_of(action.amount, scale=action.asset.scale, to_scale=action.given.scale)
    return ratio_of(action).rate(scale=action.asset.scale, to_scale=action.given.scale)


def ratio_of(action: CorporateAction) -> Ratio:
    """The ratio of a split or bonus; raises :class:`Invalid` (`invalid_ratio`) where it is none."""
    try:
        return Ratio(action.ratio_new, action.ratio_old)  # type: ignore[arg-type]
    except ValueError as error:
        raise Invalid(
            _("A ratio is two whole numbers above zero and up to a million, such as 5 for 1."),
            field="ratio_new",
            code="invalid_ratio",
        ) from error


def entitlements_of(action: CorporateAction, held: Collection[Held]) -> list[Entitlement]:
    """Return what `held` gives, unsaved: one row per account and one for the custodian of each book and place.

    A client's accounts at one place count together, so that what is in sale costs its owner no fraction.
    """
    places: dict[tuple[int, int | None], list[Held]] = defaultdict(list)
    for holding in held:
        places[holding.account.book_id, holding.account.location_id].append(holding)
    custodies = {
        (account.book_id, account.location_id): account
        for account in Account.objects.filter(asset=action.asset, role=Role.CUSTODY, owner="").select_related(
            "location"
        )
    }
    rows: list[Entitlement] = []
    for place, here in sorted(places.items()):
        holders = [row for group in _groups(here) for row in _holders(action, group)]
        custody = custodies.get(place) or _custody_beside(here[0].account)
        rows += [*holders, _pool(action, here, holders, custody)]
    return rows


def _groups(held: Iterable[Held]) -> Iterator[list[Held]]:
    """A client's accounts together, each of the house's own alone."""
    clients: dict[str, list[Held]] = defaultdict(list)
    for holding in held:
        if holding.account.owner:
            clients[holding.account.owner].append(holding)
        else:
            yield [holding]
    yield from clients.values()


def _holders(action: CorporateAction, group: list[Held]) -> Iterator[Entitlement]:
    per_atom = rate(action)
    # The house's suspense account may stand on the other side: what it owes is split as what it holds.
    sign = -1 if group[0].atoms < 0 else 1
    shares = spread([sign * holding.atoms for holding in group], per_atom)
    for holding, given in zip(group, shares, strict=True):
        entitled = sign * given.whole
        is_split = action.kind == CorporateAction.Kind.SPLIT
        yield Entitlement.of(
            action=action,
            account=holding.account,
            holding_atoms=holding.atoms,
            entitled_atoms=entitled,
            change_atoms=entitled - holding.atoms if is_split else entitled,
            fraction=given.fraction,
            cash_atoms=_cash(action, given.fraction) if holding.account.owner else 0,
        )


def _pool(
    action: CorporateAction, held: list[Held], holders: list[Entitlement], custody: Account
) -> Entitlement:
    pool = sum(_owed(holding.account, holding.atoms) for holding in held)
    given = [_owed(row.account, row.entitled_atoms) for row in holders]
    beyond = surplus(pool, given, rate(action))
    return Entitlement.of(
        action=action,
        account=custody,
        holding_atoms=pool,
        entitled_atoms=share(pool, rate(action)).whole,
        change_atoms=beyond.whole,
        fraction=beyond.fraction,
        cash_atoms=_cash(action, beyond.fraction),
    )


def _owed(account: Account, atoms: int) -> int:
    """What the custodian holds against atoms on an account's normal side."""
    return -atoms if account.role in DEBIT_NORMAL_ROLES else atoms


def _cash(action: CorporateAction, fraction: Fraction) -> int:
    if action.fraction_price is None or action.currency is None or fraction == NOTHING:
        return 0
    return cash_for(
        fraction, action.fraction_price, scale=action.given.scale, money_scale=action.currency.scale
    )


def _custody_beside(account: Account) -> Account:
    """The custodian's account at the place of another, unsaved, for where it was never used."""
    return Account(book=account.book, role=Role.CUSTODY, asset=account.asset, location=account.location)

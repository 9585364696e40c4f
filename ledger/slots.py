"""An account as a whole: a house account that lies in slots is frozen and closed in all of them at once."""

from __future__ import annotations

from django.db import connection
from django.db.models import QuerySet

from .models import Account, Balance
from .models.account import UNBOUNDED_ROLES


def slots_of(account: Account) -> QuerySet[Account]:
    """Return the rows of the account's key in the order of their slots; one row unless it is the house's."""
    return Account.objects.filter(
        book_id=account.book_id,
        owner=account.owner,
        role=account.role,
        asset_id=account.asset_id,
        location=account.location,
    ).order_by("slot")


def lock_whole(account: Account) -> list[Account]:
    """Lock every slot of an account and its balances until the transaction ends; return the rows as they stand.

    No slot is opened meanwhile, and postings under way on any of them have ended. Takes balances in the order of
    accounts, as postings do.
    """
    if account.role in UNBOUNDED_ROLES:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(ledger_slots_key(%s, %s, %s, %s, %s))",
                [account.book_id, account.owner, account.role, account.asset_id, account.location_id],
            )
    ids = sorted(slots_of(account).values_list("pk", flat=True))
    list(Balance.objects.select_for_update(no_key=True).filter(account_id__in=ids).order_by("account_id"))
    rows = Account.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids)
    return list(rows.select_related("book", "asset", "location", "balance").order_by("slot"))

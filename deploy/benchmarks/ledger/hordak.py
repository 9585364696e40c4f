"""django-hordak, by its own `transfer_to`, under settings of its own.

Its trigger checks that each transaction sums to zero. It keeps no balance, no floor and no idempotency key, so nothing
waits for a hot account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib.util import find_spec
from typing import Any, Final

from deploy.benchmarks.ledger.cases import Ground, Poster
from deploy.benchmarks.ledger.workload import Transfer

SCHEMA: Final = "hordak"
HOW_TO_HAVE_IT: Final = "install it beside Lombard: pip install django-hordak"


def is_installed() -> bool:
    return find_spec("hordak") is not None


def settings(database: Mapping[str, Any]) -> dict[str, Any]:
    """What Django needs to know for hordak alone."""
    options = dict(database["OPTIONS"]) | {"options": f"-c search_path={SCHEMA}"}
    return {
        "INSTALLED_APPS": ["django.contrib.contenttypes", "mptt", "hordak"],
        "DATABASES": {"default": dict(database) | {"OPTIONS": options}},
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "DEFAULT_CURRENCY": "HKD",
        "HORDAK_CURRENCIES": ["HKD"],
        "HORDAK_INTERNAL_CURRENCY": "HKD",
        "CURRENCIES": ["HKD"],
        "USE_TZ": True,
    }


def lay(ground: Ground) -> None:
    from django.core.management import call_command
    from hordak.models import Account, AccountType

    call_command("migrate", verbosity=0)
    # Accounts of the root of a tree each: laid in one go, because saving the nth moves n others.
    Account.objects.bulk_create(
        Account(
            name=f"C{number:06}" if number < ground.accounts else "house",
            type=AccountType.liability if number < ground.accounts else AccountType.asset,
            currencies=["HKD"],
            **{"tree_id": number + 1, "lft": 1, "rght": 2, "level": 0},
        )
        for number in range(ground.accounts + 1)
    )


def poster(_name: str) -> Poster:
    from django.db import transaction
    from hordak.models import Account
    from moneyed import Money

    accounts = list(Account.objects.order_by("id"))

    def one(keys: Sequence[str], transfers: Sequence[Transfer]) -> None:
        move = transfers[0]
        amount = Money(Decimal(move.cents).scaleb(-2), "HKD")
        with transaction.atomic():
            accounts[move.credit].transfer_to(accounts[move.debit], amount, description=keys[0])

    return one

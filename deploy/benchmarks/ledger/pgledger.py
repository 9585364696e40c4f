"""pgledger, by its own SQL functions: one call for each transfer, or one for a thousand.

Its functions keep balances, versions and the side an account may stand on. It has no idempotency key.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import psycopg
from django.db import connection

from deploy.benchmarks.ledger.cases import Ground, Poster
from deploy.benchmarks.ledger.workload import Transfer

SCHEMA: Final = "pgledger"
VARIABLE: Final = "LOMBARD_PGLEDGER_SQL"
HOW_TO_HAVE_IT: Final = (
    f"name its SQL files in the order to load, by --pgledger-sql or in {VARIABLE} "
    "(vendor/scoville-pgsql-ulid/uuid-to-ulid.sql and pgledger.sql of its repository)"
)
_ONE: Final = "SELECT id FROM pgledger_create_transfer(%s, %s, %s)"
_MANY: Final = (
    "SELECT id FROM pgledger_create_transfers(transfer_requests => ARRAY("
    " SELECT (f, t, a)::transfer_request FROM unnest(%s::text[], %s::text[], %s::numeric[]) AS m(f, t, a)),"
    " event_at => now())"
)


def lay(ground: Ground) -> None:
    with connection.cursor() as cursor:
        for script in ground.scripts:
            cursor.execute(script)
        cursor.execute(
            "SELECT count(*) FROM generate_series(0, %s) AS n,"
            " pgledger_create_account('C' || lpad(n::text, 6, '0'), 'HKD', n >= %s, TRUE)",
            [ground.accounts, ground.accounts],
        )
    accounts = _accounts()
    with connection.cursor() as cursor:
        cursor.execute(
            _MANY,
            [
                [accounts[-1]] * ground.accounts,
                accounts[:-1],
                [Decimal(1_000_000)] * ground.accounts,
            ],
        )


def poster(name: str) -> Poster:
    accounts = _accounts()
    connection.ensure_connection()
    session: psycopg.Connection[Any] = connection.connection

    def one(_keys: Sequence[str], transfers: Sequence[Transfer]) -> None:
        move = transfers[0]
        amount = Decimal(move.cents).scaleb(-2)
        session.execute(_ONE, [accounts[move.debit], accounts[move.credit], amount], prepare=True)

    def many(_keys: Sequence[str], transfers: Sequence[Transfer]) -> None:
        columns = (
            [accounts[move.debit] for move in transfers],
            [accounts[move.credit] for move in transfers],
            [Decimal(move.cents).scaleb(-2) for move in transfers],
        )
        session.execute(_MANY, columns, prepare=True)

    return many if name == "pgledger1000" else one


def _accounts() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM pgledger_accounts ORDER BY name")
        return [account for (account,) in cursor.fetchall()]

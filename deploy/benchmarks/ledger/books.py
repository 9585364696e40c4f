"""Ours: through the posting service, with every guarantee on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

from deploy.benchmarks.ledger import web
from deploy.benchmarks.ledger.cases import Ground, Poster
from deploy.benchmarks.ledger.workload import HOUSE, Transfer
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.coalescing import Coalescer
from ledger.core import clock
from ledger.models import Book, Journal, Location
from ledger.posting import JournalRequest, Posted, credit, debit, post, post_batch

SCHEMA: Final = "public"
ACTOR: Final = "benchmark"
BANK: Final = AccountKey("nostro", "HKD", location="BANK")
FUNDED_CENTS: Final = 100_000_000
_FUNDED_PER_BATCH: Final = 1_000


def client(number: int) -> AccountKey:
    return AccountKey("client_cash", "HKD", f"C{number:06}")


def book() -> Book:
    return Book.objects.get(code="BENCHMARK")


def lay(ground: Ground) -> None:
    Location.objects.create(code="BANK", name="Bank of the benchmark", kind=Location.Kind.BANK)
    made = Book.objects.create(code="BENCHMARK", name="Book of the benchmark")
    build = request_builder(ground.accounts)
    for first in range(0, ground.accounts, _FUNDED_PER_BATCH):
        clients = range(first, min(first + _FUNDED_PER_BATCH, ground.accounts))
        funding = [build(f"fund-{number}", Transfer(HOUSE, number, FUNDED_CENTS)) for number in clients]
        post_batch(made, funding, actor=ACTOR)


def poster(name: str) -> Poster:
    in_book = book()
    accounts = Journal.objects.filter(book=in_book, idempotency_key__startswith="fund-").count()
    build = request_builder(accounts)
    clients = [client(number) for number in range(accounts)]

    def one(keys: Sequence[str], transfers: Sequence[Transfer]) -> Posted:
        return post(in_book, build(keys[0], transfers[0]), actor=ACTOR)

    def coalesced(keys: Sequence[str], transfers: Sequence[Transfer]) -> Posted:
        return _coalescer().post(in_book, build(keys[0], transfers[0]), actor=ACTOR)

    def many(keys: Sequence[str], transfers: Sequence[Transfer]) -> list[Posted]:
        return post_batch(in_book, [build(*pair) for pair in zip(keys, transfers, strict=True)], actor=ACTOR)

    def read(_keys: Sequence[str], transfers: Sequence[Transfer]) -> Decimal:
        return holding(in_book, clients[transfers[0].credit])

    if name == "http_single":
        return web.poster(in_book, [*clients, BANK])
    return {"single": one, "coalesced": coalesced, "read": read}.get(name, many)


def request_builder(accounts: int) -> Callable[[str, Transfer], JournalRequest]:
    """Build the request of a transfer between the first `accounts` clients and the bank."""
    keys = [*(client(number) for number in range(accounts)), BANK]
    day = clock.today()

    def build(key: str, move: Transfer) -> JournalRequest:
        amount = Decimal(move.cents).scaleb(-2)
        legs = (debit(keys[move.debit], amount), credit(keys[move.credit], amount))
        return JournalRequest(key=key, kind="transfer", legs=legs, value_on=day)

    return build


@cache
def _coalescer() -> Coalescer:
    return Coalescer()

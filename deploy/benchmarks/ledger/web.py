"""Ours over REST: journals posted one by one to the web server as a firm runs it, on the machine of the callers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from http.client import HTTPConnection
from multiprocessing.util import Finalize
from typing import Any, Final
from urllib.parse import quote, urlencode

from django.db import connection

from deploy.benchmarks.ledger.cases import Poster
from deploy.benchmarks.ledger.workload import Transfer
from deploy.embedded.processes import wait_until
from deploy.embedded.supervisor import answers, free_port, web_command
from ledger.accounts import AccountKey
from ledger.core import clock
from ledger.models import Book, Location
from margin.brokers import issue_api_key
from margin.models import Broker, Client

_HOST: Final = "127.0.0.1"
_PORT_FIRST: Final = 8700
_PATIENCE_SECONDS: Final = 60


def poster(book: Book, accounts: Sequence[AccountKey]) -> Poster:
    """Post each transfer as a request over a kept connection, one for each calling thread."""
    secret = _open_door(book, accounts)
    port = _served()
    day = clock.today().isoformat()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    of_thread = threading.local()

    def leg(number: int, side: str, cents: int) -> dict[str, str]:
        key = accounts[number]
        where = {"role": key.role, "asset": key.asset, "client": key.owner, "location": key.location}
        return where | {"side": side, "quantity": str(Decimal(cents).scaleb(-2))}

    def post(keys: Sequence[str], transfers: Sequence[Transfer]) -> bytes:
        move = transfers[0]
        legs = [leg(move.debit, "debit", move.cents), leg(move.credit, "credit", move.cents)]
        body = json.dumps({"kind": "transfer", "value_on": day, "legs": legs})
        if not hasattr(of_thread, "wire"):
            of_thread.wire = HTTPConnection(_HOST, port, timeout=_PATIENCE_SECONDS)
        wire: HTTPConnection = of_thread.wire
        wire.request("POST", "/api/v1/journals", body, headers | {"Idempotency-Key": keys[0]})
        answer = wire.getresponse()
        told = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"{answer.status}: {told.decode()}")
        return told

    return post


def _open_door(book: Book, accounts: Sequence[AccountKey]) -> str:
    """A firm with the book, whose clients own the accounts; returns the secret of a new key to it."""
    broker, _is_new = Broker.objects.get_or_create(
        code=book.code,
        defaults={
            "name": book.name,
            "book": book,
            "clearing_location": Location.objects.get(code="BANK"),
            "commission_rate": Decimal(0),
            "commission_minimum": Decimal(0),
            "virtual_asset_fee_rate": Decimal(0),
        },
    )
    owners = sorted({key.owner for key in accounts} - {""})
    Client.objects.bulk_create(
        [Client(broker=broker, number=owner, name=owner, opened_on=clock.today()) for owner in owners],
        ignore_conflicts=True,
    )
    _key, secret = issue_api_key(broker=broker, label="benchmark", actor="benchmark", may_post_journals=True)
    return secret


@cache
def _served() -> int:
    """The port of a web server that ends with this process."""
    port = free_port(_HOST, _PORT_FIRST)
    named = {
        "DATABASE_URL": _url(connection.settings_dict),
        "LOMBARD_EMBEDDED": "1",
        "LOMBARD_HTTPS": "0",
        "ALLOWED_HOSTS": f"localhost,{_HOST}",
        "SECRET_KEY": "a key that signs nothing",
        "LOG_LEVEL": "ERROR",
    }
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", *web_command(_HOST, port), "--log-level", "error"],
        env=os.environ | named,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )

    def stop() -> None:
        server.terminate()
        server.wait()

    Finalize(None, stop, exitpriority=1)
    if not wait_until(lambda: answers(_HOST, port), seconds=_PATIENCE_SECONDS):
        raise RuntimeError("the web server does not answer")
    return port


def _url(database: Mapping[str, Any]) -> str:
    """The database as `DATABASE_URL` names it."""
    word = {name: quote(str(database.get(name) or ""), safe="") for name in ("USER", "PASSWORD", "NAME")}
    place = {"host": database.get("HOST"), "port": database.get("PORT")}
    query = urlencode({name: value for name, value in place.items() if value})
    return f"postgresql://{word['USER']}:{word['PASSWORD']}@/{word['NAME']}?{query}"

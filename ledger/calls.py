"""The calls of the posting functions: how a batch goes to PostgreSQL and what comes back.

A call on its own is its own commit, and most of what a single journal costs a process is the driver. Such a call goes
straight to a statement prepared on the connection, with parameters that are text already; within a transaction, and where
sessions are shared by a proxy, it goes through a cursor like everything else.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, DiagnosticField, ExecStatus

from ledger.core import clock

from .batch import Batch
from .models import Book

_PARAMETERS: Final = (
    "%s::boolean, %s::bigint, %s::timestamptz, %s::integer, %s::integer, %s::uuid[], %s::text[], %s::bytea[],"
    " %s::text[], %s::text[], %s::date[], %s::text[], %s::text[], %s::smallint[], %s::uuid[], %s::uuid[],"
    " %s::integer[], %s::smallint[], %s::bigint[], %s::numeric[], %s::numeric[], %s::integer[]"
)
_POST: Final = f"SELECT ordinal, journal_id FROM ledger_post({_PARAMETERS})"  # noqa: S608
_POST_ONE: Final = (
    "SELECT ledger_post_one(%s::boolean, %s::bigint, %s::timestamptz, %s::uuid, %s::text, %s::bytea, %s::text,"
    " %s::text, %s::date, %s::text, %s::text, %s::uuid, %s::uuid, %s::bigint[], %s::numeric[])"
)
_POST_EACH: Final = (
    f"SELECT ordinal, journal_id, is_known, refusal FROM ledger_post_each(%s::boolean, {_PARAMETERS})"  # noqa: S608
)
_KEEP_REFUSAL: Final = "SELECT ledger_keep_refusal(%s::bigint, %s::text, %s::bytea, %s::jsonb)"

_NOT_PREPARED: Final = b"26000"
_KEYS_ARE_UNIQUE: Final = "ledger_key_pkey"
# The statements prepared on each connection, by the name they have there.
_prepared: WeakKeyDictionary[psycopg.Connection[Any], set[bytes]] = WeakKeyDictionary()


def post(link: BaseDatabaseWrapper, book: Book, batch: Batch) -> dict[int, UUID]:
    """Book a batch, all or none; return what was known before, by its number in the batch counted from 1.

    `link` is the thread's connection, looked up once: Django's stand-in for it looks it up again at each touch.
    A call on its own expects new keys, and is made once more when one is known after all; within a transaction, which an
    error would end, a key is asked for. Raises psycopg.Error for what the law refuses.
    """
    if link.in_atomic_block:
        return _post(link, book, batch, is_eager=False)
    try:
        return _post(link, book, batch, is_eager=True)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != _KEYS_ARE_UNIQUE:
            raise
    return _post(link, book, batch, is_eager=False)


def _post(link: BaseDatabaseWrapper, book: Book, batch: Batch, *, is_eager: bool) -> dict[int, UUID]:
    if len(batch.requests) == 1:
        parameters = [*_call_at(book, is_eager=is_eager), *batch.single()]
        ((journal_id,),) = _call(link, b"ledger_post_one", _POST_ONE, parameters)
        return {1: _uuid(journal_id)} if journal_id else {}
    rows = _call(link, b"ledger_post", _POST, _parameters(book, batch, is_eager=is_eager))
    return {int(number): _uuid(journal_id) for number, journal_id in rows}


def post_each(
    link: BaseDatabaseWrapper, book: Book, batch: Batch, *, keeps_refusals: bool
) -> dict[int, tuple[UUID | None, bool, str | None]]:
    """Book each journal of a batch on its own; return what was not booked now, by its number counted from 1.

    What was known before is (journal, True, None), what was refused (None, whether it was refused before, the
    refusal as JSON).
    """
    parameters = ["t" if keeps_refusals else "f", *_parameters(book, batch, is_eager=True)]
    rows = _call(link, b"ledger_post_each", _POST_EACH, parameters)
    return {
        int(number): (_uuid(journal_id) if journal_id else None, is_known in (True, "t"), why)
        for number, journal_id, is_known, why in rows
    }


def keep_refusal(book: Book, key: str, body_hash: bytes, why: str) -> None:
    """Keep a refusal under its key, unless the key was answered before."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP_REFUSAL, [book.pk, key, body_hash, why])


def _call_at(book: Book, *, is_eager: bool) -> list[str]:
    now: datetime = clock.now()
    return ["t" if is_eager else "f", str(book.pk), now.isoformat()]


def _parameters(book: Book, batch: Batch, *, is_eager: bool) -> list[str | None]:
    return [*_call_at(book, is_eager=is_eager), "1", str(len(batch.ids)), *batch.columns()]


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _call(link: BaseDatabaseWrapper, name: bytes, statement: str, parameters: list[str | None]) -> list[Any]:
    link.ensure_connection()
    raw: psycopg.Connection[Any] = link.connection
    if link.in_atomic_block or raw.prepare_threshold is None:
        with psycopg.Cursor(raw) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall()
    return _straight(raw, name, statement, parameters)


def _straight(
    raw: psycopg.Connection[Any], name: bytes, statement: str, parameters: list[str | None]
) -> list[tuple[str | None, ...]]:
    prepared = _prepared.setdefault(raw, set())
    values: list[Any] = [None if parameter is None else parameter.encode() for parameter in parameters]
    if name not in prepared:
        _prepare(raw, name, statement)
    result = raw.pgconn.exec_prepared(name, values)
    if result.error_field(DiagnosticField.SQLSTATE) == _NOT_PREPARED:
        # After a rollback the driver deallocates every statement of the session, those it did not prepare too.
        _prepare(raw, name, statement)
        result = raw.pgconn.exec_prepared(name, values)
    _check(raw, result)
    return [
        tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
        for row in range(result.ntuples)
    ]


def _prepare(raw: psycopg.Connection[Any], name: bytes, statement: str) -> None:
    _check(raw, raw.pgconn.prepare(name, _numbered(statement)))
    _prepared[raw].add(name)


def _check(raw: psycopg.Connection[Any], result: Any) -> None:
    if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
        return
    if raw.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(result.get_error_message())
    raise error_from_result(result, encoding="utf-8")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _numbered(statement: str) -> bytes:
    """Turn `%s` to `$1`, `$2` and so on, as the server numbers parameters."""
    numbers = iter(range(1, statement.count("%s") + 1))
    return re.sub("%s", lambda _mark: f"${next(numbers)}", statement).encode()

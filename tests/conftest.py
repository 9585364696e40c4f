"""What every test stands on: a database made once by the migrations and given back whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from psycopg import sql
from pytest_django.plugin import DjangoDbBlocker

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test client builds the middleware anew, and looking all static files up takes longer than most tests.
settings.WHITENOISE_AUTOREFRESH = True


def _copy_database(source: str, target: str) -> None:
    """Replace the database `target` by a copy of `source`; nobody may be connected to either."""
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target)))
        cursor.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(target), sql.Identifier(source)
            )
        )


@pytest.fixture(scope="session")
def django_db_setup(
    database_server: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """After a test that commits, put the database back as the migrations left it.

    Django would empty the tables, which the append-only ones refuse, and lose the rows that migrations made.
    """
    name = connection.settings_dict["NAME"]
    pristine = f"{name}_pristine"
    with django_db_blocker.unblock():
        _copy_database(name, pristine)
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _copy_database(pristine, name))
    yield
    patch.undo()
    with django_db_blocker.unblock(), connection._nodb_cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(pristine)))

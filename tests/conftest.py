"""What every test stands on: a database made once by the migrations and given back whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from tests.browser.chromium import chromium
from tests.databases import copy_database, drop_database

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Each test client builds the middleware anew, and looking all static files up takes longer than most tests.
settings.WHITENOISE_AUTOREFRESH = True


def pytest_report_header() -> str:
    """Say which browser the browser stories use, or that they are left out."""
    found = chromium()
    return f"browser stories: {found}" if found else "browser stories: left out, no Chromium on this machine"


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
        copy_database(name, pristine)
    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: _put_back(pristine, name))
    yield
    patch.undo()
    with django_db_blocker.unblock():
        drop_database(pristine)


def _put_back(pristine: str, name: str) -> None:
    from ledger.accounts import forget_accounts

    copy_database(pristine, name)
    forget_accounts()

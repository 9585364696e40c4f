"""Settings come from the environment; a machine that names its own database must name the rest as well."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from decimal import Decimal, getcontext
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import connection

PRODUCTION = {
    "DATABASE_URL": "postgresql://lombard@books.example/lombard",
    "BROKER_URL": "rediss://queue.example/0",
    "SECRET_KEY": "harbour-securities-" + "x7Rf2Kq9Lm4Zt8Wd" * 3,
    "ALLOWED_HOSTS": "lombard.example",
}
OURS = {*PRODUCTION, "LOMBARD_EMBEDDED", "LOMBARD_STATE_DIR", "DJANGO_SETTINGS_MODULE"}


def check(given: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    return subprocess.run(
        [sys.executable, "manage.py", "check", *arguments],
        cwd=Path(__file__).resolve().parents[2],
        env=environment | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_production_environment_passes_every_deployment_check() -> None:
    answer = check(PRODUCTION, "--deploy", "--fail-level", "WARNING")

    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("missing", ["SECRET_KEY", "ALLOWED_HOSTS", "BROKER_URL"])
def test_a_named_database_without_the_rest_is_refused_and_the_missing_name_is_told(missing: str) -> None:
    answer = check({name: value for name, value in PRODUCTION.items() if name != missing})

    assert answer.returncode != 0
    assert f"Set the {missing} environment variable" in answer.stderr


def test_decimals_are_exact_in_every_thread() -> None:
    number = Decimal("12345678901234567890.123456789012345678")
    seen: list[tuple[int, Decimal]] = []

    thread = threading.Thread(target=lambda: seen.append((getcontext().prec, number + 0)))
    thread.start()
    thread.join()

    assert seen == [(78, number)]


def test_a_task_is_handed_out_again_only_after_its_time_limit() -> None:
    handed_out_again_after = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]

    assert settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < handed_out_again_after
    assert settings.CELERY_TASK_ACKS_LATE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_a_committing_test_leaves_is_gone_for_the_next(turn: str) -> None:
    assert not Group.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_event")
        assert cursor.fetchone() == (0,)

    Group.objects.create(name=f"Credit desk, {turn}")


@pytest.mark.django_db
def test_the_database_runs_in_utc_with_a_name_for_its_operators() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('TimeZone'), current_setting('application_name')")
        assert cursor.fetchone() == ("UTC", "lombard")

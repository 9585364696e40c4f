"""PostgreSQL and Valkey for the test run, named before settings are read and started when first needed.

A run of pure arithmetic starts nothing. `LOMBARD_TEST_DATABASE_URL` or `DATABASE_URL` names a server to use
instead; its role needs CREATEDB.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from deploy.embedded.temporary import TemporaryServers

# A test database is thrown away: speed, not survival of a power cut, and nobody else in it when it is dropped.
_HASTE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "60",
}

_key = pytest.StashKey[TemporaryServers]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Name the servers in the environment; a wrapper comes before pytest-django reads the settings."""
    servers = TemporaryServers(Path(tempfile.gettempdir()), "tests", settings=_HASTE)
    early_config.stash[_key] = servers
    given = os.environ.get("LOMBARD_TEST_DATABASE_URL") or os.environ.get("DATABASE_URL")
    os.environ["LOMBARD_STATE_DIR"] = str(servers.places.state_dir)
    os.environ["LOMBARD_EMBEDDED"] = "1"
    os.environ["DATABASE_URL"] = given or servers.places.database_url
    os.environ.setdefault("BROKER_URL", servers.places.broker_url)
    os.environ.setdefault("SECRET_KEY", "a key that signs nothing outside this test run")
    return (yield)


def pytest_unconfigure(config: pytest.Config) -> None:
    if _key in config.stash:
        config.stash[_key].remove()


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest) -> str:
    """The URL of a running server; starts the run's own when none was given."""
    servers = request.config.stash[_key]
    if os.environ["DATABASE_URL"] == servers.places.database_url:
        servers.remove_what_killed_runs_left()
        servers.postgres.start()
    return os.environ["DATABASE_URL"]


@pytest.fixture(scope="session")
def broker_url(request: pytest.FixtureRequest) -> str:
    """The URL of a running broker, for the few tests that run a real worker."""
    servers = request.config.stash[_key]
    if os.environ["BROKER_URL"] == servers.places.broker_url:
        servers.valkey.start()
    return os.environ["BROKER_URL"]

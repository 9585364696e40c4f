"""A client generated from the committed schema does a broker's day over a real connection."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from ledger.core import clock
from margin.brokers import issue_api_key
from tests.builders import World, harbour

from .test_schema import COMMITTED


@pytest.fixture
def lombard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The generated package, importable for the length of a test."""
    config = tmp_path / "config.yaml"
    # The generator knows a file only as a stream of octets.
    config.write_text(
        "post_hooks: []\npackage_name_override: lombard_client\n"
        "content_type_overrides:\n  application/pdf: application/octet-stream\n"
    )
    done = subprocess.run(
        [
            Path(sys.executable).with_name("openapi-python-client"),
            "generate",
            f"--path={COMMITTED}",
            f"--config={config}",
            f"--output-path={tmp_path / 'lombard_client'}",
            "--meta=none",
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("lombard_client")
    for name in [name for name in sys.modules if name.split(".")[0] == "lombard_client"]:
        del sys.modules[name]


def prices_of_this_minute(world: World) -> None:
    now = clock.now().astimezone(clock.HONG_KONG).strftime("%Y-%m-%d %H:%M:%S")
    world.price("00005", "98.40", now)


@pytest.mark.django_db(transaction=True)
def test_open_a_client_deposit_draw_down_and_read_the_balances(lombard: ModuleType, live_server: LiveServer):
    def operation(tag: str, name: str) -> Any:
        return importlib.import_module(f"lombard_client.api.{tag}.{name}")

    models = importlib.import_module("lombard_client.models")
    world = harbour()
    prices_of_this_minute(world)
    _key, secret = issue_api_key(broker=world.broker, label="core system", actor="wong")
    caller = lombard.AuthenticatedClient(base_url=live_server.url, token=secret)

    opened = operation("clients", "open_client").sync(
        client=caller,
        body=models.OpenClientRequest(
            number="C001", name="Chan Siu Ming", credit_review_due_on=date(2099, 1, 1)
        ),
        idempotency_key="open-C001",
    )
    assert opened.number == "C001"
    facility = operation("facilities", "open_facility").sync(
        client=caller,
        body=models.OpenFacilityRequest(client="C001", credit_limit="1000000.00", rate_plan="Standard"),
        idempotency_key="facility-C001",
    )
    deposit = operation("collateral_movements", "deposit_collateral").sync(
        "C001",
        client=caller,
        body=models.CollateralMovementRequest(asset="00005", quantity="8000"),
        idempotency_key="shares-1",
    )
    assert deposit.journal.kind == "collateral_deposit"

    def draw() -> Any:
        return operation("facilities", "draw_down").sync_detailed(
            facility.id,
            client=caller,
            body=models.DrawdownRequest(amount="250000.00", purpose=models.LoanPurpose.SECURITIES),
            idempotency_key="loan-1",
        )

    drawn, again = draw(), draw()
    assert drawn.status_code == 201, drawn.content
    assert again.parsed == drawn.parsed
    assert again.headers["Idempotency-Replayed"] == "true"

    balances = operation("books", "list_balances").sync(client=caller, client_query="C001")
    assert {(str(row.role), row.asset, row.quantity) for row in balances.results} == {
        ("client_collateral", "00005", "8000"),
        ("loan_principal", "HKD", "250000.00"),
    }
    now = operation("facilities", "get_facility").sync(facility.id, client=caller)
    assert (now.standing.loan, now.standing.headroom) == ("250000.00", "301040.00")

    refused = operation("facilities", "draw_down").sync_detailed(
        facility.id,
        client=caller,
        body=models.DrawdownRequest(amount="301040.01", purpose=models.LoanPurpose.SECURITIES),
        idempotency_key="loan-2",
    )
    assert refused.status_code == 422
    assert isinstance(refused.parsed, models.Problem)
    assert refused.parsed.code == "beyond_effective_limit"

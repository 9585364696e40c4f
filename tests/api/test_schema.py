"""The published schema: complete, committed as it is served, and with examples that the API takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client as Browser
from drf_spectacular.generators import SchemaGenerator

from margin.models import SettlementInstruction
from tests.builders import user

from .conftest import Caller, House, signed_in
from .stories import with_an_unsettled_trade

COMMITTED = Path(settings.BASE_DIR) / "deploy" / "openapi" / "v1.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    generated: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return generated


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_the_committed_schema_is_the_one_that_is_served(db: None, client: Browser):
    """After a change: `manage.py spectacular --validate --fail-on-warn --file deploy/openapi/v1.yaml`."""
    served = client.get("/api/v1/schema/")
    assert served.status_code == 200
    assert yaml.safe_load(served.content) == yaml.safe_load(COMMITTED.read_text())


def test_every_operation_has_a_name_a_tag_a_description_and_its_errors(schema: dict[str, Any]):
    names = []
    for path, method, operation in operations(schema):
        names.append(operation["operationId"])
        assert re.fullmatch(r"[a-z]+[A-Za-z]+", operation["operationId"]), path
        assert len(operation["tags"]) == 1, path
        assert operation["description"], path
        assert operation["security"] == [{"apiKey": []}, {"staffSession": []}], path
        for status in ("401", "403", "422"):
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], (path, method, status)
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert len(names) == len(set(names))


def test_every_command_asks_for_its_key(schema: dict[str, Any]):
    for path, method, operation in operations(schema):
        parameters = {p["name"]: p for p in operation.get("parameters", [])}
        is_question = path.endswith("/journals/preview")
        assert ("Idempotency-Key" in parameters) == (method == "post" and not is_question), path
        if method == "post" and not is_question:
            assert parameters["Idempotency-Key"]["required"] is True
            assert "409" in operation["responses"]
            assert "Retry-After" in operation["responses"]["409"]["headers"]


def test_no_number_that_has_to_be_exact_is_a_json_number(schema: dict[str, Any]):
    numbers = [
        (name, field)
        for name, component in schema["components"]["schemas"].items()
        for field, definition in component.get("properties", {}).items()
        if definition.get("type") == "number"
    ]
    assert numbers == []
    amount = schema["components"]["schemas"]["CashMovementRequest"]["properties"]["amount"]
    assert amount["type"] == "string"
    assert re.fullmatch(amount["pattern"], "12.50")
    for refused in ("1e3", "NaN", "-0", "0.001", "1,000"):
        assert not re.fullmatch(amount["pattern"], refused)


def test_every_set_of_choices_has_a_name_of_its_own(schema: dict[str, Any]):
    enums = {n for n, c in schema["components"]["schemas"].items() if "enum" in c}
    assert [name for name in enums if re.search(r"[0-9a-f]{3}Enum$", name)] == []


def address(path: str, house: House) -> str:
    sale = house.chan.calls.get().sales.get()
    ids = {
        "clients": "C001",
        "facilities": house.chan.pk,
        "forced-sales": sale.pk,
        "margin-calls": sale.call_id,
        "settlement-instructions": SettlementInstruction.objects.get().pk,
    }
    first = path.removeprefix("/api/v1/").split("/")[0]
    return re.sub(r"\{\w+\}", str(ids.get(first, "")), path.removeprefix("/api/v1/"))


def test_every_example_is_taken_as_it_stands(house: House, schema: dict[str, Any]):
    with_an_unsettled_trade(house)
    operator: Caller = signed_in(user("boss", is_superuser=True))
    tried = 0
    for path, _method, operation in operations(schema):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            response = operator.post(f"{address(path, house)}?broker=HARBOUR", example["value"])
            tried += 1
            assert response.status_code != 404, path
            assert response.status_code < 500, path
            assert response.status_code < 400 or response.json()["code"] != "invalid", (path, response.json())
    assert tried >= 8


@pytest.mark.parametrize("page", ["/api/docs/", "/api/reference/"])
def test_the_documentation_needs_no_other_host(db: None, client: Browser, page: str):
    response = client.get(page)
    assert response.status_code == 200
    html = response.content.decode()
    fetched = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert fetched
    for address in fetched:
        assert address.startswith("/static/"), address
        assert finders.find(address.removeprefix("/static/")), address

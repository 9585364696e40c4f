"""Whether the law of a room stands in the database as its files and models say.

Looked for by name and place are triggers, constraints, primary and foreign keys, unique columns, and domains with the
columns that are of them; functions are compared word for word. Who may switch the law off can switch it on again before
an audit; what was done in between is found in the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from django.apps import apps
from django.db import connection
from django.db.models import Field, Model

from ledger.core.migration_sql import SPLIT

Rule = tuple[str, str]
_TRIGGER: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER (\w+)\b[^;]*?\bON (\w+)[^;]*?\bEXECUTE FUNCTION (\w+)",
    re.MULTILINE,
)
_FUNCTION: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION (\w+)\s*\(.*?\bAS \$\$(.*?)\$\$", re.MULTILINE | re.DOTALL
)


def faults(app_label: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield (subject, message) for each rule of the room that is missing, switched off or another than it was."""
    files = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))]
    text = "\n".join(file.partition(SPLIT)[0] for file in files)
    models = [model for model in apps.get_app_config(app_label).get_models() if model._meta.managed]
    found = _triggers()
    for name, table, function in sorted(set(_TRIGGER.findall(text))):
        if (name, table) not in found:
            yield f"table {table}", f"{name} is missing or switched off"
        elif found[name, table] != function:
            yield f"table {table}", f"{name} calls {found[name, table]} and not {function}"
    for name, table in sorted(_named_rules(models) - _rules_in_force()):
        yield f"table {table}", f"{name} is missing or switched off"
    for table, what in _columns_without_key(models):
        yield f"table {table}", what
    in_force = _functions()
    for name, body in sorted(set(_FUNCTION.findall(text))):
        if body not in in_force.get(name, ()):
            yield f"function {name}", "is missing or not the one of the law"


def domain_faults(app_label: str, constraints: Iterable[Rule]) -> Iterator[tuple[str, str]]:
    """Yield what is missing of (domain, constraint) pairs, and columns of the room that are not of their domain."""
    constraints = set(constraints)
    rows = _rows(
        "SELECT t.typname, c.conname FROM pg_constraint c JOIN pg_type t ON t.oid = c.contypid WHERE convalidated"
    )
    for domain, name in sorted(constraints - set(rows)):
        yield f"domain {domain}", f"{name} is missing or switched off"
    domains = {domain for domain, _name in constraints}
    stated = {
        (model._meta.db_table, field.column, str(field.db_type(connection)))
        for model in apps.get_app_config(app_label).get_models()
        for field in model._meta.local_concrete_fields
        if field.db_type(connection) in domains
    }
    found = _rows(
        "SELECT attrelid::regclass::text, attname, atttypid::regtype::text FROM pg_attribute"
        " WHERE attnum > 0 AND atttypid IN (SELECT oid FROM pg_type WHERE typtype = 'd')"
    )
    for table, column, domain in sorted(stated - set(found)):
        yield f"table {table}", f"{column} is not of the domain {domain}"


def _triggers() -> dict[Rule, str]:
    rows = _rows(
        "SELECT tgname, tgrelid::regclass::text, tgfoid::regproc::text FROM pg_trigger"
        " WHERE tgenabled IN ('O', 'A') AND NOT tgisinternal"
    )
    return {(name, table): function for name, table, function in rows}


def _named_rules(models: Iterable[type[Model]]) -> set[Rule]:
    return {
        (name, model._meta.db_table)
        for model in models
        for name in [c.name for c in model._meta.constraints] + [f"{model._meta.db_table}_pkey"]
    }


def _rules_in_force() -> set[Rule]:
    return set(
        _rows(
            """
            SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE convalidated AND conrelid <> 0
             UNION ALL
            SELECT indexrelid::regclass::text, indrelid::regclass::text FROM pg_index
             WHERE indisunique AND indisvalid
            """
        )
    )


def _columns_without_key(models: Iterable[type[Model]]) -> Iterator[Rule]:
    """Foreign keys and unique columns have names that Django makes up, so they are looked for by column."""
    keyed = set(
        _rows(
            """
            SELECT c.conrelid::regclass::text, a.attname, c.contype::text FROM pg_constraint c
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
             WHERE c.contype IN ('f', 'u') AND c.convalidated AND cardinality(c.conkey) = 1
            """
        )
    )
    for model in models:
        table = model._meta.db_table
        for field in model._meta.local_concrete_fields:
            if _refers(field) and (table, field.column, "f") not in keyed:
                yield table, f"the foreign key of {field.column} is missing or switched off"
            if field.unique and not field.primary_key and (table, field.column, "u") not in keyed:
                yield table, f"{field.column} is not kept single"


def _refers(field: Field[Any, Any]) -> bool:
    return bool(field.is_relation and getattr(field, "db_constraint", False))


def _functions() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, body in _rows(
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    ):
        found.setdefault(name, set()).add(body)
    return found


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()

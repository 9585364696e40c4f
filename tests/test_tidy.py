"""What no room that keeps money may contain, read from the source: each rule is a question to the syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("ledger", "collateral", "margin")
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
CLOCK = "ledger/core/clock.py"
# Widths on a page and pauses between attempts are no money.
MAY_HAVE_A_FLOAT = {"margin/admin/panel.py"}


@cache
def trees() -> dict[str, ast.Module]:
    """The product's own files by path; migrations stay as they were made."""
    paths = [
        path
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        if "migrations" not in path.parts
    ]
    return {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def floats(path: str, tree: ast.Module) -> Iterator[ast.AST]:
    """Numbers with a binary fraction, and whatever makes or names one."""
    pauses = {
        id(argument)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("sleep")
        for argument in call.args
    }
    for node in ast.walk(tree):
        is_literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        is_name = isinstance(node, ast.Name) and node.id == "float"
        if (is_literal or is_name) and id(node) not in pauses and path not in MAY_HAVE_A_FLOAT:
            yield node


def clocks(path: str, tree: ast.Module) -> Iterator[ast.AST]:
    """The time of day told by anything but the clock, so that a replay would live in two times."""
    for node in ast.walk(tree):
        is_told = isinstance(node, ast.Attribute) and node.attr in ("now", "today", "utcnow")
        if is_told and ast.unparse(node.value) in ("datetime", "date", "timezone") and path != CLOCK:
            yield node


def bare_excepts(_path: str, tree: ast.Module) -> Iterator[ast.AST]:
    """Handlers that catch an interrupt too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler) and node.type is None)


def long_functions(_path: str, tree: ast.Module) -> Iterator[ast.AST]:
    """Functions in which there is a second idea."""
    for node in ast.walk(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if is_function and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX:
            yield node


RULES = [floats, clocks, bare_excepts, long_functions]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_room_that_keeps_money_has(rule) -> None:  # type: ignore[no-untyped-def]
    found = [f"{path}:{node.lineno}" for path, tree in trees().items() for node in rule(path, tree)]

    assert found == []


def test_no_file_is_longer_than_a_reader_follows() -> None:
    long = [
        path
        for path in trees()
        if len((ROOT / path).read_text(encoding="utf-8").splitlines()) > FILE_LINES_MAX
    ]

    assert long == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (floats, "price = 0.1"),
        (floats, "price = float('1')"),
        (clocks, "from datetime import datetime\nnow = datetime.now()"),
        (bare_excepts, "try:\n    pass\nexcept:\n    pass"),
        (long_functions, "def f():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    ],
)
def test_each_rule_finds_what_it_is_for(rule, source: str) -> None:  # type: ignore[no-untyped-def]
    assert list(rule("ledger/new.py", ast.parse(source)))
    assert not list(rule("ledger/new.py", ast.parse("import time\ntime.sleep(0.1)")))

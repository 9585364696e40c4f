"""The list of invariants names tests that exist, and leaves no story of the law out."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
LIST = HERE.parents[1] / "ledger" / "INVARIANTS.md"


def stories_in(file: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE))


def named() -> set[tuple[str, str]]:
    """The tests the list names; a name without a file belongs to the file before it."""
    found = set()
    file = ""
    for given, name in re.findall(r"`([\w/]+\.py)?::(test_\w+)`", LIST.read_text(encoding="utf-8")):
        file = given or file
        found.add((file, name))
    return found


def test_every_test_the_list_names_exists() -> None:
    assert {(file, name) for file, name in named() if name not in stories_in(file)} == set()


def test_every_story_of_the_law_is_on_the_list() -> None:
    laws = {name for name in stories_in("test_law.py") if re.match(r"test_l\d", name)}
    by_function = {name for name in laws if "the_posting_function" in name}

    assert laws - by_function <= {name for file, name in named() if file == "test_law.py"}

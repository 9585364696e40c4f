"""Every code that a page may show has words."""

from __future__ import annotations

import re
from pathlib import Path

import margin
from ledger.journal_kinds import kind_in_words
from margin.admin.show import percent, quantity, time_left
from margin.admin.words import EXCLUSIONS, JOURNAL_KINDS, LEG_REASONS, OUTCOMES, TOPICS
from margin.sales.planner import Excluded, LegReason, Outcome
from margin.states import CALL, TRANSITIONS
from tests.builders import D, hong_kong

SOURCES = "\n".join(path.read_text(encoding="utf-8") for path in Path(margin.__file__).parent.rglob("*.py"))


def test_reasons_and_outcomes_of_a_plan_have_words():
    assert {reason.value for reason in LegReason} <= LEG_REASONS.keys()
    assert {reason.value for reason in Excluded} <= EXCLUSIONS.keys()
    assert {outcome.value for outcome in Outcome} == OUTCOMES.keys()


def test_what_happens_to_a_call_and_a_sale_has_words():
    assert {f"margin.call.{event}" for _from, event, _to in TRANSITIONS[CALL]} <= TOPICS.keys()
    assert (
        set(re.findall(r'"(margin\.sale\.[a-z_]+)"', SOURCES)) - {"margin.sale.released_by_rule"}
        <= TOPICS.keys()
    )


def test_kinds_of_journals_have_words():
    kinds = set(re.findall(r'kind="([a-z_]+)"', SOURCES))
    assert kinds <= JOURNAL_KINDS.keys()
    assert [kind for kind in kinds if kind_in_words(kind) == kind] == []


def test_a_ratio_without_an_end_and_a_long_quantity_are_shown_as_they_are():
    assert percent(None) == "∞"
    assert percent(D("1.007218"), 4) == "100.7218%"
    assert quantity(D("1234.500000000000000000")) == "1,234.5"


def test_a_deadline_that_passed_says_by_how_much():
    due = hong_kong("2026-04-08 15:00")

    assert time_left(due, hong_kong("2026-04-08 14:00")) == "1 h 0 min left"
    assert time_left(due, hong_kong("2026-04-10 16:00")) == "2 d 1 h overdue"

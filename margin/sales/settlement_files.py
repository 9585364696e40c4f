"""The clearing house's settlement report as a file, line by line, and the instructions as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, TextIO

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from collateral.tables import LineError, read_day, read_lines
from ledger.core import csv_files
from ledger.core.decimals import ZERO, InexactValue, exact, plain
from ledger.core.errors import Invalid, Refusal
from margin.models import Broker, SettlementInstruction, SettlementReport

from .instructions import CLIENT_PATH, age_days, client_of
from .settlement import Reported, report_failure, report_settlement

COLUMNS: Final = ("instruction", "outcome", "quantity", "money", "settled_on", "reference", "reason")
CSV_COLUMNS: Final = (
    "instruction",
    "client",
    "asset",
    "status",
    "quantity",
    "settled_quantity",
    "gross",
    "settled_money",
    "currency",
    "due_on",
    "next_attempt_on",
    "fails",
    "days_late",
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file; `known` lines were told before in the same words."""

    booked: int
    known: int
    errors: tuple[LineError, ...]


def read_reports(file: TextIO | Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines of a report; raises Invalid (`missing_columns`, `not_text`)."""
    yield from read_lines(file, columns=COLUMNS)


def import_reports(
    lines: Iterable[tuple[int, dict[str, str]]], *, brokers: Collection[Broker] | None, actor: str
) -> Imported:
    """Book a report line by line, each on its own; a line that is refused leaves the others standing.

    Instructions of other firms than `brokers` (None: any) are unknown. Codes are those of
    :func:`margin.sales.settlement.report_settlement`, `unknown_instruction`, `invalid` and `NOT_A_DATE`.
    """
    booked = known = 0
    errors: list[LineError] = []
    for line, row in lines:
        try:
            reported = _report(row, brokers, actor)
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
            continue
        known += reported.is_replay
        booked += not reported.is_replay
    return Imported(booked, known, tuple(errors))


def csv_lines(instructions: QuerySet[SettlementInstruction]) -> Iterator[str]:
    """Give instructions as CSV, line by line; exact figures as plain decimals."""
    yield csv_files.BYTE_ORDER_MARK + csv_files.line(CSV_COLUMNS)
    rows = instructions.select_related("fill__order__leg__asset", CLIENT_PATH).order_by("pk")
    for row in rows.iterator(chunk_size=500):
        yield csv_files.line(
            [
                csv_files.harmless(row.reference),
                csv_files.harmless(client_of(row).number),
                row.fill.order.leg.asset.code,
                row.status,
                plain(row.quantity),
                plain(row.settled_quantity),
                plain(row.gross),
                plain(row.settled_money),
                row.currency,
                row.due_on,
                row.next_attempt_on,
                row.fail_count,
                age_days(row),
            ]
        )


def _report(row: dict[str, str], brokers: Collection[Broker] | None, actor: str) -> Reported:
    found = SettlementInstruction.objects.filter(reference=row["instruction"])
    if brokers is not None:
        found = found.filter(**{f"{CLIENT_PATH}__broker__in": brokers})
    instruction = found.first()
    if instruction is None:
        raise Invalid(
            _("There is no instruction %(reference)s.") % {"reference": row["instruction"]},
            field="instruction",
            code="unknown_instruction",
        )
    source = SettlementReport.Source.FILE
    told: dict[str, Any] = {
        "instruction": instruction,
        "reference": row["reference"],
        "actor": actor,
        "source": source,
    }
    day = read_day(row["settled_on"])
    match row["outcome"]:
        case SettlementReport.Outcome.SETTLED:
            quantity, money = (_number(row, field) for field in ("quantity", "money"))
            return report_settlement(quantity=quantity, money=money, settled_on=day, **told)
        case SettlementReport.Outcome.FAILED:
            return report_failure(failed_on=day, reason=row["reason"], **told)
        case other:
            raise Invalid(_("%(word)s is no outcome.") % {"word": other}, field="outcome", code="invalid")


def _number(row: dict[str, str], field: str) -> Decimal:
    if not row[field]:
        return ZERO
    try:
        return exact(row[field])
    except InexactValue as error:
        raise Invalid(str(error), field=field, code="inexact") from error

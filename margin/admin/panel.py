"""The story at the head of a page: figures, tables, a chart and a timeline, each leading to its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from ledger.core.charts import Chart

from .scope import BrokerScope

ROWS_SHOWN_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. `tone` is `danger`, `warning`, `success` or nothing."""

    label: object
    value: object
    href: str = ""
    hint: object = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    title: object
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Cells under columns; `more` leads to the whole list."""

    title: object
    columns: Sequence[Column]
    cells: Sequence[Sequence[object]]
    empty: object = ""
    more: str = ""
    note: object = ""

    @property
    def rows(self) -> list[list[tuple[object, Column]]]:
        """Each cell beside its column."""
        return [list(zip(row, self.columns, strict=True)) for row in self.cells]


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened."""

    at: datetime
    what: object
    actor: str
    subject: object = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    tiles: Sequence[Tile] = ()
    tables: Sequence[Table] = ()
    chart: Chart | None = None
    charts: Sequence[Chart] = ()
    timeline: Sequence[Moment] = ()
    notes: Sequence[object] = field(default_factory=tuple)


class PanelAdmin(BrokerScope):
    """An admin whose pages open with a :class:`Panel`."""

    change_form_outer_before_template = "margin/panel.html"

    def panel(self, request: HttpRequest, row: Any) -> Panel:
        """Gather what the head of the page of `row` shows."""
        return Panel()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        if obj is not None:
            context["panel"] = self.panel(request, obj)
        return super().render_change_form(request, context, add, change, form_url, obj)

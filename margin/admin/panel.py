"""The story at the head of a page: figures, tables, a chart and a timeline, each leading to its rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse

from .scope import BrokerScope
from .show import language

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
class Series:
    label: object
    values: Sequence[object]
    colour: str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar or line chart; values are decimal text, so that nothing passes through a float on our side.

    `links` leads from each bar to the rows it counts.
    """

    title: object
    kind: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: object = ""
    links: Sequence[tuple[object, str]] = ()

    @property
    def data(self) -> str:
        return json.dumps(
            {
                "labels": list(self.labels),
                "datasets": [
                    {
                        "label": str(one.label),
                        "data": [None if value is None else str(value) for value in one.values],
                        "borderColor": one.colour,
                        "backgroundColor": one.colour,
                        "borderRadius": 4,
                        "maxBarThickness": 56,
                        "borderWidth": 0 if self.kind == "bar" else 2,
                        "pointRadius": 0,
                        "pointHitRadius": 12,
                        "tension": 0.25,
                    }
                    for one in self.series
                ],
            }
        )

    @property
    def options(self) -> str:
        ticks = {"color": "#9ca3af", "maxTicksLimit": 8}
        return json.dumps(
            {
                "locale": language(),
                "maintainAspectRatio": False,
                "animation": False,
                "interaction": {"mode": "index", "intersect": False},
                "plugins": {
                    "legend": {
                        "display": len(self.series) > 1,
                        "align": "end",
                        "labels": {"color": "#9ca3af", "boxWidth": 10, "boxHeight": 10},
                    }
                },
                "scales": {
                    "x": {"grid": {"display": False}, "ticks": ticks},
                    "y": {
                        "beginAtZero": True,
                        "grid": {"color": "#9ca3af"},
                        "border": {"display": False},
                        "ticks": ticks | {"precision": 0, "format": {"notation": "compact"}},
                    },
                },
            }
        )


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

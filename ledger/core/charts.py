"""Charts of the back office, drawn in the browser by the theme: `ledger/chart.html` shows one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .admin import reader_language


@dataclass(frozen=True, slots=True)
class Series:
    label: object
    values: Sequence[object]
    colour: str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar or line chart; values are decimal text, exact as far as the browser.

    Numbers beside it are short ones such as 1.2M, or with up to `decimals` places. A stepped line stays where it was
    until the next point. Where only the differences matter, the axis need not begin at zero. `links` leads from each
    bar to the rows it counts.
    """

    title: object
    kind: str
    labels: Sequence[str]
    series: Sequence[Series]
    unit: object = ""
    decimals: int | None = None
    is_stepped: bool = False
    begins_at_zero: bool = True
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
                        "stepped": self.is_stepped,
                        "cubicInterpolationMode": "monotone",
                    }
                    for one in self.series
                ],
            }
        )

    @property
    def options(self) -> str:
        # Without a decimal 1.5 million would stand on the axis as 2 million.
        written = (
            {"notation": "compact", "minimumFractionDigits": 0, "maximumFractionDigits": 1}
            if self.decimals is None
            else {"maximumFractionDigits": self.decimals}
        )
        ticks = {"color": "#9ca3af", "maxTicksLimit": 8}
        return json.dumps(
            {
                "locale": reader_language(),
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
                        "beginAtZero": self.begins_at_zero,
                        "grid": {"color": "#9ca3af"},
                        "border": {"display": False},
                        "ticks": ticks | {"precision": self.decimals or 0, "format": written},
                    },
                },
            }
        )

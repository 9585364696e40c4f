"""A contract note on paper, from its words alone, in its client's language."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.utils import translation
from django.utils.translation import gettext as _
from reportlab.lib.units import mm
from reportlab.platypus import Spacer

from ledger.core.decimals import decimal_places
from ledger.core.formatting import format_quantity
from ledger.printing import GREY, Cell, Paper, drawn, drawn_facts, drawn_rows, printed
from margin.charges import CHARGES

if TYPE_CHECKING:
    from ledger.embedded_fonts import FontOf

TRADE_WIDTHS: Final = (32, 30, 24, 26, 24, 20, 24)
CHARGE_WIDTHS: Final = (140, 40)


def pdf(words: dict[str, Any], language: str) -> bytes:
    """Return the note as PDF; in one release the same words in the same language give the same bytes."""
    with translation.override(language):
        title = [
            Cell(words["firm"]["name"], size=9, leading=12, colour=GREY),
            Cell(_("Contract note"), size=17, leading=24),
        ]
        facts, trades, charges = _facts(words), _trades(words, language), _charges(words, language)
        note = Cell(_notice(words), size=8, leading=12)

        def story(font_of: FontOf) -> list[Any]:
            return [
                *(drawn(cell, font_of) for cell in title),
                drawn_facts(facts, font_of),
                Spacer(1, 5 * mm),
                drawn_rows(trades, TRADE_WIDTHS, font_of),
                Spacer(1, 5 * mm),
                drawn_rows(charges, CHARGE_WIDTHS, font_of),
                Spacer(1, 5 * mm),
                drawn(note, font_of),
            ]

        paper = Paper(
            title=f"{_('Contract note')} {words['reference']}",
            author=words["firm"]["name"],
            foot=words["reference"],
            page=_("Page %(number)s"),
            is_same_for_ever=True,
        )
        told = [*title, *(cell for row in [*facts, *trades, *charges] for cell in row), note]
        return printed(paper, told, story)


def _facts(words: dict[str, Any]) -> list[list[Cell]]:
    asset, kind = words["asset"], _("margin account")
    facts = [
        (_("Number"), words["reference"]),
        (_("Issued on"), _day(words["issued_on"])),
        (_("Client"), f"{words['client']['number']} {words['client']['name']}"),
        (_("Account"), f"{words['account']['number']} ({kind})"),
        (_("Capacity"), _("As agent for the client")),
        (_("Contract"), _("Sale (forced sale of collateral by the firm)")),
        (_("Instrument"), f"{asset['code']} {asset['name']} ({asset['venue'].upper()})"),
        (_("Trade date"), _day(words["traded_on"])),
        (_("Settlement date"), _day(words["settles_on"])),
    ]
    if words["corrects"]:
        facts.insert(1, (_("Corrects"), f"{words['corrects']}: {words['reason']}"))
    return [[Cell(name, colour=GREY), Cell(value)] for name, value in facts]


def _trades(words: dict[str, Any], language: str) -> list[list[Cell]]:
    names = (
        _("Execution"),
        _("Time"),
        _("Quantity"),
        f"{_('Price')} {words['price_currency']}",
        f"{_('Gross')} {words['currency']}",
        _("Charges"),
        f"{_('Net')} {words['currency']}",
    )
    head = [Cell(name, is_right=n > 1) for n, name in enumerate(names)]
    rows = [
        [
            Cell(trade["execution"]),
            Cell(f"{datetime.fromisoformat(trade['traded_at']):%Y-%m-%d %H:%M:%S}"),
            *_sums(trade, "price", language),
        ]
        for trade in words["trades"]
    ]
    sums = _sums(words, "average_price", language)
    return [head, *rows, [Cell(_("Total")), Cell(_("average price")), *sums]]


def _sums(words: dict[str, Any], price: str, language: str) -> list[Cell]:
    return [
        _number(language, words["quantity"]),
        _number(language, words[price]),
        *(_money(language, words[name]) for name in ("gross", "fees_total", "net")),
    ]


def _charges(words: dict[str, Any], language: str) -> list[list[Cell]]:
    head = [Cell(_("Charges")), Cell(words["currency"], is_right=True)]
    rows = [
        [Cell(str(CHARGES.get(name, name))), _money(language, amount)]
        for name, amount in sorted(words["fees"].items())
    ]
    return [
        head,
        [Cell(_("Gross proceeds")), _money(language, words["gross"])],
        *rows,
        [Cell(_("Net proceeds to the client")), _money(language, words["net"])],
    ]


def _notice(words: dict[str, Any]) -> str:
    rates = {trade["exchange_rate"] for trade in words["trades"]} - {"1"}
    said = _("The proceeds repay the margin loan first; what is left is the client's.")
    if rates:
        rate = _("Exchange rate %(rates)s %(currency)s for one %(price_currency)s.") % {
            "rates": ", ".join(sorted(rates)),
            "currency": words["currency"],
            "price_currency": words["price_currency"],
        }
        said = f"{said} {rate}"
    return said


def _number(language: str, text: str) -> Cell:
    """A quantity or price with the decimals it has."""
    amount = Decimal(text)
    return Cell(format_quantity(amount, decimal_places(amount), language), is_right=True)


def _money(language: str, text: str) -> Cell:
    return Cell(format_quantity(Decimal(text), 2, language), is_right=True)


def _day(text: str) -> str:
    return f"{date.fromisoformat(text):%Y-%m-%d}"

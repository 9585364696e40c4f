"""Paper: cells of text, drawn in fonts that go along in the file. What is said on it is for those who call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import LongTable, Paragraph, SimpleDocTemplate, TableStyle

if TYPE_CHECKING:
    from .embedded_fonts import FontOf

FOOT_SIZE: Final = 8
# What reportlab leaves within the margins, in points.
FRAME_PADDING: Final = 6
INK, GREY = "#1d2430", "#5b6472"
_DIGITS: Final = "0123456789"


class Cell(NamedTuple):
    """Text of one style; sizes in points."""

    text: str
    size: int = 8
    leading: int = 11
    colour: str = INK
    is_right: bool = False


class Paper(NamedTuple):
    """What stands on every page and in the file's own words; `page` has `%(number)s`.

    With `is_same_for_ever` the file carries no moment at which it was made: the same words give the same bytes.
    """

    title: str
    author: str
    foot: str
    page: str
    is_same_for_ever: bool = False


def printed(paper: Paper, told: Iterable[Cell], story: Callable[[FontOf], list[Any]]) -> bytes:
    """Return the PDF of a story; `told` is every cell that it draws, so that its fonts have their characters."""
    # What makes fonts takes half a second to load, which no process waits for that prints nothing.
    from .embedded_fonts import fonts_for

    words = [cell.text for cell in told]
    with fonts_for(set("".join([*words, paper.foot, paper.page, _DIGITS]))) as font_of:
        return _built(paper, story(font_of), font_of)


def drawn(cell: Cell, font_of: FontOf) -> Paragraph:
    """One cell as a paragraph."""
    style = ParagraphStyle(
        "cell",
        fontName=font_of(cell.text),
        fontSize=cell.size,
        leading=cell.leading,
        textColor=colors.HexColor(cell.colour),
        alignment=2 if cell.is_right else 0,
        # Chinese has no spaces at which to break a line.
        wordWrap=None if cell.text.isascii() else "CJK",
    )
    return Paragraph(escape(cell.text), style)


def drawn_facts(facts: Sequence[Sequence[Cell]], font_of: FontOf) -> LongTable:
    """Names beside what they are, without lines."""
    table = LongTable(_paragraphs(facts, font_of), colWidths=[38 * mm, 142 * mm], hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONTNAME", (0, 0), (-1, -1), font_of("")),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 1),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
            ]
        )
    )
    return table


def drawn_rows(rows: Sequence[Sequence[Cell]], widths_mm: Sequence[int], font_of: FontOf) -> LongTable:
    """A table whose first row heads each page and whose last row is a sum."""
    widths = [width * mm for width in widths_mm]
    table = LongTable(_paragraphs(rows, font_of), colWidths=widths, repeatRows=1, hAlign="LEFT")
    table.setStyle(
        TableStyle(
            [
                ("FONTNAME", (0, 0), (-1, -1), font_of("")),
                ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#eef2f5")),
                ("LINEBELOW", (0, 0), (-1, -1), 1, colors.HexColor("#c9ced6")),
                ("LINEABOVE", (0, -1), (-1, -1), 1, colors.HexColor(GREY)),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 3),
                ("RIGHTPADDING", (0, 0), (-1, -1), 3),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _paragraphs(rows: Sequence[Sequence[Cell]], font_of: FontOf) -> list[list[Paragraph]]:
    return [[drawn(cell, font_of) for cell in row] for row in rows]


def _built(paper: Paper, story: list[Any], font_of: FontOf) -> bytes:
    out = BytesIO()
    document = SimpleDocTemplate(
        out,
        pagesize=A4,
        leftMargin=15 * mm - FRAME_PADDING,
        rightMargin=15 * mm - FRAME_PADDING,
        topMargin=15 * mm,
        bottomMargin=18 * mm,
        title=paper.title,
        author=paper.author,
        # Page and tables begin with a font although nothing is written in it: one that goes along.
        initialFontName=font_of(""),
        invariant=int(paper.is_same_for_ever),
    )

    def foot(canvas: Any, _document: Any) -> None:
        canvas.setStrokeColor(colors.HexColor("#c9ced6"))
        canvas.line(15 * mm, 13 * mm, A4[0] - 15 * mm, 13 * mm)
        canvas.setFont(font_of(paper.foot), FOOT_SIZE)
        canvas.drawString(15 * mm, 9 * mm, paper.foot)
        number = paper.page % {"number": canvas.getPageNumber()}
        canvas.setFont(font_of(number), FOOT_SIZE)
        canvas.drawRightString(A4[0] - 15 * mm, 9 * mm, number)

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()

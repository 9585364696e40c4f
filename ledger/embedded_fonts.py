"""Fonts that go along in a PDF, cut down to the characters it shows, so that it looks the same on every machine.

The face is Noto Sans TC, which has Big5, Hong Kong's supplementary characters and Latin. Its outlines are cubic, which
reportlab does not take; those that are used, some hundreds, are drawn anew as quadratic ones within a thousandth of the
em. What the face does not have, chiefly simplified Chinese, is left to a font that the reader of the PDF must have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from threading import Lock
from typing import Any, Final

import pylopdf_fonts_zh_tw
from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont as EmbeddedFont

FACE: Final = "Noto-Sans-TC"
SIMPLIFIED: Final = "STSong-Light"
_SHIFT_UNITS_MAX: Final = 1
_NOT_NEEDED: Final = ("BASE", "GDEF", "GPOS", "GSUB", "VORG", "vhea", "vmtx")
# What version 1.0 of `maxp` asks for beyond the count of glyphs, in a font without instructions.
_LIMITS: Final = {
    "maxZones": 1,
    "maxTwilightPoints": 0,
    "maxStorage": 0,
    "maxFunctionDefs": 0,
    "maxInstructionDefs": 0,
    "maxStackElements": 0,
    "maxSizeOfInstructions": 0,
    "maxComponentElements": 0,
}
# Fonts are known to reportlab by name for the whole process.
_one_at_a_time = Lock()

FontOf = Callable[[str], str]


@contextmanager
def fonts_for(characters: Collection[str]) -> Iterator[FontOf]:
    """Make the fonts of one document ready, and give what tells the name of the font that has all of a text."""
    with _one_at_a_time:
        # `registerFont` would keep the font of the document before.
        pdfmetrics._fonts[FACE] = EmbeddedFont(FACE, BytesIO(true_type(characters)), validate=1)
        pdfmetrics.registerFontFamily(FACE)
        pdfmetrics.registerFont(UnicodeCIDFont(SIMPLIFIED))
        yield font_of


def font_of(text: str) -> str:
    """Return the name of the font for a text: the embedded face unless only the other has all of it."""
    if _characters() >= {ord(character) for character in text} or not _is_simplified(text):
        return FACE
    return SIMPLIFIED


def true_type(characters: Collection[str]) -> bytes:
    """Return the face as a TrueType file with the glyphs of `characters` and no others."""
    font = _face()
    options = Options(layout_features=[], hinting=False, glyph_names=False, notdef_outline=True)
    options.drop_tables += _NOT_NEEDED
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(character) for character in characters])
    subsetter.subset(font)
    _make_quadratic(font)
    out = BytesIO()
    font.save(out)
    return out.getvalue()


def _make_quadratic(font: Any) -> None:
    """Replace the cubic outlines of a font and say so in its other tables."""
    cubic = font.getGlyphSet()
    font["loca"] = newTable("loca")
    outlines = font["glyf"] = newTable("glyf")
    outlines.glyphOrder = font.getGlyphOrder()
    outlines.glyphs = {name: _quadratic(cubic[name]) for name in outlines.glyphOrder}
    for name, glyph in outlines.glyphs.items():
        glyph.recalcBounds(outlines)
        # A glyph is placed by its left bearing, which must be where its outline begins.
        font["hmtx"][name] = (font["hmtx"][name][0], getattr(glyph, "xMin", 0))
    del font["CFF "]
    font["maxp"].tableVersion = 0x00010000
    for limit, value in _LIMITS.items():
        setattr(font["maxp"], limit, value)
    font["post"].formatType = 3
    font.sfntVersion = "\0\1\0\0"


def _quadratic(cubic: Any) -> Any:
    pen = TTGlyphPen(None)
    cubic.draw(Cu2QuPen(pen, _SHIFT_UNITS_MAX, reverse_direction=True))
    return pen.glyph()


def _face() -> Any:
    # Without a moment of its own, the same characters give the same file.
    return TTFont(pylopdf_fonts_zh_tw.sans_path(), lazy=True, recalcTimestamp=False)


@cache
def _characters() -> frozenset[int]:
    """The code points that the face has."""
    with _face() as font:
        return frozenset(font.getBestCmap())


def _is_simplified(text: str) -> bool:
    try:
        # The dash of a period stands in every font.
        text.replace("–", "-").encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True

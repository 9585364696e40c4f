"""The catalogues of the back office: gathered from code and templates, compiled at start, no gettext needed.

A catalogue covers our own strings and those of the admin theme, which ships none. Running this module,
`python -m deploy.translations`, brings them in line with the code: new strings come in empty, old ones go.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import unfold
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT: Final = Path(__file__).resolve().parent.parent
LOCALE: Final = ROOT / "deploy" / "locale"
ROOMS: Final = ("ledger", "collateral", "margin", "deploy")
THEME: Final = Path(unfold.__file__).parent
# The theme's bridges to packages that are not installed here.
UNUSED: Final = frozenset(
    {"import_export", "guardian", "simple_history", "location_field", "constance", "inlines", "unfold_crispy"}
)
_KEYWORDS: Final = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def messages() -> Catalog:
    """Gather every marked string of the rooms and of the theme, each with the files it stands in."""
    gathered = Catalog(charset="utf-8")
    for path, name in _sources():
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".html":
            # Indentation means nothing in a template and something to the reader of Python that follows.
            text = "\n".join(line.strip() for line in templatize(text, origin=name).splitlines())
        for _line, message, comments, context in extract("python", io.BytesIO(text.encode()), _KEYWORDS):
            gathered.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    return gathered


def update_catalogues() -> None:
    """Bring every catalogue in line with the code."""
    gathered = messages()
    for path in _catalogues():
        catalogue = read(path)
        created = catalogue.creation_date
        catalogue.update(gathered, no_fuzzy_matching=True)
        catalogue.creation_date = created
        catalogue.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, catalogue, include_lineno=False, sort_output=True, width=100)


def compile_catalogues() -> None:
    """Compile the catalogues that changed; several processes may do so at once.

    A folder that may not be written to is left alone: an image has its catalogues compiled when it is built.
    """
    for path in _catalogues():
        compiled = path.with_suffix(".mo")
        is_fresh = compiled.exists() and compiled.stat().st_mtime >= path.stat().st_mtime
        if not is_fresh and os.access(path.parent, os.W_OK):
            _compile(path, compiled)


def read(path: Path) -> Catalog:
    """Read one catalogue."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def _compile(path: Path, compiled: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(descriptor, "wb") as file:
        write_mo(file, read(path))
    Path(name).chmod(0o644)
    Path(name).replace(compiled)


def _catalogues() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/django.po"))


def _sources() -> Iterator[tuple[Path, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix in (".py", ".html") and "migrations" not in path.parts:
                yield path, str(path.relative_to(ROOT))
    for path in sorted(THEME.rglob("*")):
        if path.suffix in (".py", ".html") and not UNUSED & set(path.parts):
            yield path, f"unfold/{path.relative_to(THEME)}"


if __name__ == "__main__":
    update_catalogues()

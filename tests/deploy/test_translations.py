"""Every marked string is translated, and no English remains on the pages people work with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.test import Client as Browser
from django.urls import reverse
from django.utils import translation

from deploy.translations import LOCALE, compile_catalogues, messages, read
from ledger.corporate_actions.proposals import Terms, propose
from margin.calls import review_calls
from margin.models import MarginCall
from margin.valuations import run_valuation
from tests.builders import at, user, v01

CATALOGUE = LOCALE / "zh_Hant" / "LC_MESSAGES" / "django.po"

# Names, codes and abbreviations that stand in Latin letters in Chinese texts too.
KEPT = re.compile(
    r"""
    Lombard | API | HKD | USD | CNY | BTC | ETH | CCASS | VATP | ISIN | DTI | ISO | manage\.py(\ \w+)?
    | HARBOUR | Harbour\ Securities | Chan\ Siu\ Ming | HSBC\ HOLDINGS | TENCENT | Bitcoin | Ether
    | FS-[\w-]+ | MC-[\w-]+ | C\d+ | [0-9a-f]{8,} | vatp-\d+ | sehk-\d+ | Standard | Virtual\ asset
    | mei | wong | lee | system | feed | fixed | English | en | zh-hant | esc
    """,
    re.VERBOSE,
)
WORDS = re.compile(r"[A-Za-z][A-Za-z'’.-]*[A-Za-z](?:\s+[A-Za-z][A-Za-z'’.-]*)*")


class Reader(HTMLParser):
    """Collects what a person reads on a page, labels for the blind included, icons and scripts left out."""

    SILENT = ("script", "style", "code", "title", "template")
    SPOKEN = ("placeholder", "title", "aria-label", "alt")

    def __init__(self) -> None:
        super().__init__()
        self.read: list[str] = []
        self.silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in self.SILENT or "material-symbols" in (given.get("class") or ""):
            self.silent.append(tag)
        self.read += [given[name] or "" for name in self.SPOKEN if name in given]

    def handle_endtag(self, tag: str) -> None:
        if self.silent and self.silent[-1] == tag:
            self.silent.pop()

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.read.append(data)


def english(page: str) -> set[str]:
    reader = Reader()
    reader.feed(page)
    return set(WORDS.findall(KEPT.sub(" ", "\n".join(reader.read))))


def test_every_marked_string_has_a_translation():
    catalogue = read(CATALOGUE)

    missing = [
        message.id
        for message in messages()
        if message.id and not _is_translated(catalogue.get(message.id, message.context))
    ]
    assert missing == []


def test_no_translation_outlives_its_string():
    marked = {(message.id, message.context) for message in messages()}

    assert [message.id for message in read(CATALOGUE) if (message.id, message.context) not in marked] == []


def test_placeholders_survive_translation():
    broken = [
        message.id
        for message in read(CATALOGUE)
        if message.id
        and message.string
        and _placeholders(_text(message.id)) != _placeholders(_text(message.string))
    ]
    assert broken == []


def test_no_sign_is_taken_for_a_placeholder():
    """`pybabel compile`, which builds an image's catalogues, refuses `60% enough`: it reads a number in `% e`."""
    complaints = [(message.id, str(error)) for message, errors in read(CATALOGUE).check() for error in errors]

    assert complaints == []


def test_a_catalogue_is_compiled_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "zh_Hant" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_bytes(CATALOGUE.read_bytes())
    monkeypatch.setattr("deploy.translations.LOCALE", tmp_path)

    compile_catalogues()
    compiled = folder / "django.mo"
    first = compiled.stat().st_mtime_ns
    assert "追繳保證金通知" in compiled.read_text(encoding="utf-8", errors="ignore")

    compile_catalogues()
    assert compiled.stat().st_mtime_ns == first


@pytest.fixture
def v01_called(db: None) -> MarginCall:
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return call


@pytest.fixture
def _english_afterwards() -> Iterator[None]:
    """A page served to a reader of Chinese leaves the thread speaking Chinese."""
    yield
    translation.deactivate()


@pytest.mark.django_db
@pytest.mark.usefixtures("_english_afterwards")
@pytest.mark.parametrize(
    "page",
    [
        "admin:index",
        "admin:margin_client_changelist",
        "admin:margin_client_add",
        "admin:margin_facility_changelist",
        "admin:margin_margincall_changelist",
        "admin:margin_forcedsale_changelist",
        "admin:margin_valuation_changelist",
        "admin:margin_marginpolicy_add",
        "admin:collateral_instrument_changelist",
        "admin:collateral_lendinghaircut_changelist",
        "admin:ledger_account_changelist",
        "admin:ledger_corporateaction_changelist",
        "admin:ledger_corporateaction_add",
        "split",
        "call",
        "valuation",
        "facility",
        "client",
    ],
)
def test_no_english_remains_on_a_page_in_chinese(page: str, v01_called: MarginCall):
    rows = {
        "call": v01_called,
        "valuation": v01_called.valuation,
        "facility": v01_called.facility,
        "client": v01_called.facility.client,
        "split": propose(
            terms=Terms("2026-0403", "split", "00700", date(2026, 4, 3), ratio_new=5, ratio_old=1),
            maker=user("wong"),
        ),
    }
    row = rows.get(page)
    address = reverse(f"admin:{row._meta.db_table}_change", args=[row.pk]) if row else reverse(page)
    browser = Browser()
    browser.force_login(user("mei", is_superuser=True))

    answer = browser.get(address, HTTP_ACCEPT_LANGUAGE="zh-hant")
    assert answer.status_code == 200
    assert english(answer.content.decode()) == set()


def _is_translated(message: object) -> bool:
    string = getattr(message, "string", "")
    return all(string) if isinstance(string, tuple) else bool(string)


def _text(value: object) -> str:
    return value[-1] if isinstance(value, list | tuple) else str(value)


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\(\w+\)s|\{\w*\}", text))

"""Instruments: taken from the exchange's list of securities, suspended and resumed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TextIO

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid, Refusal
from ledger.core.events import record_event
from ledger.models import Asset

from .models import Instrument
from .tables import LineError, read_lines

COLUMNS: Final = (
    "stock_code",
    "name",
    "category",
    "sub_category",
    "board_lot",
    "isin",
    "trading_currency",
    "rmb_counter",
    "stamp_duty",
    "cas",
    "vcm",
    "spread_table",
)
# The exchange's own list names two flags at length.
ALIASES: Final = {"cas_eligible": "cas", "vcm_eligible": "vcm"}
YES, NO = frozenset({"yes", "Y"}), frozenset({"no", "N", ""})
# The exchange writes RMB for what ISO 4217 calls CNY.
ISO_CURRENCIES: Final = {"RMB": "CNY"}

_STOCK_CODE = re.compile(r"[0-9]{5}\Z", re.ASCII)
_ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]\Z", re.ASCII)
_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the exchange's list, as read from its file; the currency is an ISO 4217 code."""

    stock_code: str
    name: str
    category: str
    sub_category: str
    board_lot: int
    isin: str
    trading_currency: str
    rmb_counter: str
    has_stamp_duty: bool
    has_closing_auction: bool
    has_volatility_control: bool
    spread_table: int


@dataclass(frozen=True, slots=True)
class SecuritiesImport:
    """What became of the list; instruments that it does not name are left as they are."""

    created: int
    changed: int
    unchanged: int
    errors: tuple[LineError, ...]


def read_securities(file: TextIO | Iterable[str]) -> Iterator[tuple[int, Listing | Invalid]]:
    """Yield each line of the exchange's list with its number: a listing, or why it is none.

    Takes the exchange's own headers and flags (`cas_eligible`, Y or blank) and ours (`cas`, yes or no).
    Raises Invalid (`missing_columns`).
    """
    for line, row in read_lines(file, columns=COLUMNS, aliases=ALIASES):
        try:
            yield line, _listing(row)
        except Invalid as refusal:
            yield line, refusal


def import_securities(rows: Iterable[Listing], *, actor: str) -> SecuritiesImport:
    """Create or update the asset and instrument of each listing; a second run changes nothing.

    A bad row is left out whole and reported by its place, counted from 1. Codes: `INVALID_CODE`, `REPEATED`,
    `INVALID_ISIN`, `OUT_OF_RANGE`, `UNKNOWN_CURRENCY`, `TOO_LONG` and `OTHER_ASSET` (the code already belongs
    to an asset that is not a security in whole shares).
    """
    return _import(enumerate(rows, start=1), actor=actor)


def import_securities_file(file: TextIO | Iterable[str], *, actor: str) -> SecuritiesImport:
    """Import the exchange's list from its file; errors carry its line numbers."""
    return _import(read_securities(file), actor=actor)


@transaction.atomic
def suspend(*, instrument: Instrument, reason: str, actor: str) -> Instrument:
    """Mark a listed instrument as suspended: no new credit and no sale rests on it.

    Raises Conflict (`wrong_state`) and Invalid (`reason_required`).
    """
    return _move(instrument, Instrument.Status.LISTED, Instrument.Status.SUSPENDED, reason, actor)


@transaction.atomic
def resume(*, instrument: Instrument, reason: str, actor: str) -> Instrument:
    """Mark a suspended instrument as listed again; refusals as for :func:`suspend`."""
    return _move(instrument, Instrument.Status.SUSPENDED, Instrument.Status.LISTED, reason, actor)


def _move(
    instrument: Instrument, before: Instrument.Status, after: Instrument.Status, reason: str, actor: str
) -> Instrument:
    if not reason.strip():
        raise Invalid(_("Say why."), field="reason", code="reason_required")
    locked = Instrument.objects.select_for_update(no_key=True).get(pk=instrument.pk)
    if locked.status != before:
        raise Conflict(
            _("%(code)s is in the state: %(state)s.")
            % {"code": locked.code, "state": locked.get_status_display()},
            code="wrong_state",
        )
    locked.status = after
    locked.save(update_fields=["status"])
    verb = "suspended" if after == Instrument.Status.SUSPENDED else "resumed"
    record_event(f"collateral.instrument.{verb}", locked, actor=actor, reason=reason, code=locked.code)
    return locked


def _listing(row: dict[str, str]) -> Listing:
    return Listing(
        stock_code=row["stock_code"],
        name=row["name"],
        category=row["category"],
        sub_category=row["sub_category"],
        board_lot=_whole(row, "board_lot"),
        isin=row["isin"],
        trading_currency=ISO_CURRENCIES.get(row["trading_currency"], row["trading_currency"]),
        rmb_counter=row["rmb_counter"],
        has_stamp_duty=_flag(row, "stamp_duty"),
        has_closing_auction=_flag(row, "cas"),
        has_volatility_control=_flag(row, "vcm"),
        spread_table=_whole(row, "spread_table"),
    )


def _whole(row: dict[str, str], column: str) -> int:
    text = row[column].replace(",", "")
    if not (text.isascii() and text.isdigit()):
        raise Invalid(
            _("%(text)s is no whole number.") % {"text": row[column]}, field=column, code="NOT_A_NUMBER"
        )
    return int(text)


def _flag(row: dict[str, str], column: str) -> bool:
    if row[column] in YES:
        return True
    if row[column] in NO:
        return False
    raise Invalid(
        _("%(text)s is neither yes nor no.") % {"text": row[column]}, field=column, code="NOT_A_FLAG"
    )


@transaction.atomic
def _import(rows: Iterable[tuple[int, Listing | Invalid]], *, actor: str) -> SecuritiesImport:
    errors: list[LineError] = []
    currencies = frozenset(Asset.objects.filter(kind=Asset.Kind.FIAT).values_list("code", flat=True))
    listed: dict[str, Listing] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        try:
            if isinstance(row, Invalid):
                raise row
            _check(row, listed, currencies)
        except Refusal as refusal:
            errors.append(LineError.of(line, refusal))
        else:
            listed[row.stock_code], lines[row.stock_code] = row, line
    assets = {asset.code: asset for asset in Asset.objects.filter(code__in=listed)}
    for code in [code for code, asset in assets.items() if not _is_share(asset)]:
        del listed[code]
        errors.append(LineError.of(lines[code], _other_asset(assets[code])))
    _write_assets(listed, assets)
    created, changed = _write_instruments(listed, assets, actor)
    return SecuritiesImport(
        created,
        changed,
        len(listed) - created - changed,
        tuple(sorted(errors, key=lambda error: error.line)),
    )


def _check(row: Listing, seen: dict[str, Listing], currencies: frozenset[str]) -> None:
    rules = (
        ("stock_code", "INVALID_CODE", _STOCK_CODE.match(row.stock_code)),
        ("stock_code", "REPEATED", row.stock_code not in seen),
        ("name", "OUT_OF_RANGE", 0 < len(row.name) <= _width(Instrument, "name")),
        ("category", "TOO_LONG", len(row.category) <= _width(Instrument, "category")),
        ("sub_category", "TOO_LONG", len(row.sub_category) <= _width(Instrument, "sub_category")),
        ("board_lot", "OUT_OF_RANGE", 0 < row.board_lot < 2**31),
        ("isin", "INVALID_ISIN", not row.isin or _ISIN.match(row.isin)),
        ("trading_currency", "UNKNOWN_CURRENCY", row.trading_currency in currencies),
        ("rmb_counter", "INVALID_CODE", not row.rmb_counter or _STOCK_CODE.match(row.rmb_counter)),
        ("spread_table", "OUT_OF_RANGE", 0 <= row.spread_table <= 9999),
    )
    for field, code, is_kept in rules:
        if not is_kept:
            raise Invalid(
                _("%(field)s %(value)s is not accepted.") % {"field": field, "value": getattr(row, field)},
                field=field,
                code=code,
            )


def _width(model: Any, field: str) -> int:
    return int(model._meta.get_field(field).max_length)


def _is_share(asset: Asset) -> bool:
    return asset.kind == Asset.Kind.SECURITY and asset.scale == 0


def _other_asset(asset: Asset) -> Invalid:
    return Invalid(
        _("%(code)s is already the code of another kind of asset.") % {"code": asset.code},
        field="stock_code",
        code="OTHER_ASSET",
    )


def _write_assets(listed: dict[str, Listing], assets: dict[str, Asset]) -> None:
    """Create the missing assets, adding them to `assets`, and bring names and ISINs in line."""
    made = [
        Asset(
            code=code,
            name=row.name,
            kind=Asset.Kind.SECURITY,
            scale=0,
            is_located=True,
            standard_code=row.isin,
        )
        for code, row in listed.items()
        if code not in assets
    ]
    renamed = []
    for code, row in listed.items():
        asset = assets.get(code)
        if asset and (asset.name, asset.standard_code) != (row.name, row.isin):
            asset.name, asset.standard_code = row.name, row.isin
            renamed.append(asset)
    Asset.objects.bulk_update(renamed, ["name", "standard_code"], batch_size=_BATCH)
    assets |= {asset.code: asset for asset in Asset.objects.bulk_create(made, batch_size=_BATCH)}


def _write_instruments(listed: dict[str, Listing], assets: dict[str, Asset], actor: str) -> tuple[int, int]:
    locked = Instrument.objects.select_for_update(no_key=True).filter(code__in=listed)
    known = {instrument.asset_id: instrument for instrument in locked}
    made: list[Instrument] = []
    changed: list[Instrument] = []
    for code, row in listed.items():
        terms = _terms(row)
        instrument = known.get(assets[code].pk)
        if instrument is None:
            made.append(Instrument(asset=assets[code], code=code, venue=Instrument.Venue.SEHK, **terms))
        elif any(getattr(instrument, name) != value for name, value in terms.items()):
            for name, value in terms.items():
                setattr(instrument, name, value)
            changed.append(instrument)
    Instrument.objects.bulk_create(made, batch_size=_BATCH)
    if changed:
        Instrument.objects.bulk_update(changed, list(_terms(listed[changed[0].code])), batch_size=_BATCH)
    if made or changed:
        record_event(
            "collateral.instrument.imported",
            (made or changed)[0],
            actor=actor,
            created=len(made),
            changed=[instrument.code for instrument in changed],
        )
    return len(made), len(changed)


def _terms(row: Listing) -> dict[str, Any]:
    return {
        "name": row.name,
        "category": row.category,
        "sub_category": row.sub_category,
        "board_lot": row.board_lot,
        "isin": row.isin,
        "trading_currency": row.trading_currency,
        "rmb_counter": row.rmb_counter,
        "is_stamp_dutiable": row.has_stamp_duty,
        "is_cas_eligible": row.has_closing_auction,
        "is_vcm_eligible": row.has_volatility_control,
        "spread_table": str(row.spread_table),
    }

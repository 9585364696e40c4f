"""The exchange's list becomes instruments: whole, once, and with every bad line named."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import pytest

from collateral.instruments import import_securities, import_securities_file, resume, suspend
from collateral.models import Instrument
from deploy.demo.market import DATA
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import Event
from ledger.models import Asset

from .market import listing, share

pytestmark = pytest.mark.django_db

EXCHANGE_LIST = """\
stock_code,name,category,sub_category,board_lot,isin,trading_currency,rmb_counter,stamp_duty,cas_eligible,vcm_eligible,spread_table
00005,HSBC HOLDINGS,Equity,Equity Securities (Main Board),400,GB0005405286,HKD,,Y,Y,Y,1 
80700,TENCENT-R,Equity,Equity Securities (Main Board),100,KYG875721634,RMB,,Y,Y,Y,1 
02800,TRACKER FUND,Exchange Traded Products,,500,HK2800008867,HKD,82800, ,Y,Y,5 
00699,NO LOT,Equity,,zero,,HKD,,Y,Y, ,1 
00698,ODD FLAG,Equity,,100,,HKD,,maybe,Y, ,1 
BTC,NOT A SHARE,Equity,,100,,HKD,,Y,Y, ,1 
00005,HSBC AGAIN,Equity,,400,,HKD,,Y,Y, ,1 
00697,YEN SHARE,Equity,,100,,JPY,,Y,Y, ,1 
"""


def test_the_exchanges_own_file_is_read_and_every_bad_line_is_named() -> None:
    done = import_securities_file(io.StringIO(EXCHANGE_LIST), actor="wong")

    assert (done.created, done.changed, done.unchanged) == (3, 0, 0)
    assert [(error.line, error.code) for error in done.errors] == [
        (5, "NOT_A_NUMBER"),
        (6, "NOT_A_FLAG"),
        (7, "INVALID_CODE"),
        (8, "REPEATED"),
        (9, "UNKNOWN_CURRENCY"),
    ]
    assert not Asset.objects.filter(code__in=["00699", "00698", "00697"]).exists()
    renminbi_counter = Instrument.objects.get(code="80700")
    assert renminbi_counter.trading_currency == "CNY"
    tracker = Instrument.objects.get(code="02800")
    assert (tracker.is_stamp_dutiable, tracker.is_vcm_eligible, tracker.spread_table) == (False, True, "5")
    hsbc = Asset.objects.get(code="00005")
    assert (hsbc.kind, hsbc.scale, hsbc.is_located, hsbc.standard_code) == (
        "security",
        0,
        True,
        "GB0005405286",
    )


def test_a_file_without_a_column_is_refused_before_its_first_line() -> None:
    with pytest.raises(Invalid) as refused:
        import_securities_file(io.StringIO("stock_code,name\n00005,HSBC\n"), actor="wong")
    assert refused.value.reason == "missing_columns"
    assert "board_lot" in refused.value.details["columns"]


def test_the_whole_list_takes_seconds_and_a_second_run_changes_nothing() -> None:
    with (DATA / "securities.csv").open(encoding="utf-8", newline="") as exchange_list:
        lines = exchange_list.readlines()

    started = time.monotonic()
    first = import_securities_file(lines, actor="system")
    assert time.monotonic() - started < 10
    assert (first.created, first.errors) == (3057, ())

    second = import_securities_file(lines, actor="system")
    assert (second.created, second.changed, second.unchanged) == (0, 0, 3057)
    assert Event.objects.filter(topic="collateral.instrument.imported").count() == 1


def test_a_new_board_lot_and_name_change_the_instrument_and_nothing_else() -> None:
    share("00005", "HSBC HOLDINGS", 400)
    suspend(instrument=Instrument.objects.get(code="00005"), reason="Pending announcement", actor="wong")

    done = import_securities([listing("00005", "HSBC PLC", 500)], actor="wong")

    assert (done.created, done.changed) == (0, 1)
    hsbc = Instrument.objects.select_related("asset").get(code="00005")
    assert (hsbc.board_lot, hsbc.name, hsbc.asset.name, hsbc.status) == (
        500,
        "HSBC PLC",
        "HSBC PLC",
        "suspended",
    )
    assert Event.objects.latest("id").payload == {"created": 0, "changed": ["00005"]}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stock_code": "5"}, "INVALID_CODE"),
        ({"name": ""}, "OUT_OF_RANGE"),
        ({"board_lot": 0}, "OUT_OF_RANGE"),
        ({"board_lot": 2**31}, "OUT_OF_RANGE"),
        ({"isin": "GB000540528"}, "INVALID_ISIN"),
        ({"rmb_counter": "RMB"}, "INVALID_CODE"),
        ({"category": "x" * 81}, "TOO_LONG"),
        ({"spread_table": -1}, "OUT_OF_RANGE"),
    ],
)
def test_a_value_the_table_could_not_hold_is_refused_by_line(changes: dict[str, object], code: str) -> None:
    done = import_securities([replace(listing("00005"), **changes)], actor="wong")  # type: ignore[arg-type]
    assert [(error.line, error.code) for error in done.errors] == [(1, code)]
    assert done.created == 0


def test_a_code_that_is_another_kind_of_asset_is_left_alone() -> None:
    Asset.objects.create(code="09999", name="A fund in units", kind="security", scale=4, is_located=True)
    done = import_securities([listing("09999"), listing("00005")], actor="wong")
    assert [(error.line, error.code) for error in done.errors] == [(1, "OTHER_ASSET")]
    assert done.created == 1
    assert not Instrument.objects.filter(code="09999").exists()


def test_a_suspension_has_a_reason_and_a_resumption_undoes_it() -> None:
    hsbc = share("00005", "HSBC HOLDINGS", 400)

    assert suspend(instrument=hsbc, reason="Trading halt", actor="wong").status == "suspended"
    with pytest.raises(Conflict) as twice:
        suspend(instrument=hsbc, reason="Trading halt", actor="wong")
    assert twice.value.reason == "wrong_state"
    with pytest.raises(Invalid):
        resume(instrument=hsbc, reason=" ", actor="wong")
    assert resume(instrument=hsbc, reason="Halt lifted", actor="lee").status == "listed"

    told = Event.objects.filter(topic__startswith="collateral.instrument.").order_by("id")
    assert list(told.values_list("topic", "actor", "reason"))[1:] == [
        ("collateral.instrument.suspended", "wong", "Trading halt"),
        ("collateral.instrument.resumed", "lee", "Halt lifted"),
    ]

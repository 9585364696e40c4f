from .backtest import HaircutBacktest, HaircutOutcomeRow
from .broker import ApiKey, Broker, Staff
from .call import MarginCall, MarginCallVersion
from .cap import ClientGroup, CollateralCap, ValuationCap, ValuationRunTotal
from .client import Client, Facility, RatePlan
from .contract_note import ContractNote, ContractNoteHandover, ContractNoteTrade
from .decision import CallDecision
from .interest import InterestAccrual, InterestPosting
from .launch import Launch, Outage
from .loan import LoanMovement
from .notice import Notice, NoticeKind, NoticeTemplate, WebhookEndpoint
from .paper import PaperExecution, PaperOrder
from .policy import CallDeadline, MarginPolicy
from .purchase import PurchaseCheck
from .sale import Fill, ForcedSale, SaleLeg, SaleOrder
from .settlement import SettlementInstruction, SettlementPenalty, SettlementReport
from .stop import SaleStop
from .stress import (
    ScenarioSet,
    StressBreakEven,
    StressName,
    StressResult,
    StressRun,
    StressScenario,
    StressTotal,
)
from .transition import Transition
from .valuation import Valuation, ValuationLine, ValuationRun
from .venue_order import VenueOrder

__all__ = [
    "ApiKey",
    "Broker",
    "CallDeadline",
    "CallDecision",
    "Client",
    "ClientGroup",
    "CollateralCap",
    "ContractNote",
    "ContractNoteHandover",
    "ContractNoteTrade",
    "Facility",
    "Fill",
    "ForcedSale",
    "HaircutBacktest",
    "HaircutOutcomeRow",
    "InterestAccrual",
    "InterestPosting",
    "Launch",
    "LoanMovement",
    "MarginCall",
    "MarginCallVersion",
    "MarginPolicy",
    "Notice",
    "NoticeKind",
    "NoticeTemplate",
    "Outage",
    "PaperExecution",
    "PaperOrder",
    "PurchaseCheck",
    "RatePlan",
    "SaleLeg",
    "SaleOrder",
    "SaleStop",
    "ScenarioSet",
    "SettlementInstruction",
    "SettlementPenalty",
    "SettlementReport",
    "Staff",
    "StressBreakEven",
    "StressName",
    "StressResult",
    "StressRun",
    "StressScenario",
    "StressTotal",
    "Transition",
    "Valuation",
    "ValuationCap",
    "ValuationLine",
    "ValuationRun",
    "ValuationRunTotal",
    "VenueOrder",
    "WebhookEndpoint",
]

from .capital import CapitalHaircut
from .eligibility import Eligibility
from .feed import FeedRefusal, PriceComponent, PriceFeed, SourceQuote
from .fx import FxRate
from .haircut import EntityType, HaircutTier, LendingHaircut, Product
from .instrument import Instrument
from .price import Price, PriceAdjustment, PricePolicy
from .terms import TermSheet, TermSheetLine

__all__ = [
    "CapitalHaircut",
    "Eligibility",
    "EntityType",
    "FeedRefusal",
    "FxRate",
    "HaircutTier",
    "Instrument",
    "LendingHaircut",
    "Price",
    "PriceAdjustment",
    "PriceComponent",
    "PriceFeed",
    "PricePolicy",
    "Product",
    "SourceQuote",
    "TermSheet",
    "TermSheetLine",
]

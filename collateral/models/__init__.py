from .capital import CapitalHaircut
from .eligibility import Eligibility
from .fx import FxRate
from .haircut import EntityType, HaircutTier, LendingHaircut, Product
from .instrument import Instrument
from .price import Price, PriceAdjustment, PricePolicy
from .terms import TermSheet, TermSheetLine

__all__ = [
    "CapitalHaircut",
    "Eligibility",
    "EntityType",
    "FxRate",
    "HaircutTier",
    "Instrument",
    "LendingHaircut",
    "Price",
    "PriceAdjustment",
    "PricePolicy",
    "Product",
    "TermSheet",
    "TermSheetLine",
]

from .capital import CapitalHaircut
from .fx import FxRate
from .haircut import EligibleAsset, EntityType, HaircutTier, LendingHaircut, Product
from .instrument import Instrument
from .price import Price, PriceAdjustment, PricePolicy

__all__ = [
    "CapitalHaircut",
    "EligibleAsset",
    "EntityType",
    "FxRate",
    "HaircutTier",
    "Instrument",
    "LendingHaircut",
    "Price",
    "PriceAdjustment",
    "PricePolicy",
    "Product",
]

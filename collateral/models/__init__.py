from .fx import FxRate
from .haircut import EligibleAsset, EntityType, LendingHaircut, Product
from .instrument import Instrument
from .price import Price, PriceAdjustment, PricePolicy

__all__ = [
    "EligibleAsset",
    "EntityType",
    "FxRate",
    "Instrument",
    "LendingHaircut",
    "Price",
    "PriceAdjustment",
    "PricePolicy",
    "Product",
]

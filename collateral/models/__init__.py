from .fx import FxRate
from .haircut import EligibleAsset, EntityType, LendingHaircut, Product
from .instrument import Instrument
from .price import Price, PricePolicy

__all__ = [
    "EligibleAsset",
    "EntityType",
    "FxRate",
    "Instrument",
    "LendingHaircut",
    "Price",
    "PricePolicy",
    "Product",
]

from .broker import ApiKey, Broker, Staff
from .call import MarginCall
from .client import Client, Facility, RatePlan
from .interest import InterestAccrual, InterestPosting
from .loan import LoanMovement
from .paper import PaperExecution, PaperOrder
from .policy import MarginPolicy
from .sale import Fill, ForcedSale, SaleLeg, SaleOrder
from .transition import Transition
from .valuation import Valuation, ValuationLine, ValuationRun

__all__ = [
    "ApiKey",
    "Broker",
    "Client",
    "Facility",
    "Fill",
    "ForcedSale",
    "InterestAccrual",
    "InterestPosting",
    "LoanMovement",
    "MarginCall",
    "MarginPolicy",
    "PaperExecution",
    "PaperOrder",
    "RatePlan",
    "SaleLeg",
    "SaleOrder",
    "Staff",
    "Transition",
    "Valuation",
    "ValuationLine",
    "ValuationRun",
]

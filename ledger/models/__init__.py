from .account import Account, Balance, Role
from .asset import Asset, Location
from .block import BalanceDay, Block, BlockLeaves
from .book import Book
from .consumer import Consumer
from .corporate_action import CorporateAction, Entitlement
from .hold import Hold
from .journal import Entry, Journal, PostingKey
from .limit import AccountLimit
from .period import PeriodBalance, PeriodChange

__all__ = [
    "Account",
    "AccountLimit",
    "Asset",
    "Balance",
    "BalanceDay",
    "Block",
    "BlockLeaves",
    "Book",
    "Consumer",
    "CorporateAction",
    "Entitlement",
    "Entry",
    "Hold",
    "Journal",
    "Location",
    "PeriodBalance",
    "PeriodChange",
    "PostingKey",
    "Role",
]

from .account import Account, Balance, Role
from .asset import Asset, Location
from .block import BalanceDay, Block
from .book import Book
from .corporate_action import CorporateAction, Entitlement
from .hold import Hold
from .journal import Entry, Journal, PostingKey

__all__ = [
    "Account",
    "Asset",
    "Balance",
    "BalanceDay",
    "Block",
    "Book",
    "CorporateAction",
    "Entitlement",
    "Entry",
    "Hold",
    "Journal",
    "Location",
    "PostingKey",
    "Role",
]

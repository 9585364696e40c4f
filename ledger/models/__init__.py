from .account import Account, Balance, Role
from .asset import Asset, Location
from .book import Book
from .corporate_action import CorporateAction, Entitlement
from .journal import Entry, Journal

__all__ = [
    "Account",
    "Asset",
    "Balance",
    "Book",
    "CorporateAction",
    "Entitlement",
    "Entry",
    "Journal",
    "Location",
    "Role",
]

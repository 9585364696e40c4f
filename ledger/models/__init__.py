from .account import Account, Balance, Role
from .asset import Asset, Location
from .book import Book
from .journal import Entry, Journal

__all__ = ["Account", "Asset", "Balance", "Book", "Entry", "Journal", "Location", "Role"]

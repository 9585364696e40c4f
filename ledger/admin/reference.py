"""What the books are made of: books, assets and the places where assets lie."""

from __future__ import annotations

from django.contrib import admin

from ledger.core.admin import ReadOnlyAdmin
from ledger.models import Asset, Book, Location

from .scope import BookScope


@admin.register(Book)
class BookAdmin(BookScope):
    book_path = "pk"
    list_display = ("code", "name", "closed_through")
    search_fields = ("code", "name")
    ordering = ("code",)


@admin.register(Asset)
class AssetAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "kind", "scale", "is_located", "standard_code")
    list_filter = ("kind",)
    search_fields = ("code", "name", "standard_code")
    ordering = ("code",)


@admin.register(Location)
class LocationAdmin(ReadOnlyAdmin):
    list_display = ("code", "name", "kind", "is_segregated")
    list_filter = ("kind",)
    search_fields = ("code", "name")
    ordering = ("code",)

"""Whose books a person may see. The room that knows who works for whom says so by :func:`confine_by`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from ledger.core.admin import HouseAdmin, ReadOnlyAdmin


@dataclass(frozen=True, slots=True)
class Confinement:
    """The one firm whose books and events a person sees."""

    book_id: int
    broker_code: str


ConfinementOf = Callable[[Any], Confinement | None]
_rules: list[ConfinementOf] = []


def confine_by(rule: ConfinementOf) -> ConfinementOf:
    """Let `rule` tell the confinement of a user, None for who sees every book."""
    _rules.append(rule)
    return rule


def confinement(user: Any) -> Confinement | None:
    """Return what `user` is confined to by the first rule that confines them."""
    return next((found for rule in _rules if (found := rule(user))), None)


class InBooks(HouseAdmin):
    """Confined to the books that the person at the screen may see, found along `book_path`."""

    book_path = "book"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        confined = confinement(request.user)
        return rows.filter(**{self.book_path: confined.book_id}) if confined else rows

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        """A filter by book would name the other firms."""
        filters = list(super().get_list_filter(request))
        return (
            [f for f in filters if f not in ("book", self.book_path)]
            if confinement(request.user)
            else filters
        )

    def may(self, request: HttpRequest, permission: str, object_id: object = None) -> bool:
        """Whether the person holds a permission, and the row is among those they see."""
        if not request.user.has_perm(permission):
            return False
        return object_id is None or self.get_queryset(request).filter(pk=object_id).exists()


class BookScope(InBooks, ReadOnlyAdmin):
    """Shows such rows and changes none."""

"""Whose rows a person may see: those of the broker they work for."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import ForeignKey, QuerySet
from django.http import HttpRequest

from ledger.core.admin import HouseAdmin
from margin.models import Broker


def broker_of(user: Any) -> Broker | None:
    """Return the broker whose rows `user` is confined to; None for superusers and house operators."""
    if not isinstance(user, User) or user.is_superuser:
        return None
    try:
        return user.staff.broker
    except ObjectDoesNotExist:
        return None


class BrokerScope(HouseAdmin):
    """Confines lists, pages, choices and buttons to the broker of the person at the screen.

    `broker_path` is the lookup from the model to its broker; empty where the rows are brokers themselves.
    """

    broker_path = "broker"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        broker = broker_of(request.user)
        if broker is None:
            return rows
        return rows.filter(**{self.broker_path or "pk": broker if self.broker_path else broker.pk})

    def formfield_for_foreignkey(
        self, db_field: ForeignKey[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        broker = broker_of(request.user)
        if broker is not None and db_field.related_model is Broker:
            kwargs["queryset"] = Broker.objects.filter(pk=broker.pk)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def may(self, request: HttpRequest, permission: str, object_id: object = None) -> bool:
        """Whether the person holds a permission, and the row is theirs to act on."""
        if not request.user.has_perm(permission):
            return False
        if object_id is None or broker_of(request.user) is None:
            return True
        return self.get_queryset(request).filter(pk=object_id).exists()

"""The base of the room's views: a firm sees its own rows, and nothing else is there."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _
from rest_framework.generics import get_object_or_404

from ledger.core.api.callers import Caller
from ledger.core.api.views import Commanding, ScopedView
from ledger.core.errors import Invalid
from margin.models import Broker, Client

from . import security  # noqa: F401  makes the schema name the ways to sign in


class BrokerView(ScopedView):
    """Rows of one firm, or of every firm for a house operator."""

    @abstractmethod
    def for_broker(self, broker: Broker | None) -> QuerySet[Any]:
        """Return the rows of `broker`; None stands for all of them."""

    def for_caller(self, caller: Caller) -> QuerySet[Any]:
        return self.for_broker(caller.broker)

    def broker_required(self) -> Broker:
        """Return the one firm a command is for; a house operator has to name it."""
        broker: Broker | None = self.caller.broker
        if broker is None:
            raise Invalid(_("Name the firm with ?broker=CODE."), field="broker", code="broker_required")
        return broker


def owned(queryset: QuerySet[Any], broker: Broker | None, path: str) -> QuerySet[Any]:
    """Keep the rows whose `path` leads to `broker`."""
    return queryset if broker is None else queryset.filter(**{path: broker})


class ClientCommandView(Commanding, BrokerView):
    """A command on the client that the address names by its number."""

    def for_broker(self, broker: Broker | None) -> QuerySet[Client]:
        return owned(Client.objects.select_related("broker__book"), broker, "broker")

    def locate(self) -> Client:
        self.broker_required()
        client: Client = get_object_or_404(self.get_queryset(), number=self.kwargs["number"])
        return client

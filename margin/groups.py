"""Client groups: clients who are one risk, and are capped as one."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from ledger.core.errors import Conflict, Invalid
from ledger.core.events import record_event

from .models import Broker, Client, ClientGroup


@transaction.atomic
def open_group(*, broker: Broker, name: str, actor: str) -> ClientGroup:
    """Open a group under a name that is new to the broker; Invalid (`empty`), Conflict (`name_taken`)."""
    if not name.strip():
        raise Invalid(_("This may not be empty."), field="name", code="empty")
    group, is_new = ClientGroup.objects.get_or_create(broker=broker, name=name.strip())
    if not is_new:
        raise Conflict(_("There is a group %(name)s already.") % {"name": name}, code="name_taken")
    record_event("margin.group.opened", group, actor=actor, broker_code=broker.code)
    return group


@transaction.atomic
def set_group(*, client: Client, group: str, actor: str) -> Client:
    """Put a client in a group of its broker by name, or in none where the name is empty.

    Raises Invalid (`unknown_group`). Valuations from now on add the client up with the group.
    """
    found = ClientGroup.objects.filter(broker=client.broker_id, name=group).first()
    if group and found is None:
        raise Invalid(_("There is no group %(name)s.") % {"name": group}, field="group", code="unknown_group")
    locked = Client.objects.select_for_update(no_key=True).get(pk=client.pk)
    locked.group = found
    locked.save(update_fields=["group"])
    record_event("margin.client.grouped", locked, actor=actor, broker_code=client.broker.code, group=group)
    return locked

"""A ledger as the ORM invites to write it: lock the accounts, read, check, save one object after the other.

It keeps a floor and a unique key. That entries sum to zero, that a balance is the sum of its entries and that history
stays as it is, nothing enforces.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Final

from django.db import connection, models, transaction

from deploy.benchmarks.ledger.cases import Ground, Poster
from deploy.benchmarks.ledger.workload import Transfer

SCHEMA: Final = "naive"
_FUNDED: Final = Decimal("1000000.00")
_HOUSE_NAME: Final = "house"


class Account(models.Model):
    name = models.CharField(max_length=40, unique=True)
    balance = models.DecimalField(max_digits=20, decimal_places=2)
    is_client = models.BooleanField()

    objects: ClassVar[models.Manager[Account]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return self.name


class Journal(models.Model):
    key = models.CharField(max_length=200, unique=True)
    booked_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[models.Manager[Journal]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return self.key


class Entry(models.Model):
    journal = models.ForeignKey(Journal, on_delete=models.PROTECT)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    amount = models.DecimalField(max_digits=20, decimal_places=2)

    objects: ClassVar[models.Manager[Entry]] = models.Manager()

    class Meta:
        app_label = "benchmarks"

    def __str__(self) -> str:
        return f"{self.journal}: {self.account} {self.amount}"


def lay(ground: Ground) -> None:
    with connection.schema_editor() as editor:
        for model in (Account, Journal, Entry):
            editor.create_model(model)
    clients = [Account(name=f"C{n:06}", balance=_FUNDED, is_client=True) for n in range(ground.accounts)]
    house = Account(name=_HOUSE_NAME, balance=-_FUNDED * ground.accounts, is_client=False)
    Account.objects.bulk_create([*clients, house])


def poster(_name: str) -> Poster:
    accounts = list(Account.objects.order_by("id").values_list("id", flat=True))

    def one(keys: Sequence[str], transfers: Sequence[Transfer]) -> None:
        move = transfers[0]
        transfer(keys[0], accounts[move.debit], accounts[move.credit], Decimal(move.cents).scaleb(-2))

    return one


def transfer(key: str, debited_id: int, credited_id: int, amount: Decimal) -> Journal:
    """Book one transfer; a client's balance grows by credits and never falls below nothing."""
    with transaction.atomic():
        ids = [debited_id, credited_id]
        locked = {a.pk: a for a in Account.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
        debited, credited = locked[debited_id], locked[credited_id]
        if debited.is_client and debited.balance < amount:
            raise ValueError(f"{debited} holds {debited.balance}, not {amount}")
        journal = Journal.objects.create(key=key)
        Entry.objects.create(journal=journal, account=debited, amount=-amount)
        Entry.objects.create(journal=journal, account=credited, amount=amount)
        debited.balance -= amount
        debited.save()
        credited.balance += amount
        credited.save()
    return journal

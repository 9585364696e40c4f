"""How a freeze meets postings at once is told in `test_concurrency.py`."""

from __future__ import annotations

import pytest

from ledger import posting
from ledger.core.errors import Conflict, Invalid
from ledger.core.models import Event
from ledger.freezes import set_freeze
from ledger.models import Account, Book
from ledger.posting import AccountFrozen

from .books import account_id, cash, cash_in, cash_out

pytestmark = pytest.mark.django_db
CHAN = "H0001"


@pytest.fixture
def account(book: Book) -> Account:
    posting.post(book, cash_in("d1", CHAN, "100.00"), actor="ops")
    return Account.objects.get(pk=account_id(book, cash(CHAN)))


def test_a_court_order_stops_the_money_until_it_is_lifted(book: Book, account: Account) -> None:
    frozen = set_freeze(account=account, mode="debit", actor="lam", reason="Court order 7/22")

    assert frozen.freeze == "debit"
    with pytest.raises(AccountFrozen):
        posting.post(book, cash_out("w1", CHAN, "1.00"), actor="ops")
    event = Event.objects.get(topic="ledger.account.freeze_changed")
    assert (event.subject_id, event.actor, event.reason) == (str(account.pk), "lam", "Court order 7/22")
    assert (event.payload, event.broker_code) == ({"before": "none", "after": "debit"}, "HARBOUR")

    set_freeze(account=account, mode="none", actor="lam", reason="Order lifted")
    posting.post(book, cash_out("w1", CHAN, "1.00"), actor="ops")


@pytest.mark.parametrize(
    ("mode", "reason", "refusal", "code"),
    [
        ("solid", "Court order", Invalid, "invalid"),
        ("all", "  ", Invalid, "reason_required"),
        ("none", "Court order", Conflict, "no_change"),
    ],
)
def test_a_freeze_that_says_nothing_is_refused(
    account: Account, mode: str, reason: str, refusal: type[Exception], code: str
) -> None:
    with pytest.raises(refusal) as refused:
        set_freeze(account=account, mode=mode, actor="lam", reason=reason)

    assert refused.value.reason == code  # type: ignore[attr-defined]
    assert not Event.objects.filter(topic="ledger.account.freeze_changed").exists()

import pytest

from ledger.models import Asset, Book, Location


@pytest.fixture
def book(db: None) -> Book:
    """The book of Harbour Securities, with shares of Tencent and the places where things lie."""
    Asset.objects.create(code="00700", name="Tencent", kind=Asset.Kind.SECURITY, scale=0, is_located=True)
    Location.objects.create(code="CCASS", name="CCASS participant account", kind=Location.Kind.CCASS)
    Location.objects.create(code="VAULT", name="Virtual asset custodian", kind=Location.Kind.CUSTODIAN)
    Location.objects.create(code="BANK", name="Client trust account", kind=Location.Kind.BANK)
    return Book.objects.create(code="HARBOUR", name="Harbour Securities")

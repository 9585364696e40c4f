import pytest
from django.contrib.auth.models import User


@pytest.mark.django_db
def test_a():
    assert not User.objects.exists()
    User.objects.create(username="a")


@pytest.mark.django_db(transaction=True)
def test_b():
    assert not User.objects.exists()
    User.objects.create(username="a")


@pytest.mark.django_db(transaction=True)
def test_c():
    assert not User.objects.exists()
    User.objects.create(username="a")

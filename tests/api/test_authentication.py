"""Who may call, and what a person's role permits."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from margin.brokers import issue_api_key, revoke_api_key
from margin.models import Staff
from tests.builders import user

from .conftest import Caller, House, broken_rules, peak_brokerage, problem, signed_in

DEPOSIT = {"currency": "HKD", "amount": "1.00"}


@pytest.mark.parametrize("header", ["", "Bearer", "Basic d29uZzp3b25n", "bearer", "Token lk_1_2"])
def test_without_a_key_nobody_is_let_in(house: House, header: str):
    caller = Caller(APIClient(headers={"Authorization": header} if header else {}))
    response = caller.get("clients")
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="lombard"'
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    "token", ["lk_", "lk_abc_def", "sk_1_2", "'; DROP TABLE", "lk_{prefix}_", "lk_{prefix}_x"]
)
def test_a_wrong_key_is_refused(house: House, token: str):
    key, _secret = issue_api_key(broker=house.world.broker, label="other", actor="wong")
    caller = Caller(APIClient(headers={"Authorization": f"Bearer {token.format(prefix=key.prefix)}"}))
    problem(caller.get("clients"), 401, "invalid_api_key")


def test_a_revoked_key_ends_at_once(house: House):
    key, secret = issue_api_key(broker=house.world.broker, label="other", actor="wong")
    caller = Caller(APIClient(headers={"Authorization": f"Bearer {secret}"}))
    assert caller.get("clients").status_code == 200
    revoke_api_key(key=key, actor="wong")
    problem(caller.get("clients"), 401, "invalid_api_key")


def test_staff_see_the_firm_they_work_for_as_far_as_their_role_goes(house: House):
    ng = user("ng")
    Staff.objects.create(user=ng, broker=house.world.broker)
    problem(signed_in(ng).get("clients"), 403, "permission_denied")

    ng.user_permissions.add(Permission.objects.get(codename="view_client"))
    assert [c["number"] for c in signed_in(ng).get("clients").json()["results"]] == ["C001"]
    problem(signed_in(ng).post("clients/C001/cash-deposits", DEPOSIT), 403, "permission_denied")

    ng.user_permissions.add(Permission.objects.get(codename="add_loanmovement"))
    assert signed_in(ng).post("clients/C001/cash-deposits", DEPOSIT).status_code == 201


def test_staff_of_another_firm_see_nothing_of_this_one(house: House):
    peak = peak_brokerage()
    ho = user("ho")
    Staff.objects.create(user=ho, broker=peak)
    ho.user_permissions.set(Permission.objects.filter(codename__in=["view_client", "add_loanmovement"]))
    caller = signed_in(ho)
    assert caller.get("clients").json()["results"] == []
    problem(caller.get("clients/C001"), 404, "not_found")
    problem(caller.post("clients/C001/cash-deposits", DEPOSIT), 404, "not_found")
    assert broken_rules(caller.get("clients", broker="HARBOUR")) == [("broker", "unknown_broker")]


def test_staff_of_no_firm_see_nothing(house: House):
    problem(signed_in(user("nobody")).get("clients"), 403, "no_broker")
    problem(signed_in(user("guest", is_staff=False)).get("clients"), 403, "not_staff")


def test_a_house_operator_sees_every_firm_and_names_one_to_act(house: House):
    peak_brokerage()
    operator = signed_in(user("boss", is_superuser=True))
    assert len(operator.get("clients").json()["results"]) == 1
    assert operator.get("clients", broker="PEAK").json()["results"] == []
    problem(operator.post("clients/C001/cash-deposits", DEPOSIT), 422, "broker_required")
    assert operator.post("clients/C001/cash-deposits?broker=HARBOUR", DEPOSIT).status_code == 201
    problem(operator.post("clients/C001/cash-deposits?broker=PEAK", DEPOSIT), 404, "not_found")
    assert broken_rules(operator.get("clients", broker="NONE")) == [("broker", "unknown_broker")]


def test_a_key_cannot_ask_for_another_firm(house: House):
    peak_brokerage()
    assert broken_rules(house.system.get("clients", broker="PEAK")) == [("broker", "unknown_parameter")]


def test_a_session_does_not_post_without_its_token(house: House):
    operator = signed_in(user("boss", is_superuser=True), enforce_csrf_checks=True)
    problem(operator.post("clients/C001/cash-deposits?broker=HARBOUR", DEPOSIT), 403, "permission_denied")

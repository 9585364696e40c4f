"""Views that cannot forget whose rows they show.

A room with tenants derives its base from :class:`ScopedView` and says there how a caller's rows are found;
everything a view lists, retrieves or acts on comes from that one queryset, so another firm's id is simply not
there. Rows that every firm may see stand on :class:`SharedView`, by name and on purpose.

A person who signed in with a session needs the same permission as in the back office: `view_` to read and
`add_` to command, unless `staff_permissions` says otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Model, QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.pagination import BasePagination
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from .callers import BROKER_PARAMETER, Caller, caller_of
from .fields import CommandSerializer, accept
from .idempotent import idempotency_key_of, once
from .pagination import PARAMETERS as PAGE_PARAMETERS
from .pagination import KeyPagination
from .parsers import StrictJSONParser
from .requests import HEADER as REQUEST_ID_HEADER
from .requests import refuse_parameter, request_id_of
from .schema import HouseSchema


class MayCall(BasePermission):
    """A system may call what is not reserved to people; a person what their role permits."""

    message = gettext_lazy("Your role does not permit this.")

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = caller_of(request)
        if caller.user is None:
            if view.needs_a_person:
                raise PermissionDenied(_("Only a person who signed in may do this."), code="needs_a_person")
            if (
                request.method in view.granted_methods
                and view.staff_permission(request.method) not in caller.grants
            ):
                raise PermissionDenied(_("This API key was not given that right."), code="not_granted")
            return True
        return caller.user.has_perm(view.staff_permission(request.method or ""))  # type: ignore[attr-defined]


class ApiView(GenericAPIView[Any]):
    """What every view of the API has: strict JSON, a request id, permission, and no unknown parameters."""

    model: ClassVar[type[Model]]
    staff_permissions: ClassVar[Mapping[str, str]] = {}
    needs_a_person: ClassVar[bool] = False
    # What a system may do only when its key was expressly given the permission.
    granted_methods: ClassVar[frozenset[str]] = frozenset()

    parser_classes = [StrictJSONParser]
    permission_classes = [IsAuthenticated, MayCall]
    pagination_class: type[BasePagination] | None = KeyPagination
    metadata_class = None
    schema = HouseSchema()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        if missing := getattr(cls, "__abstractmethods__", None):
            raise TypeError(f"{cls.__name__} does not say {', '.join(sorted(missing))}")
        return super().as_view(**initkwargs)

    @property
    def caller(self) -> Caller:
        return caller_of(self.request)

    def staff_permission(self, method: str) -> str:
        """Name the permission that a person needs for `method`."""
        verb = "view" if method in ("GET", "HEAD") else "add"
        meta = self.model._meta
        return self.staff_permissions.get(method, f"{meta.app_label}.{verb}_{meta.model_name}")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if any("\0" in value for value in kwargs.values() if isinstance(value, str)):
            # PostgreSQL keeps no NUL in text, so nothing has such a name.
            raise Http404
        for name in request.query_params:
            if name not in self.known_parameters(request.method or ""):
                raise refuse_parameter(name, _("There is no such parameter."), "unknown_parameter")

    def known_parameters(self, method: str) -> frozenset[str]:
        """Name the query parameters; an unknown one may be a misspelt filter and would show too much."""
        return frozenset({BROKER_PARAMETER} if self.caller.is_person else ())

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response[REQUEST_ID_HEADER] = request_id_of(request)
        response["Cache-Control"] = "no-store"
        return response


class ScopedView(ApiView, ABC):
    """A view of rows that belong to one firm."""

    @abstractmethod
    def for_caller(self, caller: Caller) -> QuerySet[Any]:
        """Return the rows of this view that `caller` may know of, and no others."""

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.model._default_manager.none()
        return self.for_caller(self.caller)


class SharedView(ApiView):
    """A view of rows that every firm sees alike: instruments, prices, exchange rates."""

    def get_queryset(self) -> QuerySet[Any]:
        return self.model._default_manager.all()


class DecidedByPeople(ApiView):
    """What a maker proposes and a checker decides: both are people; a system may read."""

    @property
    def needs_a_person(self) -> bool:  # type: ignore[override]
        return self.request.method == "POST"

    @property
    def person(self) -> AbstractBaseUser:
        user = self.caller.user
        if user is None:
            raise TypeError("what needs two people is proposed and decided by people")
        return user


class Listing(ApiView):
    """`GET` a page of rows, newest first."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def known_parameters(self, method: str) -> frozenset[str]:
        filters = getattr(self, "filterset_class", None)
        names = frozenset(filters.base_filters) if filters else frozenset()
        known = super().known_parameters(method)
        return known | PAGE_PARAMETERS | names if method in ("GET", "HEAD") else known


class Detail(ApiView):
    """`GET` one row."""

    pagination_class = None

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(self.get_serializer(self.get_object()).data)

    def get_object(self) -> Any:
        address = {self.lookup_field: self.kwargs[self.lookup_url_kwarg or self.lookup_field]}
        return get_object_or_404(self.get_queryset(), **address)


class Commanding(ApiView):
    """`POST` a command that has its effect once.

    `command_serializer_class` reads the body; :meth:`carry_out` calls the service and returns what
    `serializer_class` shows. The target is located, and the body checked, before the key is claimed.
    """

    command_serializer_class: ClassVar[type[CommandSerializer]]
    reply_serializer_class: ClassVar[type[BaseSerializer[Any]] | None] = None
    success_status: ClassVar[int] = HTTPStatus.CREATED
    # Whether what is carried out has its effect once by itself, with no reply stored beside it.
    keeps_its_key: ClassVar[bool] = False

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        given_key = idempotency_key_of(request)
        target = self.locate()
        values = accept(self.command_serializer_class, request.data)
        shown = self.reply_serializer_class or self.serializer_class
        if shown is None:
            raise TypeError(f"{type(self).__name__} does not say how its result is shown")

        return once(
            request,
            given_key,
            lambda key: self.carry_out(target, values, key=key),
            show=lambda result: shown(result, context=self.get_serializer_context()).data,
            success=self.success_status,
            keeps_its_key=self.keeps_its_key,
        )

    def locate(self) -> Any:
        """Return what the command acts on; raises Http404 when the caller has no such thing."""
        return None

    def carry_out(self, target: Any, values: dict[str, Any], *, key: str) -> Any:
        """Call the service; `key` is bounded, unique to the caller and stable over retries.

        A refusal that is raised undoes what was written; one that is returned lets it stand.
        """
        raise TypeError(f"{type(self).__name__} does not say how it is carried out")


class Deciding(Commanding):
    """`POST` a decision on a proposal that is there already: of the rows the caller may see, the one the path names."""

    success_status = HTTPStatus.OK

    def locate(self) -> Any:
        return get_object_or_404(self.get_queryset(), pk=self.kwargs["id"])


class Asking(ApiView):
    """`POST` a question whose body is too long for an address.

    It changes nothing, so it needs no key and may be asked again.
    """

    command_serializer_class: ClassVar[type[CommandSerializer]]
    is_question: ClassVar[bool] = True
    success_status: ClassVar[int] = HTTPStatus.OK
    pagination_class = None

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        values = accept(self.command_serializer_class, request.data)
        return Response(self.get_serializer(self.answer(values)).data)

    def answer(self, values: dict[str, Any]) -> Any:
        """Return what `serializer_class` shows."""
        raise TypeError(f"{type(self).__name__} does not say how it is answered")


class UnknownAddress(APIView):
    """An address that is none of ours is a problem like any other, for systems that cannot read a page."""

    authentication_classes = []
    permission_classes = []
    metadata_class = None
    schema = None

    def http_method_not_allowed(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        raise Http404

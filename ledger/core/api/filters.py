"""Filters that take what they say and nothing near it."""

from __future__ import annotations

import django_filters
from django import forms


class IdFilter(django_filters.Filter):
    """An id; the library's own number filter would read `1.5` as 1."""

    field_class = forms.IntegerField

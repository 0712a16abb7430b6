"""How policies, silences and windows say which monitors they are about."""

from collections.abc import Mapping
from enum import StrEnum

import attrs

from kubekuma.model.field import Rule, says
from kubekuma.model.monitor import MonitorType

NAMESPACE = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
# A name in which stars stand for any characters.
GLOB = r"^[-a-z0-9.*]+$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"


class Operator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_WITH_VALUES = (Operator.IN, Operator.NOT_IN)


@attrs.frozen(kw_only=True)
class Requirement:
    """What must hold of one label."""

    __rules__ = (
        Rule(
            cel=(
                "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)"
            ),
            holds=lambda it: (it.operator in _WITH_VALUES) == bool(it.values),
            message="must have values when operator is In or NotIn, and only then",
            field_path="values",
        ),
    )

    key: str = says("Name of the label.", min_length=1, max_length=317, pattern=LABEL_KEY)
    operator: Operator = says("How it is compared.")
    values: tuple[str, ...] = says(
        "What it is compared with.", default=(), max_length=63, list_type="set"
    )


@attrs.frozen(kw_only=True)
class LabelSelector:
    """A label selector of Kubernetes: all parts must hold."""

    match_labels: Mapping[str, str] = says(
        "Labels and their values.", default={}, max_length=63, max_items=32
    )
    match_expressions: tuple[Requirement, ...] = says(
        "Further requirements.", default=(), max_items=32
    )


@attrs.frozen(kw_only=True)
class NamePattern:
    """Monitors by name."""

    name: str = says(
        "Name of the monitor; * stands for any characters.",
        min_length=1,
        pattern=GLOB,
    )
    namespace: str | None = says(
        "Its namespace; default: all in reach.", default=None, max_length=63, pattern=NAMESPACE
    )


@attrs.frozen(kw_only=True)
class Match:
    """Which monitors: all parts that are there must hold; nothing said is every one in reach.

    A list must not be empty: it could be taken for nobody as well as for all.
    """

    namespaces: tuple[str, ...] | None = says(
        "In one of these namespaces.",
        default=None,
        min_items=1,
        max_items=64,
        max_length=63,
        pattern=NAMESPACE,
        list_type="set",
    )
    labels: LabelSelector | None = says("With these labels.", default=None)
    tags: tuple[str, ...] | None = says(
        "With any of these tags.",
        default=None,
        min_items=1,
        max_items=32,
        max_length=63,
        list_type="set",
    )
    names: tuple[NamePattern, ...] | None = says(
        "With any of these names.", default=None, min_items=1, max_items=128
    )
    types: tuple[MonitorType, ...] | None = says(
        "Of any of these types.", default=None, min_items=1, max_items=64, list_type="set"
    )

"""The classes that a class of the model is made of."""

import typing

import attrs

from kubekuma.model.kinds import KINDS
from kubekuma.model.schema import fields_of


def all_classes() -> set[type]:
    """Every class that a spec of any kind is made of."""
    return {each for kind in KINDS for each in classes_of(kind.spec)}


def classes_of(cls: type) -> set[type]:
    """``cls`` and every class of the model that its fields can hold, at any depth."""
    found: set[type] = set()
    waiting: list[object] = [cls]
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and attrs.has(each):
            if each not in found:
                found.add(each)
                waiting += [field.type for field in fields_of(each)]
        else:
            waiting += typing.get_args(each)
    return found

"""Objects of the model as they stand in a column: JSON, without what is the default."""

import json
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar

import attrs
from cattrs import Converter

from kubekuma.model.field import camel_case
from kubekuma.model.meta import Key

T = TypeVar("T")


def to_json(value: Any) -> str:
    """The text of an instance of a model's class."""
    return json.dumps(_CONVERTER.unstructure(value))


def from_json(text: str, cls: type[T]) -> T:
    """The instance of ``cls`` that was stored as ``text``."""
    return _CONVERTER.structure(json.loads(text), cls)


def as_shown(value: Any) -> Any:
    """``value`` in the names and forms of the API, for people who read the audit."""
    if isinstance(value, Key):
        return {"namespace": value.namespace, "name": value.name}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, tuple | list):
        return [as_shown(each) for each in value]
    if attrs.has(type(value)):
        parts = ((field, getattr(value, field.name)) for field in attrs.fields(type(value)))
        return {camel_case(field.name): as_shown(part) for field, part in parts if part is not None}
    return value


def _converter() -> Converter:
    converter = Converter(omit_if_default=True)
    converter.register_unstructure_hook(datetime, lambda instant: instant.isoformat())
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    return converter


_CONVERTER: Final = _converter()

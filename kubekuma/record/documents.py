"""Objects of the model as they stand in a column: JSON, without what is the default."""

import json
from datetime import datetime
from typing import Any, Final, TypeVar

from cattrs import Converter

T = TypeVar("T")


def to_json(value: Any) -> str:
    """The text of an instance of a model's class."""
    return json.dumps(_CONVERTER.unstructure(value))


def from_json(text: str, cls: type[T]) -> T:
    """The instance of ``cls`` that was stored as ``text``."""
    return _CONVERTER.structure(json.loads(text), cls)


def _converter() -> Converter:
    converter = Converter(omit_if_default=True)
    converter.register_unstructure_hook(datetime, lambda instant: instant.isoformat())
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    return converter


_CONVERTER: Final = _converter()

"""A raw document to a resource, or to all of its errors.

Three layers, each a pure function: metadata, schema, semantics (``rules``). The third
looks at a decoded resource, as far as the others leave something to decode.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias

from kubekuma.kit import structural
from kubekuma.kit.structural_fast import filled, fits
from kubekuma.model.kinds import MONITOR, MONITOR_SET, SETTINGS, Kind
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.monitor import Monitor
from kubekuma.model.schema import resource as resource_schema
from kubekuma.model.settings import Settings
from kubekuma.validate import text
from kubekuma.validate.decode import decoded, parsed_timestamp
from kubekuma.validate.rule import FieldError, Rejected
from kubekuma.validate.rules import RULES

Document: TypeAlias = Mapping[str, Any]

_IN_ITEM: Final = re.compile(r"spec\.items\[\d+\]\.spec")


def load(kind: Kind, document: Document) -> Any:
    """The resource of ``kind`` that ``document`` describes, or Rejected with all that is wrong."""
    meta, errors = _front(kind, document)
    if kind is MONITOR_SET:
        # One bad item leaves the others running: items are looked at one by one.
        errors = tuple(error for error in errors if not _IN_ITEM.match(error.path))
    spec = _spec(kind, document, errors)
    if spec is None:
        return Rejected(meta=meta, errors=errors)
    resource = kind.resource(meta=meta, spec=spec)
    wrong = _more(errors, RULES[kind.name](resource))
    return Rejected(meta=meta, errors=wrong) if wrong else resource


def load_monitor(document: Document) -> Monitor | Rejected:
    """The Monitor that ``document`` describes."""
    loaded: Monitor | Rejected = load(MONITOR, document)
    return loaded


def load_settings(document: Document) -> Settings | Rejected:
    """The KubeKumaSettings that ``document`` describes."""
    loaded: Settings | Rejected = load(SETTINGS, document)
    return loaded


def unknown_fields(kind: Kind, document: Document) -> Iterator[FieldError]:
    """Fields that nobody knows: mistakes in a manifest, but not in an object of a newer server."""
    _, unknown = structural.pruned(resource_schema(kind), dict(document))
    return (FieldError(path, "is not a known field") for path in unknown)


def meta_of(document: Document) -> ObjectMeta:
    """What we use of a document's metadata, however wrong the document is."""
    raw = document.get("metadata")
    metadata = raw if isinstance(raw, Mapping) else {}
    generation = metadata.get("generation")
    return ObjectMeta(
        key=Key(str(metadata.get("namespace") or ""), str(metadata.get("name") or "")),
        uid=str(metadata.get("uid") or ""),
        generation=generation if isinstance(generation, int) else 0,
        labels=_texts(metadata.get("labels")),
        annotations=_texts(metadata.get("annotations")),
        created_at=_instant(metadata.get("creationTimestamp")),
    )


def _front(kind: Kind, document: Document) -> tuple[ObjectMeta, tuple[FieldError, ...]]:
    meta = meta_of(document)
    # Never trust that an API server has the schema that this program has.
    whole = dict(document)
    fit, _ = _fast(kind)
    found = () if fit(whole) else structural.problems(resource_schema(kind), whole)
    wrong = (FieldError(each.path, _told(each)) for each in found)
    return meta, (*_metadata(kind, meta), *wrong)


@cache
def _fast(kind: Kind) -> tuple[Callable[[Any], bool], Callable[[Any], Any]]:
    schema = resource_schema(kind)
    return fits(schema), filled(schema)


def _metadata(kind: Kind, meta: ObjectMeta) -> Iterator[FieldError]:
    if kind.only_name and meta.key.name != kind.only_name:
        yield FieldError("metadata.name", f"must be {kind.only_name}: the kind is a singleton")
    elif not meta.key.name:
        yield FieldError("metadata.name", "must be there")
    else:
        for error in text.object_name(meta.key.name):
            yield FieldError("metadata.name", error.message)
    if meta.key.namespace:
        for error in text.namespace_name(meta.key.namespace):
            yield FieldError("metadata.namespace", error.message)


def _spec(kind: Kind, document: Document, errors: tuple[FieldError, ...]) -> Any:
    # A manifest has no defaults yet, and an API server with an older schema knows fewer.
    try:
        _, fill = _fast(kind)
        whole = fill(dict(document))
        return decoded(whole["spec"], kind.spec)
    except (KeyError, TypeError, ValueError, AttributeError):
        # What is out of bounds can still be looked at by the rules; what has no form cannot.
        if not errors:
            raise
        return None


def _more(errors: tuple[FieldError, ...], semantic: Iterable[FieldError]) -> tuple[FieldError, ...]:
    # One complaint about a field is enough: the first says what form it must have.
    known = {error.path for error in errors}
    return (*errors, *(error for error in semantic if error.path not in known))


def _told(problem: structural.Problem) -> str:
    return "must be there" if problem.reason == "FieldValueRequired" else problem.message


def _instant(value: Any) -> datetime | None:
    try:
        return parsed_timestamp(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        return None


def _texts(value: Any) -> Mapping[str, str]:
    if not value or not isinstance(value, Mapping):
        return _NONE
    return {str(name): str(part) for name, part in value.items()}


_NONE: Mapping[str, str] = {}

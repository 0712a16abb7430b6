"""A raw document to a resource, or to all of its errors.

Three layers, each a pure function: metadata, schema, semantics. The third
looks at a decoded resource, as far as the others leave something to decode.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeAlias, TypeVar

from kubekuma.kit import structural
from kubekuma.model.kinds import MONITOR, SETTINGS, Kind
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.monitor import Monitor, MonitorSpec
from kubekuma.model.schema import resource
from kubekuma.model.settings import Settings, SettingsSpec
from kubekuma.validate import text
from kubekuma.validate.decode import decoded, parsed_timestamp
from kubekuma.validate.monitor import monitor_rules
from kubekuma.validate.rule import FieldError, Rejected
from kubekuma.validate.settings import settings_rules

Document: TypeAlias = Mapping[str, Any]
T = TypeVar("T")


def load_monitor(document: Document) -> Monitor | Rejected:
    """The Monitor that ``document`` describes."""
    meta, errors = _front(MONITOR, document)
    spec = _spec(MONITOR, document, MonitorSpec, errors)
    if spec is None:
        return Rejected(meta=meta, errors=errors)
    monitor = Monitor(meta=meta, spec=spec)
    wrong = _more(errors, monitor_rules(monitor))
    return Rejected(meta=meta, errors=wrong) if wrong else monitor


def load_settings(document: Document) -> Settings | Rejected:
    """The KubeKumaSettings that ``document`` describes."""
    meta, errors = _front(SETTINGS, document)
    spec = _spec(SETTINGS, document, SettingsSpec, errors)
    if spec is None:
        return Rejected(meta=meta, errors=errors)
    wrong = _more(errors, settings_rules(spec))
    return Rejected(meta=meta, errors=wrong) if wrong else Settings(meta=meta, spec=spec)


def unknown_fields(kind: Kind, document: Document) -> Iterator[FieldError]:
    """Fields that nobody knows: mistakes in a manifest, but not in an object of a newer server."""
    _, unknown = structural.pruned(resource(kind), dict(document))
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
    found = structural.problems(resource(kind), dict(document))
    wrong = (FieldError(each.path, _told(each)) for each in found)
    return meta, (*_metadata(kind, meta), *wrong)


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


def _spec(kind: Kind, document: Document, cls: type[T], errors: tuple[FieldError, ...]) -> T | None:
    # A manifest has no defaults yet, and an API server with an older schema knows fewer.
    try:
        return decoded(structural.with_defaults(resource(kind), dict(document))["spec"], cls)
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

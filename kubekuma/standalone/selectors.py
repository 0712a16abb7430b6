"""Label and field selectors: text to predicate."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import attrs
import re2

from kubekuma.standalone.errors import bad_request
from kubekuma.standalone.names import value_mistakes
from kubekuma.standalone.paths import dig
from kubekuma.standalone.resources import Object, Resource

Labels: TypeAlias = Mapping[str, str]

_KEY: Final = r"([A-Za-z0-9./_-]+)"
_SET_BASED: Final = re2.compile(rf"^{_KEY}\s+(in|notin)\s*\(([^()]*)\)$")
_EQUALITY: Final = re2.compile(rf"^{_KEY}\s*(==|=|!=)\s*([A-Za-z0-9._-]*)$")
_PRESENCE: Final = re2.compile(rf"^(!?)\s*{_KEY}$")
_FIELD: Final = re2.compile(r"^([^=!]+)(==|=|!=)(.*)$")

_EVENT_FIELDS: Final = (
    *(
        f"{subject}.{part}"
        for subject in ("involvedObject", "regarding")
        for part in (
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        )
    ),
    "reason",
    "type",
    "source",
    "reportingComponent",
    "reportingController",
)
# Fields by which kinds of ours can be selected, beside name and namespace.
_FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "events": _EVENT_FIELDS,
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "pods": ("spec.nodeName", "status.phase", "status.podIP"),
    "jobs.batch": ("status.successful",),
}


@attrs.frozen
class FieldRequirement:
    """``path = value``, or ``path != value``."""

    path: str
    value: str
    equal: bool

    def holds(self, given: Object) -> bool:
        """Whether the object ``given`` meets it. Absent fields count as empty."""
        found = dig(given, self.path)
        text = "" if found is None else str(found).lower() if found in (True, False) else str(found)
        return (text == self.value) is self.equal


def label_selector(text: str) -> Callable[[Labels], bool] | None:
    """The predicate that ``text`` stands for; None if it selects everything."""
    requirements = [_label_requirement(part.strip()) for part in _split(text) if part.strip()]
    if not requirements:
        return None
    return lambda labels: all(holds(labels) for holds in requirements)


def field_selector(text: str, resource: Resource) -> tuple[FieldRequirement, ...]:
    """What ``text`` asks for. Fields that ``resource`` cannot be selected by are refused."""
    known = {
        "metadata.name",
        "metadata.namespace",
        *resource.selectable,
        *_FIELDS.get(resource.storage, ()),
    }
    found = []
    for part in filter(None, text.split(",")):
        match = _FIELD.match(part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        path, operator, value = (each.strip() for each in match.groups())
        if path not in known:
            raise bad_request(f"field label not supported: {path}")
        found.append(FieldRequirement(path, value, operator != "!="))
    return tuple(found)


def _split(text: str) -> list[str]:
    # At commas, except those between parentheses.
    parts, depth = [""], 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _check_value(key: str, value: str) -> None:
    if mistake := next(value_mistakes(value), None):
        why = f'values[0][{key}]: Invalid value: "{value}": {mistake}'
        raise bad_request(f"unable to parse requirement: {why}")


def _label_requirement(part: str) -> Callable[[Labels], bool]:
    if match := _SET_BASED.match(part):
        key, operator, listed = match.groups()
        values = frozenset(value.strip() for value in listed.split(","))
        for each in values:
            _check_value(key, each)
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUALITY.match(part):
        key, operator, value = match.groups()
        _check_value(key, value)
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _PRESENCE.match(part):
        absent, key = match.groups()
        return lambda labels: (key in labels) is not bool(absent)
    raise bad_request(f"unable to parse requirement: found '{part}', expected: a label selector")

"""CustomResourceDefinitions: what they define, when they are right, what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import re2

from kubekuma.kit.structural import Problem, Schema, problems
from kubekuma.standalone.resources import Column, Object, Resource
from kubekuma.standalone.rules import compile_rules, rule_problems

_TYPELESS: Final = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")


def custom_resources(crd: Object) -> Iterator[Resource]:
    """Yield a resource for each version that ``crd`` serves."""
    spec = crd["spec"]
    names = spec["names"]
    for version in spec["versions"]:
        if not version.get("served", True):
            continue
        schema = version.get("schema", {}).get("openAPIV3Schema", {"type": "object"})
        yield Resource(
            group=spec["group"],
            version=version["name"],
            kind=names["kind"],
            plural=names["plural"],
            singular=names.get("singular") or names["kind"].lower(),
            namespaced=spec.get("scope") == "Namespaced",
            short_names=tuple(names.get("shortNames", ())),
            categories=tuple(names.get("categories", ())),
            has_status="status" in version.get("subresources", {}),
            custom=True,
            schema=schema,
            columns=tuple(_columns(version.get("additionalPrinterColumns"))),
            selectable=tuple(
                field["jsonPath"].lstrip(".") for field in version.get("selectableFields", ())
            ),
            storage=f"{names['plural']}.{spec['group']}",
            storage_version=_storage_version(spec["versions"]),
            since=int(crd["metadata"].get("resourceVersion") or 0),
            rules=compile_rules(schema),
        )


def established(crd: Object, now: datetime) -> Object:
    """``crd`` with the status of one that is served."""
    spec = crd["spec"]
    names = spec["names"]
    singular = names.get("singular") or names["kind"].lower()
    spec = {
        "conversion": {"strategy": "None"},
        **spec,
        "names": {"listKind": f"{names['kind']}List", **names, "singular": singular},
    }
    before = crd.get("status", {})
    stored = [each["name"] for each in spec["versions"] if each.get("storage")]
    kept = before.get("storedVersions", [])
    status = {
        "conditions": _conditions(before, now),
        "acceptedNames": spec["names"],
        "storedVersions": [*kept, *(name for name in stored if name not in kept)],
    }
    return {**crd, "spec": spec, "status": status}


def definition_problems(crd: Object) -> Iterator[Problem]:
    """What is wrong with ``crd`` that its schema does not say."""
    spec = crd["spec"]
    given, name = crd["metadata"].get("name"), f"{spec['names']['plural']}.{spec['group']}"
    if given != name:
        message = f'Invalid value: "{given}": must be spec.names.plural+"."+spec.group'
        yield Problem("metadata.name", message, "FieldValueInvalid")
    if sum(bool(each.get("storage")) for each in spec["versions"]) != 1:
        message = 'Invalid value: "array": must have exactly one version marked as storage version'
        yield Problem("spec.versions", message, "FieldValueInvalid")
    try:
        found = [
            problem
            for index, version in enumerate(spec["versions"])
            for problem in _version_problems(version, _schema_path(spec, index))
        ]
        if not found:
            list(custom_resources(crd))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f'Invalid value: "array": cannot be understood: {error!r}'
        found = [Problem("spec.versions", message, "FieldValueInvalid")]
    yield from found


def _schema_path(spec: Mapping[str, Any], index: int) -> str:
    # kube-apiserver joins the schemas of all versions into one if they are alike.
    versions = spec["versions"]
    if all(each.get("schema") == versions[0].get("schema") for each in versions):
        return "spec.validation.openAPIV3Schema"
    return f"spec.versions[{index}].schema.openAPIV3Schema"


def _version_problems(version: Mapping[str, Any], path: str) -> Iterator[Problem]:
    schema = version["schema"].get("openAPIV3Schema")
    if schema is None:
        where = "spec.versions[0].schema.openAPIV3Schema"
        yield Problem(where, "Required value", "FieldValueRequired")
        return
    if not schema.get("type"):
        message = "Required value: must not be empty at the root"
        yield Problem(f"{path}.type", message, "FieldValueRequired")
    yield from _schema_problems(schema, path)


def _storage_version(versions: Sequence[Mapping[str, Any]]) -> str:
    return next((str(each["name"]) for each in versions if each.get("storage")), "")


def _schema_problems(schema: Schema, path: str) -> Iterator[Problem]:
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        listed = ", ".join(f'"{each}"' for each in _TYPES)
        message = f'Unsupported value: "{kind}": supported values: {listed}'
        yield Problem(f"{path}.type", message, "FieldValueNotSupported")
        return
    yield from _pattern_problems(schema, path)
    if schema.get("default") is not None:
        for each in problems(schema, schema["default"]):
            where = f"{path}.default" + (f".{each.path}" if each.path else "")
            # The path of a default begins at itself.
            yield Problem(where, each.message.replace(": in body", ":  in body"), each.reason)
    yield from rule_problems(schema, path)
    yield from _key_problems(schema, path)
    for name, inner in schema.get("properties", {}).items():
        yield from _part_problems(inner, f"{path}.properties[{name}]", "object fields")
    for name, whose in (("items", "array items"), ("additionalProperties", "object fields")):
        if isinstance(schema.get(name), Mapping):
            yield from _part_problems(schema[name], f"{path}.{name}", whose)


def _part_problems(schema: Schema, path: str, whose: str) -> Iterator[Problem]:
    if not schema.get("type") and not any(schema.get(each) for each in _TYPELESS):
        message = f"Required value: must not be empty for specified {whose}"
        yield Problem(f"{path}.type", message, "FieldValueRequired")
    yield from _schema_problems(schema, path)


def _pattern_problems(schema: Schema, path: str) -> Iterator[Problem]:
    pattern = schema.get("pattern")
    if pattern is None:
        return
    try:
        re2.compile(pattern)
    except re2.error as error:
        message = (
            f'Invalid value: "{pattern}": must be a valid regular expression, but isn\'t: '
            f"{error.args[0].decode()}"
        )
        yield Problem(f"{path}.pattern", message, "FieldValueInvalid")


def _key_problems(schema: Schema, path: str) -> Iterator[Problem]:
    items = schema.get("items", {})
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        is_default = "default" in items.get("properties", {}).get(key, {})
        if key not in items.get("required", ()) and not is_default:
            where = f"{path}.items.properties[{key}].default"
            message = (
                "Required value: this property is in x-kubernetes-list-map-keys, so it must have a "
                "default or be a required property"
            )
            yield Problem(where, message, "FieldValueRequired")


def _conditions(before: Mapping[str, Any], now: datetime) -> list[Object]:
    since = {each["type"]: each["lastTransitionTime"] for each in before.get("conditions", ())}
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {
            "type": kind,
            "status": "True",
            "lastTransitionTime": since.get(kind, at),
            "reason": reason,
            "message": message,
        }
        for kind, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]


def _columns(declared: Sequence[Mapping[str, Any]] | None) -> Iterator[Column]:
    if not declared:
        yield Column("Age", "date", ".metadata.creationTimestamp")
        return
    for each in declared:
        yield Column(
            each["name"],
            each["type"],
            each["jsonPath"],
            each.get("priority", 0),
            each.get("description", ""),
        )

"""CustomResourceDefinitions: what they define, when they are right, what becomes of them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from kubekuma.kit.structural import Problem, Schema
from kubekuma.standalone.resources import Column, Object, Resource
from kubekuma.standalone.rules import compile_rules, rule_problems

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
            for problem in _schema_problems(
                version["schema"].get("openAPIV3Schema", {}),
                f"spec.versions[{index}].schema.openAPIV3Schema",
            )
        ]
        if not found:
            list(custom_resources(crd))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        message = f'Invalid value: "array": cannot be understood: {error!r}'
        found = [Problem("spec.versions", message, "FieldValueInvalid")]
    yield from found


def _storage_version(versions: Sequence[Mapping[str, Any]]) -> str:
    return next((str(each["name"]) for each in versions if each.get("storage")), "")


def _schema_problems(schema: Schema, path: str) -> Iterator[Problem]:
    kind = schema.get("type")
    if kind is not None and kind not in _TYPES:
        listed = ", ".join(f'"{each}"' for each in _TYPES)
        message = f'Unsupported value: "{kind}": supported values: {listed}'
        yield Problem(f"{path}.type", message, "FieldValueNotSupported")
    yield from rule_problems(schema, path)
    for name, inner in schema.get("properties", {}).items():
        yield from _schema_problems(inner, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            yield from _schema_problems(schema[name], f"{path}.{name}")


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

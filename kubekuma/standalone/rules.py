"""CEL rules of a schema (``x-kubernetes-validations``): compiled once, asked at every write."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs
import cel

from kubekuma.kit.structural import Json, Problem, Schema
from kubekuma.standalone.functions import FUNCTIONS
from kubekuma.standalone.functions.texts import STRING

# Texts, which stay; names of fields that CEL reserves, which are written with underscores around
# them (self.__namespace__); and the function ``string``, which is not the engine's own.
_NAMES: Final = re.compile(
    r"'{3}(?:\\.|[^\\])*?'{3}|\"{3}(?:\\.|[^\\])*?\"{3}"
    r"|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
    r"|\b__(?P<reserved>as|break|const|continue|else|for|function|if|import|let|loop|namespace"
    r"|package|return|var|void|while)__\b"
    r"|(?<![\w.])(?P<string>string)(?=\s*\()",
    re.DOTALL,
)

# What the engine raises when an expression does not fit the value: a missing field, a division
# by zero, operands of other types.
_EVALUATION_ERRORS: Final = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


@attrs.frozen(kw_only=True)
class Rule:
    """One rule: what must hold, what to say if it does not, and where."""

    source: str
    program: cel.Program
    message: str
    message_program: cel.Program | None
    functions: tuple[str, ...]
    reason: str
    field_path: str
    is_transition: bool


@attrs.frozen(kw_only=True)
class RuleNode:
    """The rules of one place in a schema, and those further down. Only places with rules exist."""

    rules: tuple[Rule, ...]
    properties: Mapping[str, "RuleNode"]
    items: "RuleNode | None"
    map_keys: tuple[str, ...]
    values: "RuleNode | None"


def compile_rules(schema: Schema) -> RuleNode | None:
    """The rules in ``schema``, or None if it has none."""
    properties = {
        name: node
        for name, inner in schema.get("properties", {}).items()
        if (node := compile_rules(inner)) is not None
    }
    items = compile_rules(schema["items"]) if isinstance(schema.get("items"), Mapping) else None
    additional = schema.get("additionalProperties")
    values = compile_rules(additional) if isinstance(additional, Mapping) else None
    rules = tuple(_rule(each) for each in schema.get("x-kubernetes-validations", ()))
    if not (rules or properties or items or values):
        return None
    keys = schema.get("x-kubernetes-list-map-keys", ())
    return RuleNode(
        rules=rules, properties=properties, items=items, map_keys=tuple(keys), values=values
    )


def rule_problems(schema: Schema, path: str) -> Iterator[Problem]:
    """Every rule of this place in a schema that is no CEL expression."""
    for index, declared in enumerate(schema.get("x-kubernetes-validations", ())):
        for name in ("rule", "messageExpression"):
            try:
                _compiled(declared.get(name))
            except ValueError as error:
                where = f"{path}.x-kubernetes-validations[{index}].{name}"
                message = f"Invalid value: {_shown(declared[name])}: compilation failed: {error}"
                yield Problem(where, message, "FieldValueInvalid")


def broken_rules(node: RuleNode, value: Json, old: Json, path: str = "") -> Iterator[Problem]:
    """What ``value`` breaks. ``old`` is its former self, or None: then transition rules rest.

    What has not changed is not held against its writer, who may have changed something else.
    """
    if value is None:
        return
    is_unchanged = old is not None and value == old
    asked = [
        rule for rule in node.rules if (old is not None if rule.is_transition else not is_unchanged)
    ]
    if asked:
        yield from _judge(asked, value, old, path)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, part in value.items():
            inner = node.properties.get(name)
            if inner is not None:
                where = f"{path}.{name}" if path else name
                yield from broken_rules(inner, part, before.get(name), where)
            elif node.values is not None:
                yield from broken_rules(node.values, part, before.get(name), f"{path}[{name}]")
    elif isinstance(value, list) and node.items is not None:
        former = _by_key(old, node.map_keys)
        for index, item in enumerate(value):
            key = _key(item, node.map_keys)
            yield from broken_rules(node.items, item, former.get(key), f"{path}[{index}]")


def _rule(declared: Mapping[str, Any]) -> Rule:
    source = " ".join(declared["rule"].split())
    program = _program(declared["rule"])
    mentions_old = "oldSelf" in program.variables()
    message_program = _compiled(declared.get("messageExpression"))
    return Rule(
        source=source,
        program=program,
        functions=(*_called(program), *_called(message_program)),
        message=declared.get("message", "").strip(),
        message_program=message_program,
        reason=declared.get("reason", "FieldValueInvalid"),
        field_path=declared.get("fieldPath", ""),
        is_transition=mentions_old and not declared.get("optionalOldSelf"),
    )


def _called(program: cel.Program | None) -> list[str]:
    if program is None:
        return []
    called = set(program.functions())
    # A function in a namespace is listed by its last name only.
    return [name for name in FUNCTIONS if name.rpartition(".")[2] in called]


def _compiled(expression: str | None) -> cel.Program | None:
    return _program(expression) if expression else None


def _program(expression: str) -> cel.Program:
    return cel.compile(_NAMES.sub(_renamed, expression))


def _renamed(match: re.Match[str]) -> str:
    return STRING if match["string"] else match["reserved"] or match[0]


def _judge(rules: Sequence[Rule], value: Json, old: Json, path: str) -> Iterator[Problem]:
    # Values are converted once for all rules of their place.
    context = cel.Context({"self": value, "oldSelf": old})
    for name in {name for rule in rules for name in rule.functions}:
        context.add_function(name, FUNCTIONS[name])
    for rule in rules:
        failed = f"failed rule: {rule.source}"
        try:
            holds = rule.program.execute(context)
        except _EVALUATION_ERRORS as error:
            # As kube-apiserver: a rule that cannot be evaluated does not hold.
            holds, failed = False, f"rule evaluation error: {error}: {rule.source}"
        if holds is not True:
            yield _broken(rule, value, path, _said(rule, context) or rule.message or failed)


def _broken(rule: Rule, value: Json, path: str, said: str) -> Problem:
    shown = {
        "FieldValueRequired": "Required value",
        "FieldValueForbidden": "Forbidden",
        "FieldValueDuplicate": f"Duplicate value: {_shown(value)}",
    }.get(rule.reason, "Invalid value")
    # Objects and lists are not shown.
    if shown == "Invalid value" and not isinstance(value, (dict, list)):
        shown = f"Invalid value: {_shown(value)}"
    # The whole object has no path.
    where = path + rule.field_path if path else rule.field_path.lstrip(".") or "<nil>"
    return Problem(where, f"{shown}: {said}", rule.reason)


def _said(rule: Rule, context: cel.Context) -> str:
    if rule.message_program is None:
        return ""
    try:
        said = rule.message_program.execute(context)
    except _EVALUATION_ERRORS:
        return ""
    return said.strip() if isinstance(said, str) else ""


def _shown(value: Json) -> str:
    match value:
        case dict():
            return '"object"'
        case list():
            return '"array"'
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _key(item: Json, keys: tuple[str, ...]) -> tuple[str, ...] | None:
    if not keys or not isinstance(item, dict):
        return None
    return tuple(repr(item.get(key)) for key in keys)


def _by_key(old: Json, keys: tuple[str, ...]) -> dict[tuple[str, ...] | None, Json]:
    # Items of a list that is no map have no former self.
    if not keys or not isinstance(old, list):
        return {}
    return {_key(item, keys): item for item in old}

"""Every rule of the model is said twice, to the API server and to us, and means one thing."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.classes import all_classes
from support.json_values import fitting

from kubekuma.kit.structural import Problem, with_defaults
from kubekuma.model.field import json_name, rules_of
from kubekuma.model.kinds import KINDS
from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.schema import fields_of, resource, structural
from kubekuma.standalone.rules import broken_rules, compile_rules, rule_problems
from kubekuma.validate.declared import rules_for
from kubekuma.validate.decode import decoded

RULED = sorted(
    (each for each in all_classes() if rules_of(each)),
    key=lambda each: each.__name__,
)


def own_part(cls: type) -> dict[str, Any]:
    """The schema of ``cls`` with its own rules alone, and none of the rules further down."""
    rules = structural(cls).get("x-kubernetes-validations", [])
    return {**without_rules(structural(cls)), "x-kubernetes-validations": rules}


def without_rules(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if name != "x-kubernetes-validations"}
    return {name: without_rules(part) for name, part in kept.items()}


def test_there_are_rules_to_compare() -> None:
    assert len(RULED) > 10
    assert MonitorSpec in RULED


@pytest.mark.parametrize("cls", RULED, ids=lambda cls: cls.__name__)
@settings(max_examples=60)
@given(data=st.data())
def test_cel_and_python_agree(cls: type, data: st.DataObject) -> None:
    schema = own_part(cls)
    whole = with_defaults(
        schema, data.draw(monitor_specs if cls is MonitorSpec else fitting(schema))
    )
    value: Any = decoded(whole, cls)
    by_python = {
        rule.message for rule in rules_for(value) if rule.cel is not None and not rule.holds(value)
    }
    node = compile_rules(schema)
    by_cel = set() if node is None else {said(each) for each in broken_rules(node, whole, None)}
    assert by_cel == by_python


def said(problem: Problem) -> str:
    """The rule's own message."""
    return problem.message.removeprefix("Invalid value: ")


def specs_of(kind: MonitorType) -> st.SearchStrategy[dict[str, Any]]:
    """Specs of type ``kind``: of its own accord a type would hardly ever meet its target."""
    return st.builds(
        lambda target, more: {"type": kind.value, "target": target, **more},
        targets(kind),
        criteria(),
    )


def targets(kind: MonitorType) -> st.SearchStrategy[dict[str, Any]]:
    """No target, the type's own, another one, or several."""
    schema = structural(MonitorSpec)["properties"]["target"]["properties"]
    own = kind.target_field
    names = st.sampled_from([[own], [], ["tcp"], ["http"], [own, "tcp"], [own, "manual"]])
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries({name: fitting(schema[name]) for name in chosen})
    )


def criteria() -> st.SearchStrategy[dict[str, Any]]:
    """Criteria for keywords or queries, or none."""
    words = {"keyword": {"contains": ["a"]}}
    query = {"jsonQuery": {"path": "$", "exists": True}}
    return st.sampled_from(
        [{}, *({"successCriteria": each} for each in ({}, words, query, {**words, **query}))]
    )


monitor_specs = st.sampled_from(MonitorType).flatmap(specs_of)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_rule_is_cel(kind: Any) -> None:
    waiting = [(resource(kind), kind.name)]
    while waiting:
        schema, path = waiting.pop()
        assert list(rule_problems(schema, path)) == []
        waiting += [(part, f"{path}.{name}") for name, part in schema.get("properties", {}).items()]
        if isinstance(schema.get("items"), dict):
            waiting.append((schema["items"], f"{path}[]"))


def test_what_cel_cannot_see_is_asked_in_python_alone() -> None:
    """Fields of any type are invisible to CEL: rules about them must not be written in it."""
    for cls in RULED:
        free = {
            json_name(field)
            for field in fields_of(cls)
            if structural(cls)["properties"][json_name(field)].get(
                "x-kubernetes-preserve-unknown-fields"
            )
        }
        for rule in rules_of(cls):
            if rule.cel is not None:
                assert not any(f"self.{name})" in rule.cel for name in free), cls

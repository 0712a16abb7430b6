"""CEL rules: what they see, what they say, and when they rest."""

from typing import Any

import pytest

from kubekuma.standalone.rules import broken_rules, compile_rules, rule_problems


def broken(schema: dict[str, Any], value: Any, old: Any = None) -> list[tuple[str, str, str]]:
    node = compile_rules(schema)
    assert node is not None
    return [(each.path, each.message, each.reason) for each in broken_rules(node, value, old)]


def rules(*declared: dict[str, Any] | str) -> list[dict[str, Any]]:
    return [each if isinstance(each, dict) else {"rule": each} for each in declared]


def at_root(*declared: dict[str, Any] | str) -> dict[str, Any]:
    return {"type": "object", "x-kubernetes-validations": rules(*declared)}


def test_a_schema_without_rules_has_none() -> None:
    assert compile_rules({"properties": {"a": {"items": {"type": "string"}}}}) is None


def test_rules_hold_in_every_place() -> None:
    at_least_two = {"type": "integer", "x-kubernetes-validations": rules("self >= 2")}
    schema = {
        "properties": {
            "list": {"items": at_least_two},
            "map": {"additionalProperties": at_least_two},
            "plain": at_least_two,
        }
    }
    value = {"list": [2, 1], "map": {"x": 1, "y": 3}, "plain": 1, "other": 0}
    assert [path for path, _, _ in broken(schema, value)] == ["list[1]", "map[x]", "plain"]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("self.size > 5", ("<nil>", "Invalid value: failed rule: self.size > 5")),
        ({"rule": "false", "message": " not so "}, ("<nil>", "Invalid value: not so")),
        (
            {"rule": "false", "messageExpression": "'got ' + string(self.size)", "message": "x"},
            ("<nil>", "Invalid value: got 3"),
        ),
        (
            {"rule": "false", "messageExpression": "self.nope", "message": "instead"},
            ("<nil>", "Invalid value: instead"),
        ),
        (
            {"rule": "false", "message": "m", "fieldPath": ".size", "reason": "FieldValueRequired"},
            ("size", "Required value: m"),
        ),
        (
            {"rule": "false", "message": "m", "reason": "FieldValueForbidden"},
            ("<nil>", "Forbidden: m"),
        ),
    ],
)
def test_a_broken_rule_says_where_and_why(
    declared: dict[str, Any] | str, expected: tuple[str, str]
) -> None:
    ((path, message, reason),) = broken(at_root(declared), {"size": 3})
    assert (path, message) == expected
    default = "FieldValueInvalid"
    wanted = declared.get("reason", default) if isinstance(declared, dict) else default
    assert reason == wanted


@pytest.mark.parametrize(
    "rule",
    [
        "self.nope > 1",
        "self.size > 'a'",
        "self.size / 0 == 1",
        "self.size.matches('a')",
        "[1][5] == 1",
        "unknown(self)",
        "9223372036854775807 + self.size > 0",
    ],
)
def test_a_rule_that_cannot_be_evaluated_does_not_hold(rule: str) -> None:
    ((_, message, _),) = broken(at_root(rule), {"size": 3})
    assert "rule evaluation error" in message


def test_transition_rules_rest_until_there_is_a_former_self() -> None:
    schema = at_root("self.size >= oldSelf.size")
    assert broken(schema, {"size": 1}) == []
    assert broken(schema, {"size": 1}, {"size": 1}) == []
    assert len(broken(schema, {"size": 1}, {"size": 2})) == 1


def test_items_of_maps_are_compared_with_their_former_selves() -> None:
    item = {"x-kubernetes-validations": rules("self.value == oldSelf.value")}
    schema: dict[str, Any] = {"properties": {"parts": {"items": item}}}
    old = {"parts": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]}
    new = {"parts": [{"name": "b", "value": 3}, {"name": "c", "value": 4}]}
    # Items of an ordinary list have no former self.
    assert broken(schema, new, old) == []
    schema["properties"]["parts"]["x-kubernetes-list-map-keys"] = ["name"]
    assert [path for path, _, _ in broken(schema, new, old)] == ["parts[0]"]


def test_what_has_not_changed_is_not_asked_again() -> None:
    schema = {
        "properties": {
            "spec": at_root("self.size > 5", "self.size >= oldSelf.size"),
            "status": {"type": "object"},
        }
    }
    old = {"spec": {"size": 1}, "status": {}}
    assert broken(schema, {**old, "status": {"state": "Up"}}, old) == []
    assert len(broken(schema, {"spec": {"size": 2}}, old)) == 1
    assert len(broken(schema, old)) == 1


@pytest.mark.parametrize(
    "rule",
    [
        "self.text.matches('^h.*o$')",
        "self.text.find('l+') == 'll'",
        "self.text.findAll('l') == ['l', 'l']",
        "self.text.upperAscii() == 'HELLO' && self.text.replace('l', 'L') == 'heLLo'",
        "self.list.isSorted() && self.list.sum() == 6 && self.list.max() == 3",
        "self.list.indexOf(2) == 1 && self.text.indexOf('l') == 2",
        "isURL(self.url) && url(self.url).getHost() == 'example.org:8080'",
        "url(self.url).getScheme() == 'https' && url(self.url).getPort() == '8080'",
        "url(self.url).getHostname() == 'example.org' && url(self.url).getEscapedPath() == '/a'",
        "['a', 'b'].isSorted() && ['b', 'a', 'b'].lastIndexOf('b') == 2",
        "isIP('::1') && !isIP('x') && !isURL('x') && !isURL('http://[')",
        "duration(self.span) < duration('1m')",
        "timestamp(self.at) < timestamp('2027-01-01T00:00:00Z')",
        "self.__namespace__ == 'x'",
        "has(self.text) && !has(self.nope)",
        "[has(self.text), has(self.nope)].filter(x, x).size() == 1",
        "sets.contains(self.list, [1, 2])",
    ],
)
def test_knows_the_functions_of_kubernetes(rule: str) -> None:
    value = {
        "text": "hello",
        "list": [1, 2, 3],
        "url": "https://user@example.org:8080/a?b",
        "span": "30s",
        "at": "2026-01-02T03:04:05Z",
        "namespace": "x",
    }
    assert broken(at_root(rule), value) == []
    assert len(broken(at_root(f"!({rule})"), value)) == 1


def test_hostile_patterns_take_no_time() -> None:
    schema = {
        "type": "string",
        "x-kubernetes-validations": rules("!self.find('(a+)+$').contains('b')"),
    }
    assert broken(schema, "a" * 50_000 + "!") == []


def test_what_is_no_expression_is_found_beforehand() -> None:
    schema = at_root("self.(", {"rule": "true", "messageExpression": "'a"})
    found = [each.path for each in rule_problems(schema, "here")]
    assert found == [
        "here.x-kubernetes-validations[0].rule",
        "here.x-kubernetes-validations[1].messageExpression",
    ]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        # The function, and not what looks like it.
        ("'string(1) ' + string(duration('90s'))", "string(1) 90s"),
        ('"string(\'" + string (true)', "string('true"),
        ("'it\\'s __if__ ' + self.__namespace__", "it's __if__ x"),
        ("r'\\d' + string(1e6)", "\\d1e+06"),
        ("'''string(' ''' + string(ip('::0'))", "string(' ::"),
        ("string([duration('-1m')].map(each, string(each)))", ""),
    ],
)
def test_texts_in_a_rule_stay_as_they_are(rule: str, said: str) -> None:
    schema = at_root({"rule": "false", "message": "", "messageExpression": rule})
    ((_, message, _),) = broken(schema, {"namespace": "x"})
    assert message == f"Invalid value: {said or 'failed rule: false'}"


@pytest.mark.parametrize("text", ["1e999999999", "-1e-999999999", "9" * 10_000])
def test_nobody_can_ask_for_numbers_without_end(text: str) -> None:
    assert len(broken(at_root("isQuantity(self.size)"), {"size": text})) <= 1


def test_values_of_one_kind_are_not_of_another() -> None:
    for rule in ("quantity('1').isLessThan(semver('1.0.0'))", "url('/a').family() == 4"):
        ((_, message, _),) = broken(at_root(rule), {})
        assert "no such overload" in message

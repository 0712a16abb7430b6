"""One fault a file: what is said of it stands beside it, and no rule is without such a file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from support.classes import all_classes

from kubekuma.cli.manifest import findings, read_file
from kubekuma.kit.documents import yaml_documents
from kubekuma.kit.http_headers import OF_THE_CLIENT
from kubekuma.kit.structural import problems, with_defaults
from kubekuma.model.field import Rule, rules_of
from kubekuma.model.kinds import KINDS, PROVIDER, kind_named
from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.provider import ProviderSpec, ProviderType
from kubekuma.model.schema import resource
from kubekuma.validate.classes import BY_CLASS
from kubekuma.validate.declared import parts_of, rules_for
from kubekuma.validate.decode import decoded
from kubekuma.validate.load import load, load_monitor
from kubekuma.validate.rule import Rejected

FOLDER = Path(__file__).parents[2] / "golden/invalid"
FILES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_fault_is_told_by_line_path_and_what_must_be(file: Path) -> None:
    manifests, unreadable = read_file(file)
    found = [*unreadable, *(each for manifest in manifests for each in findings(manifest))]
    said = "".join(f"{each}\n".removeprefix(f"{file}:") for each in found)
    assert said == file.with_suffix(".txt").read_text()


def test_every_answer_has_its_question_and_is_about_one_fault() -> None:
    answers = sorted(FOLDER.glob("*.txt"))
    assert [each.stem for each in answers] == [each.stem for each in FILES]
    for answer in answers:
        assert len(answer.read_text().splitlines()) == 1, answer.name


def specs() -> Iterator[Any]:
    """The spec of every negative that fits its schema, decoded."""
    for file in FILES:
        if "no-yaml" in file.name:
            continue
        for document in yaml_documents(file.read_bytes()):
            value = document.value
            kind = (
                kind_named(value["kind"]) if isinstance(value, dict) and "kind" in value else None
            )
            if kind and not any(problems(resource(kind), value)):
                yield decoded(with_defaults(resource(kind), value)["spec"], kind.spec)


def test_every_rule_beyond_the_schema_has_a_negative() -> None:
    broken = {
        (known, index)
        for spec in specs()
        for _, part in parts_of(spec)
        for known in type(part).__mro__
        for index, rule in enumerate(BY_CLASS.get(known, ()))
        if any(True for _ in rule(part))
    }
    wanted = {(known, index) for known, rules in BY_CLASS.items() for index in range(len(rules))}
    assert wanted - broken == set()


def test_every_declared_rule_has_a_negative() -> None:
    broken = {
        rule.message
        for spec in specs()
        for _, part in parts_of(spec)
        for rule in rules_for(part)
        if not rule.holds(part)
    }
    wanted = {
        rule.message
        for cls in all_classes()
        for rule in rules_of(cls)
        if not is_for_one_type(cls, rule)
    }
    assert wanted - broken == set()
    assert len(wanted) > 15


def is_for_one_type(cls: type, rule: Rule) -> bool:
    """Whether it is one of the many that ask for a type's own target or config."""
    ours = rule.field_path == {MonitorSpec: "target", ProviderSpec: "config"}.get(cls)
    return ours and "because type is" in rule.message


@pytest.mark.parametrize("kind", MonitorType)
def test_every_type_asks_for_its_own_target(kind: MonitorType) -> None:
    other = {"http": {"url": "http://example.org/"}}
    if kind.target_field == "http":
        other = {"manual": {}}
    document = {
        "metadata": {"name": "web"},
        "spec": {"type": kind.value, "target": other},
    }
    loaded = load_monitor(document)
    assert isinstance(loaded, Rejected)
    said = [str(error) for error in loaded.errors if error.path == "spec.target"]
    assert said == [f"spec.target: must have {kind.target_field}, because type is {kind}"]


@pytest.mark.parametrize("kind", ProviderType)
def test_every_provider_asks_for_its_own_config(kind: ProviderType) -> None:
    other = ProviderType.WEBHOOK if kind is not ProviderType.WEBHOOK else ProviderType.MSTEAMS
    config = {"url": "https://a.example/"} if other is ProviderType.WEBHOOK else hook()
    spec = {"type": kind.value, "config": {other.value: config}}
    loaded = load(PROVIDER, {"metadata": {"name": "chat"}, "spec": spec})
    assert isinstance(loaded, Rejected)
    said = [str(error) for error in loaded.errors]
    assert said == [f"spec.config: must have {kind}, because type is {kind}"]


def hook() -> dict[str, Any]:
    return {"webhookUrlSecretRef": {"name": "chat", "key": "url"}}


def test_every_header_of_the_client_has_a_negative() -> None:
    assert {f"header-{name}" for name in OF_THE_CLIENT} <= {file.stem for file in FILES}


def test_classes_are_found_through_lists_and_unions() -> None:
    found = all_classes()
    assert all(attrs.has(each) for each in found)
    assert {each.spec for each in KINDS} < found
    assert set(BY_CLASS) <= found | {base for each in found for base in each.__mro__}

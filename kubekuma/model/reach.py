"""How far a resource reaches, and which monitors it selects."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from kubekuma.kit.pattern import Pattern, pattern
from kubekuma.model.match import LabelSelector, Match, NamePattern, Operator, Requirement
from kubekuma.model.monitor import Monitor

Selects: TypeAlias = Callable[[Monitor], bool]


def reaches(owner: str, namespace: str, home: str) -> bool:
    """Whether a resource in the namespace ``owner`` reaches ``namespace``.

    ``home`` is KubeKuma's own namespace, whose resources reach every one.
    """
    return owner in {namespace, home}


def selector(match: Match, owner: str, home: str) -> Selects:
    """Whether ``match``, said by a resource in the namespace ``owner``, selects a monitor."""
    tests = tuple(_tests(match))

    def selects(monitor: Monitor) -> bool:
        if not reaches(owner, monitor.meta.key.namespace, home):
            return False
        # Of thousands of silences and of each monitor it is asked: all() would take twice as long.
        for test in tests:  # noqa: SIM110
            if not test(monitor):
                return False
        return True

    return selects


def has_labels(wanted: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether ``labels`` are as ``wanted`` has it."""
    return all(labels.get(name) == value for name, value in wanted.match_labels.items()) and all(
        _holds(each, labels) for each in wanted.match_expressions
    )


def _tests(match: Match) -> "list[Selects]":
    tests: list[Selects] = []
    if match.namespaces is not None:
        namespaces = frozenset(match.namespaces)
        tests.append(lambda it: it.meta.key.namespace in namespaces)
    if match.types is not None:
        types = frozenset(match.types)
        tests.append(lambda it: it.spec.type in types)
    if match.tags is not None:
        tags = frozenset(match.tags)
        tests.append(lambda it: not tags.isdisjoint(it.spec.tags))
    if match.labels is not None:
        labels = match.labels
        tests.append(lambda it: has_labels(labels, it.meta.labels))
    if match.names is not None:
        tests.append(_names(match.names))
    return tests


def _names(wanted: Sequence[NamePattern]) -> Selects:
    plain = {(each.namespace, each.name) for each in wanted if "*" not in each.name}
    globs = [(each.namespace, _glob(each.name)) for each in wanted if "*" in each.name]

    def named(monitor: Monitor) -> bool:
        key = monitor.meta.key
        return (
            (None, key.name) in plain
            or (key.namespace, key.name) in plain
            or any(
                namespace in {None, key.namespace} and glob.fullmatch(key.name) is not None
                for namespace, glob in globs
            )
        )

    return named


def _glob(name: str) -> Pattern:
    return pattern(".*".join(map(re.escape, name.split("*"))))


def _holds(it: Requirement, labels: Mapping[str, str]) -> bool:
    match it.operator:
        case Operator.EXISTS:
            return it.key in labels
        case Operator.DOES_NOT_EXIST:
            return it.key not in labels
        case Operator.IN:
            return labels.get(it.key) in it.values
        case Operator.NOT_IN:
            # As Kubernetes has it: what is not there is in no list.
            return labels.get(it.key) not in it.values

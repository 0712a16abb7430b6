import pytest
from support.checkers import DATAGRAMS, STREAMS

from kubekuma.check.available import AVAILABLE_TYPES, missing
from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.target import Target


@pytest.mark.parametrize("kind", [*STREAMS, *DATAGRAMS])
def test_nothing_is_missing_for_types_with_a_checker(kind: MonitorType) -> None:
    assert missing(MonitorSpec(type=kind, target=Target())) is None


@pytest.mark.parametrize("kind", [each for each in MonitorType if each not in AVAILABLE_TYPES])
def test_types_without_a_checker_are_named(kind: MonitorType) -> None:
    assert missing(MonitorSpec(type=kind, target=Target())) == f"type {kind}"

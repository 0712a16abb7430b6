from collections.abc import Iterator

import pytest
from support.checkers import DATAGRAMS, STREAMS

from kubekuma.check.available import AVAILABLE_TYPES, _is_installed, missing
from kubekuma.model.monitor import MonitorSpec, MonitorType
from kubekuma.model.target import Target


@pytest.mark.parametrize("kind", [*STREAMS, *DATAGRAMS])
def test_nothing_is_missing_for_types_with_a_checker(kind: MonitorType) -> None:
    assert missing(MonitorSpec(type=kind, target=Target())) is None


def test_types_without_a_checker_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    others = AVAILABLE_TYPES - {MonitorType.TCP}
    monkeypatch.setattr("kubekuma.check.available.AVAILABLE_TYPES", others)
    assert missing(MonitorSpec(type=MonitorType.TCP, target=Target())) == "type tcp"


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("kubekuma.check.available.find_spec", lambda _: None)
    _is_installed.cache_clear()
    yield
    _is_installed.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (MonitorType.MSSQL, 'type mssql without python-tds: pip install "kubekuma[databases]"'),
        (MonitorType.MONGODB, 'type mongodb without pymongo: pip install "kubekuma[databases]"'),
        (MonitorType.POSTGRESQL, None),
        (MonitorType.MYSQL, None),
    ],
)
def test_libraries_that_are_not_installed_are_named(kind: MonitorType, said: str | None) -> None:
    assert missing(MonitorSpec(type=kind, target=Target())) == said

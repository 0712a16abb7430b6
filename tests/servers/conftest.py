"""What the servers of several tests need."""

from contextlib import suppress
from pathlib import Path

import pytest
from support.daemons import open_folders
from support.go_servers import ferretdb, kafka, mysqld

__all__ = ["open_folders"]

_BUILDS = {
    "mysqld_program": mysqld,
    "ferretdb_program": ferretdb,
    "kafka_program": kafka,
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is built before the first test, whose time is limited."""
    if session.config.option.collectonly:
        return
    wanted = {name for each in session.items for name in getattr(each, "fixturenames", ())}
    for name in wanted & _BUILDS.keys():
        # What is missing, the fixture says once more.
        with suppress(pytest.skip.Exception, pytest.fail.Exception):
            _BUILDS[name]()


@pytest.fixture(scope="session")
def mysqld_program() -> Path:
    """Where the server of logins is."""
    return mysqld()


@pytest.fixture(scope="session")
def ferretdb_program() -> Path:
    """Where FerretDB is."""
    return ferretdb()


@pytest.fixture(scope="session")
def kafka_program() -> Path:
    """Where the Kafka brokers are."""
    return kafka()

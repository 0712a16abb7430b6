"""What commands change for their process is as it was afterwards."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logs_go_where_they_went() -> Iterator[None]:
    yield
    structlog.reset_defaults()

"""What routes about history share."""

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from kubekuma.model.meta import Key
from kubekuma.record.database import StoreError
from kubekuma.serve.board import Board, Row
from kubekuma.serve.problem import Problem

T = TypeVar("T")


def known(board: Board, namespace: str, name: str) -> Row:
    """The monitor that a path names. Raises Problem."""
    row = board.row(Key(namespace, name))
    if row is None:
        raise Problem(404, f"there is no monitor {namespace}/{name}")
    return row


async def read(found: Awaitable[T]) -> T:
    """What the database says. Raises Problem."""
    try:
        return await found
    except StoreError as error:
        raise Problem(503, f"the history cannot be read at the moment: {error}") from error


def exact(at: datetime) -> str:
    """An instant with its milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

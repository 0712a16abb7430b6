"""A process that runs until it is told to stop."""

import math
import signal
from collections.abc import Awaitable
from typing import Final, Protocol

import structlog
import trio

from kubekuma.cli.environment import Mistake
from kubekuma.kube.credentials import NoCredentialsError
from kubekuma.record.migrate import SchemaTooNewError
from kubekuma.record.store import StoreInUseError

_log = structlog.get_logger(__name__)

# What a person must put right before a start; anything else is a bug of ours.
MISTAKES: Final = (NoCredentialsError, StoreInUseError, SchemaTooNewError, OSError)
CUT_SHORT: Final = 130
# A terminal and a wrapper may both pass on what was one signal.
SAME_SECONDS: Final = 0.5


class Service(Protocol):
    """What runs: until ``stop``, reporting once that it has begun."""

    def __call__(self, stop: trio.Event) -> Awaitable[None]:
        """Run."""


def run_service(service: Service) -> int:
    """Run ``service`` until SIGTERM or SIGINT; return the exit status.

    The first signal asks it to stop in order, the second cuts it short.
    """
    return trio.run(_until_signal, service)


async def _until_signal(service: Service) -> int:
    stop = trio.Event()
    status = 0
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        try:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    nonlocal status
                    began = -math.inf
                    async for number in signals:
                        if trio.current_time() - began < SAME_SECONDS:
                            continue
                        if stop.is_set():
                            status = CUT_SHORT
                            nursery.cancel_scope.cancel()
                        _log.info("stopping", signal=signal.Signals(number).name)
                        began = trio.current_time()
                        stop.set()

                nursery.start_soon(listen)
                await service(stop)
                nursery.cancel_scope.cancel()
        except* MISTAKES as group:
            raise Mistake(str(_first(group))) from group
    return status


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

"""A process that runs until it is told to stop."""

import math
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias

import structlog
import trio

from kubekuma.cli.environment import Mistake
from kubekuma.kit.watchdog import hard_exit
from kubekuma.kube.credentials import NoCredentialsError
from kubekuma.kube.lease_fence import LeaseLostError
from kubekuma.record.database import SchemaTooNewError

_log = structlog.get_logger(__name__)

# What a person must put right before a start; anything else is a bug of ours.
MISTAKES: Final = (NoCredentialsError, SchemaTooNewError, OSError)
CUT_SHORT: Final = 130
# Others may lead: start anew. What a kubelet, or systemd, does at once.
LEASE_LOST: Final = os.EX_TEMPFAIL
# An end in order takes 30 s at most; a disk that hangs must not keep us until we are killed.
LONGEST_END_SECONDS: Final = 45.0
# A terminal and a wrapper may both pass on what was one signal.
SAME_SECONDS: Final = 0.5


# Told that we lead no longer, and how many seconds are left for the work to end.
Losing: TypeAlias = Callable[[float], None]
# Makes sure that the process ends in so many seconds, with this status.
EndWithin: TypeAlias = Callable[[float, int], None]


class Service(Protocol):
    """What runs: until ``stop``, or until it raises LeaseLostError."""

    def __call__(self, stop: trio.Event, losing: Losing) -> Awaitable[None]:
        """Run."""


def run_service(service: Service) -> int:
    """Run ``service`` until SIGTERM or SIGINT; return the exit status.

    The first signal asks it to stop in order, the second cuts it short.
    """
    with hard_exit() as end_within:
        return trio.run(_until_signal, service, end_within)


async def _until_signal(service: Service, end_within: EndWithin) -> int:
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
                        if not stop.is_set():
                            end_within(LONGEST_END_SECONDS, CUT_SHORT)
                        stop.set()

                nursery.start_soon(listen)
                await service(stop, lambda seconds: end_within(seconds, LEASE_LOST))
                nursery.cancel_scope.cancel()
        except* LeaseLostError:
            status = LEASE_LOST
        except* MISTAKES as group:
            raise Mistake(str(_first(group))) from group
    return status


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error

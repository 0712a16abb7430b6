"""What checks run under at the moment: the settings, and how many may run at once."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import attrs
import trio

from kubekuma.check.context import Check, CheckContext
from kubekuma.check.inside import Inside
from kubekuma.check.registries import Registries
from kubekuma.check.run import run_check
from kubekuma.check.service import limit_at_once
from kubekuma.check.sight import Heard
from kubekuma.check.threads import Threads
from kubekuma.check.tls_context import SslContexts
from kubekuma.check.tokens import Tokens
from kubekuma.check.trace import Trace
from kubekuma.check.witness import ask_witness
from kubekuma.model.meta import Key, ObjectMeta, SecretKeyRef
from kubekuma.model.monitor import Monitor, Schedule
from kubekuma.model.result import CheckResult
from kubekuma.model.settings import SettingsSpec

RESOLVER_THREADS: Final = 20
# Of their own, as those of checks are all busy when no resolver answers.
WITNESS_THREADS: Final = 40
# Checks that nobody has asked for: of our own network.
_OURSELVES: Final = ObjectMeta(key=Key("", "kubekuma"))


class Checking:
    """The settings in force, and what follows from them for checks that begin from now on."""

    def __init__(
        self,
        secret: Callable[[str, SecretKeyRef], Awaitable[bytes | None]],
        *,
        inside: Inside,
        descriptors: int,
        now: Callable[[], datetime],
    ) -> None:
        self.settings = SettingsSpec()
        self.limiter = trio.CapacityLimiter(1)
        self.threads = Threads()
        self._secret = secret
        self._inside = inside
        self._now = now
        self._descriptors = descriptors
        self._dns_limiter = trio.CapacityLimiter(RESOLVER_THREADS)
        self._witness_limiter = trio.CapacityLimiter(WITNESS_THREADS)
        self._contexts = SslContexts()
        self._tokens = Tokens()
        self._registries = Registries()
        self._privileged = trio.CapacityLimiter(1)
        self._shares: dict[Key, float] = {}  # timeout/interval: the places that each may need
        self._demand = 0.0
        self._context = self._made()
        self._limit()

    def configure(self, settings: SettingsSpec) -> bool:
        """Put ``settings`` in force; say whether they are others than before."""
        if settings == self.settings:
            return False
        self.settings = settings
        self._context = self._made()
        self._limit()
        return True

    def expect(self, key: Key, monitor: Monitor | None) -> None:
        """Reckon with the checks of ``monitor``; with None, no longer with those of ``key``."""
        share = 0.0
        if monitor is not None:
            schedule = monitor.spec.schedule
            share = self.timeout_of(schedule) / schedule.interval_seconds
        before = self._shares.pop(key, 0.0)
        if share:
            self._shares[key] = share
        self._demand += share - before
        self._limit()

    def timeout_of(self, schedule: Schedule) -> float:
        """The seconds that a check may take."""
        return schedule.timeout_within(self.settings.scheduler.default_timeout_seconds)

    async def check(self, monitor: Monitor) -> CheckResult:
        """Check ``monitor`` once, under the settings in force."""
        return await run_check(monitor, self._context)

    async def ask_witness(self, address: str) -> Heard:
        """Whether ``address``, a ``host:port``, is there, under the settings in force."""
        context = attrs.evolve(self._context, dns_limiter=self._witness_limiter)
        return await ask_witness(address, Check(meta=_OURSELVES, context=context, trace=Trace()))

    def _made(self) -> CheckContext:
        return CheckContext(
            networking=self.settings.networking,
            default_timeout_seconds=self.settings.scheduler.default_timeout_seconds,
            secret=self._secret,
            dns_limiter=self._dns_limiter,
            contexts=self._contexts,
            now=self._now,
            tokens=self._tokens,
            registries=self._registries,
            privileged=self._privileged,
            inside=self._inside,
            threads=self.threads,
        )

    def _limit(self) -> None:
        wanted = self.settings.scheduler.max_concurrent_net_checks
        self._privileged.total_tokens = self.settings.scheduler.max_concurrent_priv_checks
        self.limiter.total_tokens = limit_at_once(wanted, self._demand, self._descriptors)

"""What a check needs besides its monitor."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeVar

import attrs
import trio

from kubekuma.check.finding import CheckFailed, Finding
from kubekuma.check.inside import Inside
from kubekuma.check.misfits import Misfits
from kubekuma.check.policy import Policy, parse_policy
from kubekuma.check.redact import clean, forms, quote, redact
from kubekuma.check.registries import Registries
from kubekuma.check.threads import Threads
from kubekuma.check.tls_context import SslContexts
from kubekuma.check.tokens import Tokens
from kubekuma.check.trace import Trace
from kubekuma.model.meta import ObjectMeta, SecretKeyRef
from kubekuma.model.result import Reason
from kubekuma.model.settings import Networking

SHOWN_CHARACTERS: Final = 120
# What Python parses and searches in a millisecond or two.
FEW_BYTES: Final = 32 * 1024
# They share one interpreter: two would do no more, and keep the loop waiting for longer.
JUDGES_AT_ONCE: Final = 1

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class CheckContext:
    """What all checks share; made anew when the settings change."""

    networking: Networking
    default_timeout_seconds: int
    # The value of a key in a namespace; None: there is no such Secret, or no such key in it.
    secret: Callable[[str, SecretKeyRef], Awaitable[bytes | None]]
    # Threads of the system's resolver, apart from trio's default ones: it may hang for long.
    dns_limiter: trio.CapacityLimiter
    contexts: SslContexts
    now: Callable[[], datetime]  # in UTC, for what certificates and clocks say
    misfits: Misfits = attrs.field(factory=Misfits)
    # A thread that judges large bodies, so that the loop goes on meanwhile.
    judge_limiter: trio.CapacityLimiter = attrs.field(
        factory=lambda: trio.CapacityLimiter(JUDGES_AT_ONCE)
    )
    tokens: Tokens = attrs.field(factory=Tokens)
    registries: Registries = attrs.field(factory=Registries)
    # Raw sockets, which hear what others are told.
    privileged: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(20))
    inside: Inside = attrs.field(factory=Inside)
    threads: Threads = attrs.field(factory=Threads)
    policy: Policy = attrs.field(init=False)

    @policy.default
    def _parsed_policy(self) -> Policy:
        return parse_policy(self.networking.targets)


@attrs.frozen(kw_only=True)
class Check:
    """One check under way."""

    meta: ObjectMeta  # of the monitor
    context: CheckContext
    trace: Trace

    def aside(self) -> "Check":
        """Make a check for one of several tasks: with the same secrets, and a trace of its own."""
        trace = Trace()
        trace.secrets = self.trace.secrets
        return attrs.evolve(self, trace=trace)

    @contextmanager
    def preparing(self, reason: Reason, late: str) -> Iterator["Check"]:
        """Do with the check that this yields what the target is not measured by.

        ``reason`` and ``late`` are what to say if the deadline strikes meanwhile.
        """
        self.trace.finish()
        self.trace.at_deadline = Finding(reason, late)
        yield self.aside()
        self.trace.at_deadline = None

    async def secret(self, ref: SecretKeyRef) -> bytes:
        """Fetch a secret; from now on nothing that this check says contains it."""
        value = await self.value(ref)
        self.trace.secrets.extend(forms(value.decode("utf-8", "replace").strip()))
        return value

    async def value(self, ref: SecretKeyRef) -> bytes:
        """Fetch what a Secret keeps although everybody may see it, such as a CA's certificate."""
        late = f"Secret {ref.name} could not be read in time"
        self.trace.at_deadline = Finding(Reason.SECRET_MISSING, late)
        value = await self.context.secret(self.meta.key.namespace, ref)
        self.trace.at_deadline = None
        if value is None:
            raise CheckFailed(
                Reason.SECRET_MISSING, f"there is no Secret {ref.name} with a key {ref.key}"
            )
        return value

    def show(self, value: object) -> str:
        """``value`` in the form in which messages may quote it."""
        return quote(value, self.trace.secrets, SHOWN_CHARACTERS)

    async def work(self, size: int, judge: Callable[[], T]) -> T:
        """Run ``judge`` over ``size`` bytes: here if they are few, else in a thread."""
        if size <= FEW_BYTES:
            return judge()
        late = "our own judgement of the answer took too long"
        self.trace.at_deadline = Finding(Reason.INTERNAL_ERROR, late)
        return await trio.to_thread.run_sync(
            judge, abandon_on_cancel=True, limiter=self.context.judge_limiter
        )

    def publish(self, text: str, limit: int) -> str:
        """Take the secrets out of a whole message or line, and make it fit."""
        return clean(redact(text, self.trace.secrets), limit)

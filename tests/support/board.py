"""What the server shows, without the program that finds it out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
from build import WEB, at, checked, document, monitor

from kubekuma.model.meta import Key
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import Certificate, Reason, Timings
from kubekuma.model.state import MonitorState
from kubekuma.record.ledger import Ledger, Recorded
from kubekuma.record.store import Store
from kubekuma.record.uptime import Uptime
from kubekuma.record.writer import StoreHealth, Writer
from kubekuma.serve.alerts import alert_routes
from kubekuma.serve.board import Board
from kubekuma.serve.health import health_routes
from kubekuma.serve.metrics import Instruments, metrics_routes
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import WebApp, build_app
from kubekuma.validate.load import load_monitor
from kubekuma.watch.cache import Cache

NOW = at(3600)
TIMINGS = Timings(dns=0.001, connect=0.002, tls=0.03, first_byte=0.1, transfer=0.0005)


@attrs.define
class World:
    """Monitors as the cluster has them, and what was found of them."""

    monitors: Cache[Monitor] = attrs.field(
        factory=lambda: Cache(load_monitor, lambda _: None, lambda _, __: None)
    )
    ledger: Ledger = attrs.field(factory=lambda: Ledger({}, {}))
    recorded: list[Recorded] = attrs.field(factory=list)
    uptimes: Mapping[str, Mapping[Key, Uptime]] = attrs.field(factory=dict)
    not_ready: dict[str, str] = attrs.field(factory=dict)

    def add(self, name: str = "web", namespace: str = "shop", /, **more: Any) -> None:
        """Have a monitor in the cluster."""
        self.monitors.put(document(name, namespace, **more))

    def find(self, seconds: float, reason: Reason, key: Key = WEB, **more: Any) -> None:
        """Have a check end."""
        found = checked(seconds, reason, key=key, **more)
        watched = monitor(key.name, key.namespace)
        self.recorded.append(self.ledger.checked(found, watched, 10.0))

    async def write(self, store: Store) -> None:
        """Have everything that was found in the history."""
        writer = Writer(store, lambda _: None, StoreHealth())
        for each in self.recorded:
            writer.add(each)
        await writer.flush()

    @property
    def states(self) -> Mapping[Key, MonitorState]:
        """How each monitor is."""
        return self.ledger.states

    @property
    def board(self) -> Board:
        """What the server is given."""
        return Board(monitors=self.monitors, states=self.states, uptimes=self.uptimes)

    def app(self, store: Store, now: datetime = NOW) -> WebApp:
        """The server's application."""
        instruments = Instruments(lambda: iter(()))
        return build_app(
            (
                health_routes(lambda: self.not_ready),
                metrics_routes(self.board, instruments),
                monitor_routes(self.board, store, lambda: now),
                alert_routes(self.board, store, lambda: now),
            )
        )


def certificate(*, valid: bool = True) -> Certificate:
    """A certificate that ends in a month."""
    return Certificate(
        subject="CN=web",
        issuer="CN=ca",
        names=("web",),
        not_before=at(0),
        expires_at=at(30 * 86_400),
        fingerprint="00" * 32,
        valid=valid,
    )

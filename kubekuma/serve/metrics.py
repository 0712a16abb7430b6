"""/metrics: per-monitor series by a renderer of our own, the rest by prometheus-client.

For ten thousand monitors prometheus-client takes about a second, in which
nothing else happens; this takes a tenth of that, in portions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import attrs
import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from quart import Blueprint, Response

from kubekuma import __version__
from kubekuma.model.monitor import Monitor
from kubekuma.model.result import CheckResult
from kubekuma.model.state import SHOWN, Verdict
from kubekuma.record.uptime import WINDOWS
from kubekuma.serve.board import Board, Row

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Between two portions the loop gets its turn.
PORTION: Final = 250
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PHASES: Final = ("dns", "connect", "tls", "first_byte", "transfer")

_UP: Final = {Verdict.UP: 1, Verdict.DEGRADED: 1, Verdict.DOWN: 0}
_HELP: Final = {
    "monitor_up": "1 up or degraded, 0 down; absent while unknown or paused.",
    "monitor_state": "1 for the state that the monitor is in.",
    "monitor_info": "What the monitor is.",
    "monitor_latency_seconds": "How long the last check took.",
    "monitor_cert_expiry_timestamp_seconds": "When the certificate that was seen last expires.",
    "monitor_uptime_ratio": "Share of the time watched in which the target was up or degraded.",
}


@attrs.frozen(kw_only=True)
class Figure:
    """One figure of the program's own, at the moment of asking."""

    name: str
    doc: str
    value: float
    labels: Mapping[str, str] = attrs.field(factory=dict)
    counts: bool = False  # only ever grows


class Instruments:
    """What the program counts. One for each run: there is no global registry."""

    def __init__(self, figures: Callable[[], Iterator[Figure]]) -> None:
        # Doubles every series to say when it began, which is known from the process.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._figures = figures
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(self)
        self._checks = Counter(
            "kubekuma_checks",
            "Checks that have ended, by what they found.",
            ("type", "result", "reason"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "kubekuma_check_duration_seconds",
            "How long checks take, as a whole and by phase.",
            ("type", "phase"),
            buckets=BUCKETS,
            registry=self._registry,
        )

        self._lag = Histogram(
            "kubekuma_schedule_lag_seconds",
            "How long after their time checks were begun.",
            buckets=BUCKETS,
            registry=self._registry,
        )

    def lagged(self, seconds: float) -> None:
        """Note how late checks were begun that were due together."""
        self._lag.observe(seconds)

    def checked(self, monitor: Monitor, result: CheckResult) -> None:
        """Count a check that has ended."""
        kind = monitor.spec.type.value
        self._checks.labels(kind, result.outcome.value, result.reason.value).inc()
        self._seconds.labels(kind, "total").observe(result.latency_seconds)
        for phase in PHASES:
            seconds = getattr(result.timings, phase)
            if seconds is not None:
                self._seconds.labels(kind, phase).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Read every figure (prometheus-client's protocol)."""
        families: dict[str, Metric] = {}
        for figure in self._figures():
            family = families.get(figure.name)
            if family is None:
                make = CounterMetricFamily if figure.counts else GaugeMetricFamily
                names = tuple(figure.labels)
                family = make(f"kubekuma_{figure.name}", figure.doc, labels=names)
                families[figure.name] = family
            family.add_metric(tuple(figure.labels.values()), figure.value)  # type: ignore[attr-defined]
        yield from families.values()

    def render(self) -> bytes:
        """The text of everything but the monitors."""
        return generate_latest(self._registry)


def _always() -> bool:
    return True


def metrics_routes(
    board: Board, instruments: Instruments, speaks: Callable[[], bool] = _always
) -> Blueprint:
    """Build the routes. Of the monitors only one process ``speaks``: whoever checks them."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    async def metrics() -> Response:
        text = instruments.render()
        if speaks():
            text += await monitor_text(board)
        return Response(text, content_type=CONTENT_TYPE)

    return routes


async def monitor_text(board: Board) -> bytes:
    """The text of every monitor's series.

    All samples of one series stand together, as the format asks: so they are
    collected by series while the monitors are walked once.
    """
    texts: dict[str, list[str]] = {
        name: [f"# HELP kubekuma_{name} {doc}\n# TYPE kubekuma_{name} gauge\n"]
        for name, doc in _HELP.items()
    }
    for number, row in enumerate(board.rows(), 1):
        if row.valid is not None:
            _add(texts, row, row.valid, board)
        if number % PORTION == 0:
            await trio.lowlevel.checkpoint()
    joined = []
    for lines in texts.values():
        # Of a name that is half a character, the other half is missing in the manifest already.
        joined.append("".join(lines).encode("utf-8", "replace"))
        await trio.lowlevel.checkpoint()
    return b"".join(joined)


def _add(texts: Mapping[str, list[str]], row: Row, monitor: Monitor, board: Board) -> None:
    who = f'namespace="{row.key.namespace}",name="{row.key.name}"'
    standing, last, spec = row.state.standing, row.state.last, monitor.spec
    shown = row.shown
    up = _UP.get(standing.verdict)
    if up is not None and not standing.paused:
        texts["monitor_up"].append(f"kubekuma_monitor_up{{{who}}} {up}\n")
    texts["monitor_state"].append(
        "".join(
            [
                f'kubekuma_monitor_state{{{who},state="{state}"}} {1 if state == shown else 0}\n'
                for state in SHOWN
            ]
        )
    )
    name = escaped(spec.display_name or row.key.name)
    texts["monitor_info"].append(
        f'kubekuma_monitor_info{{{who},display_name="{name}",type="{spec.type.value}"}} 1\n'
    )
    if last is not None:
        texts["monitor_latency_seconds"].append(
            f"kubekuma_monitor_latency_seconds{{{who}}} {last.latency_seconds:.6f}\n"
        )
    if standing.certificate_expires_at is not None:
        expires_at = int(standing.certificate_expires_at.timestamp())
        texts["monitor_cert_expiry_timestamp_seconds"].append(
            f"kubekuma_monitor_cert_expiry_timestamp_seconds{{{who}}} {expires_at}\n"
        )
    for window in WINDOWS:
        uptime = board.uptimes.get(window, {}).get(row.key)
        if uptime is not None and uptime.ratio is not None:
            texts["monitor_uptime_ratio"].append(
                f'kubekuma_monitor_uptime_ratio{{{who},window="{window}"}} {uptime.ratio:.8f}\n'
            )


def escaped(text: str) -> str:
    """A label's value, in the text format's quotes."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def build_info() -> Figure:
    """Which version this is."""
    return Figure(
        name="build_info",
        doc="Version of the program.",
        value=1.0,
        labels={"version": __version__},
    )


def gauges(**figures: tuple[str, float]) -> Iterator[Figure]:
    """Figures that go up and down: name, what it says, value."""
    for name, (doc, value) in figures.items():
        yield Figure(name=name, doc=doc, value=value)


def counts(**figures: tuple[str, float]) -> Iterator[Figure]:
    """Figures that only ever grow."""
    for name, (doc, value) in figures.items():
        yield Figure(name=name, doc=doc, value=value, counts=True)

"""/metrics: every series of a few monitors, as a golden file; escaping; turns for others."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from build import at, checked, monitor
from prometheus_client.parser import text_string_to_metric_families

from kubekuma.model.meta import Key
from kubekuma.model.result import Certificate, Reason
from kubekuma.model.state import MonitorState
from kubekuma.record.judge import judge, pause
from kubekuma.record.uptime import Uptime
from kubekuma.serve.board import Board
from kubekuma.serve.metrics import PORTION, Figure, Instruments, monitor_text
from kubekuma.validate.seen import Seen

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics.txt"
CERTIFICATE = Certificate(
    subject="CN=web",
    issuer="CN=authority",
    names=("web",),
    not_before=at(0),
    expires_at=at(0) + timedelta(days=30),
    fingerprint="00",
    valid=True,
)


def board(**reasons: Reason) -> Board:
    objects, states = {}, {}
    for name, reason in reasons.items():
        each = monitor(name, displayName='Door "1"\\')
        key = each.meta.key
        objects[key] = Seen(latest=each, valid=each)
        check = checked(0, reason, key=key, latency_seconds=0.25, certificate=CERTIFICATE)
        states[key] = judge(MonitorState(), check, each.spec, timeout_seconds=10).state
    return Board(monitors=objects, states=states)


async def test_every_series_of_every_state() -> None:
    shown = board(up=Reason.PASSED, slow=Reason.SLOW, down=Reason.TIMEOUT, paused=Reason.PASSED)
    key = Key("shop", "paused")
    shown.states = {**shown.states, key: pause(key, shown.states[key], at(9)).state}
    shown.uptimes = {"24h": {Key("shop", "down"): Uptime(good_ms=3, down_ms=1)}}
    text = (await monitor_text(shown)).decode()
    assert text == GOLDEN.read_text()


async def test_prometheus_reads_what_we_write_as_we_mean_it() -> None:
    text = (await monitor_text(board(web=Reason.PASSED))).decode()
    (info,) = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "kubekuma_monitor_info"
    ]
    assert info.labels["display_name"] == 'Door "1"\\'


async def test_an_unknown_or_paused_monitor_is_neither_up_nor_down() -> None:
    text = (await monitor_text(board(web=Reason.NO_ROUTE))).decode()
    assert "kubekuma_monitor_up{" not in text
    assert 'state="pending"} 1' in text


class Turns(trio.abc.Instrument):
    def __init__(self) -> None:
        self.taken = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002
        self.taken += 1


async def test_others_get_their_turn_after_each_portion() -> None:
    many = board(**{f"m{number}": Reason.PASSED for number in range(4 * PORTION)})
    turns = Turns()
    trio.lowlevel.add_instrument(turns)
    await monitor_text(many)
    trio.lowlevel.remove_instrument(turns)
    assert turns.taken >= 4


def samples(instruments: Instruments) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(instruments.render().decode())
        for sample in family.samples
    }


def test_checks_are_counted_by_what_they_found() -> None:
    instruments = Instruments(lambda: iter(()))
    result = checked(0, Reason.TIMEOUT, latency_seconds=0.3).result
    for _ in range(2):
        instruments.checked(monitor(), result)
    found = samples(instruments)
    labels = (("reason", "Timeout"), ("result", "failed"), ("type", "http"))
    assert found["kubekuma_checks_total", labels] == 2
    total = (("phase", "total"), ("type", "http"))
    assert found["kubekuma_check_duration_seconds_sum", total] == pytest.approx(0.6)


def test_figures_of_one_name_stand_together_with_their_labels() -> None:
    def figures() -> Any:
        for kind in ("A", "B"):
            yield Figure(name="lists", doc="Lists.", value=1.0, labels={"kind": kind}, counts=True)

    found = samples(Instruments(figures))
    assert found["kubekuma_lists_total", (("kind", "A"),)] == 1.0
    assert found["kubekuma_lists_total", (("kind", "B"),)] == 1.0

"""How many checks may run at once follows from who is watched, in whatever order they came."""

from typing import Any

import attrs
import pytest
import trio
from build import at, monitor
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.check.inside import Inside
from kubekuma.check.live import Checking
from kubekuma.check.service import limit_at_once
from kubekuma.model.meta import Key, SecretKeyRef
from kubekuma.model.monitor import Monitor
from kubekuma.model.settings import Scheduler, SettingsSpec

DESCRIPTORS = 100_000

steps = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.none() | st.tuples(st.integers(20, 90), st.integers(1, 19))
    ),
    max_size=8,
)


async def no_secret(_: str, __: SecretKeyRef) -> bytes | None:
    await trio.lowlevel.checkpoint()
    return None


def watched(name: str, interval: int, timeout: int | None) -> Monitor:
    schedule: dict[str, Any] = {"intervalSeconds": interval}
    if timeout is not None:
        schedule["timeoutSeconds"] = timeout
    return monitor(name, schedule=schedule)


def settings(**scheduler: Any) -> SettingsSpec:
    return SettingsSpec(scheduler=Scheduler(**scheduler))


@given(steps)
def test_demand_is_that_of_the_monitors_that_are_left(
    steps: list[tuple[str, tuple[int, int] | None]],
) -> None:
    async def main() -> None:
        await trio.lowlevel.checkpoint()
        checking = Checking(no_secret, inside=Inside(), descriptors=DESCRIPTORS, now=lambda: at(0))
        left: dict[str, float] = {}
        for name, figures in steps:
            each = None if figures is None else watched("m", *figures)
            # So many of each that the least does not hide it.
            for number in range(500):
                checking.expect(Key("shop", f"{name}{number}"), each)
            left[name] = 500 * figures[1] / figures[0] if figures else 0.0
        expected = limit_at_once(None, sum(left.values()), DESCRIPTORS)
        assert checking.limiter.total_tokens == pytest.approx(expected, abs=1)

    trio.run(main)


async def test_another_limit_in_the_settings_holds_at_once() -> None:
    checking = Checking(no_secret, inside=Inside(), descriptors=DESCRIPTORS, now=lambda: at(0))
    assert checking.limiter.total_tokens == 200
    assert checking.configure(settings(max_concurrent_net_checks=7))
    assert checking.limiter.total_tokens == 7
    assert not checking.configure(settings(max_concurrent_net_checks=7))
    assert checking.configure(SettingsSpec())
    assert checking.limiter.total_tokens == 200


async def test_the_default_timeout_is_the_settings_and_fits_the_interval() -> None:
    checking = Checking(no_secret, inside=Inside(), descriptors=DESCRIPTORS, now=lambda: at(0))
    checking.configure(settings(default_timeout_seconds=30))
    assert checking.timeout_of(watched("a", 60, None).spec.schedule) == 30
    assert checking.timeout_of(watched("a", 20, None).spec.schedule) == 18
    assert checking.timeout_of(watched("a", 60, 5).spec.schedule) == 5


async def test_checks_that_begin_after_a_change_run_under_the_new_settings() -> None:
    checking = Checking(no_secret, inside=Inside(), descriptors=DESCRIPTORS, now=lambda: at(0))
    denied = await checking.check(monitor(target={"http": {"url": "http://127.0.0.1:1/"}}))
    allow = attrs.evolve(
        SettingsSpec().networking,
        targets=attrs.evolve(SettingsSpec().networking.targets, allow_cidrs=("127.0.0.0/8",)),
    )
    checking.configure(attrs.evolve(SettingsSpec(), networking=allow))
    allowed = await checking.check(monitor(target={"http": {"url": "http://127.0.0.1:1/"}}))
    assert (denied.reason, allowed.reason) == ("AddressDenied", "ConnectionRefused")

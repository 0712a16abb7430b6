import pytest
import trio
import trio.testing

from kubekuma.check.finding import Finding
from kubekuma.check.trace import MAX_CHARACTERS, MAX_LINE, MAX_LINES, Phase, Trace
from kubekuma.model.result import Reason, Timings


async def test_phases_are_summed_and_add_up(autojump_clock: trio.testing.MockClock) -> None:
    trace = Trace()
    await trio.sleep(7)  # our own preparations
    for phase, seconds in (
        (Phase.DNS, 1),
        (Phase.CONNECT, 2),
        (Phase.DNS, 4),
        (Phase.TRANSFER, 8),
    ):
        trace.enter(phase, "x")
        await trio.sleep(seconds)
    trace.finish()
    await trio.sleep(16)  # our own work
    trace.finish()
    assert trace.timings == Timings(dns=5, connect=2, transfer=8)
    assert trace.latency == 15
    assert autojump_clock.current_time() == 38


async def test_a_deadline_tells_what_was_being_done() -> None:
    trace = Trace()
    trace.enter(Phase.DNS, "resolving web")
    assert trace.timed_out(2.5) == Finding(
        Reason.TIMEOUT, "timed out after 2.5 s while resolving web"
    )
    trace.at_deadline = Finding(Reason.BANNER_MISMATCH, "wrong")
    assert trace.timed_out(2.5) == Finding(Reason.BANNER_MISMATCH, "wrong")


@pytest.mark.parametrize(("transcript", "kept"), [(True, MAX_LINES), (False, 0)])
async def test_a_transcript_is_kept_only_if_wanted_and_is_bounded(
    transcript: bool, kept: int
) -> None:
    trace = Trace(transcript=transcript)
    for number in range(100):
        trace.say("line %d", number)
    assert trace.wanted is transcript
    assert len(trace.lines) == kept


async def test_lines_of_a_part_make_room_for_those_of_later_parts() -> None:
    whole = Trace(transcript=True)
    for number in range(40):
        part = Trace(transcript=True)
        part.say("part %d", number)
        part.say("x" * (MAX_LINE + 1))
        part.say("y")
        whole.add(part, only_time=False)
    assert whole.lines[-2:] == ("x" * (MAX_LINE + 1), "y")
    assert sum(min(len(line), MAX_LINE) for line in whole.lines) <= MAX_CHARACTERS
    assert "part 39" in whole.lines
    assert "part 0" not in whole.lines


async def test_of_a_part_only_the_time_may_count(autojump_clock: trio.testing.MockClock) -> None:
    whole = Trace()
    for seconds, code in ((1, 500), (2, 204)):
        part = Trace()
        part.status_code, part.peer = code, f"peer {code}"
        part.enter(Phase.DNS, "resolving web")
        await trio.sleep(seconds)
        whole.add(part, only_time=code == 204)
    assert (whole.latency, whole.status_code, whole.peer) == (3, 500, "peer 500")
    assert autojump_clock.current_time() == 3

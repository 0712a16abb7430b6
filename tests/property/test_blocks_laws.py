"""What is sealed is what comes out, and damage is always seen."""

import zlib
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekuma.kit.varint import Numbers, folded, unfolded, write_numbers, write_text
from kubekuma.record import blocks
from kubekuma.record.blocks import HOUR_MS, Beat, BlockError, hour_of, seal, unseal

HOUR = 490_000 * HOUR_MS

whole_ms = st.integers(0, 600_000).map(lambda length: length * 1000)
phases = st.none() | whole_ms
words = st.sampled_from(["Passed", "Timeout", "TlsExpired"]) | st.text(max_size=20)
beats = st.lists(
    st.builds(
        Beat,
        at=st.integers(HOUR, HOUR + HOUR_MS - 1),
        outcome=st.sampled_from(["passed", "degraded", "failed", "unknown"]),
        reason=words,
        message=st.text(max_size=60),
        latency=st.integers(0, 2**40),
        dns=phases,
        connect=phases,
        tls=phases,
        first_byte=phases,
        transfer=phases,
        status_code=st.none() | st.integers(-(2**31), 2**31),
        attempt=st.integers(0, 2**31),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda beat: beat.at,
).map(lambda found: sorted(found, key=lambda beat: beat.at))
naturals = st.integers(0, 2**64)


@given(beats)
def test_what_is_sealed_comes_out_as_it_was(given_beats: list[Beat]) -> None:
    sealed = seal(HOUR, given_beats)
    assert unseal(HOUR, sealed.beats, sealed.details) == given_beats


@given(beats)
def test_without_details_there_are_neither_phases_nor_messages(given_beats: list[Beat]) -> None:
    expected = [
        beat._replace(message="", dns=None, connect=None, tls=None, first_byte=None, transfer=None)
        for beat in given_beats
    ]
    assert unseal(HOUR, seal(HOUR, given_beats).beats) == expected
    assert not seal(HOUR, expected).details


@given(beats, st.integers(0, 999))
def test_phases_are_rounded_to_the_millisecond(given_beats: list[Beat], more: int) -> None:
    fine = [
        beat._replace(dns=None if beat.dns is None else beat.dns + more) for beat in given_beats
    ]
    sealed = seal(HOUR, fine)
    for one, found in zip(fine, unseal(HOUR, *sealed), strict=True):
        assert (one.dns is None) == (found.dns is None)
        assert abs((one.dns or 0) - (found.dns or 0)) <= 500


@given(beats, st.data())
def test_damage_is_always_seen_and_called_by_its_name(
    given_beats: list[Beat], data: st.DataObject
) -> None:
    sealed = seal(HOUR, given_beats)
    which = data.draw(st.sampled_from([0, 1] if sealed.details else [0]))
    whole = [bytearray(block) for block in sealed]
    place = data.draw(st.integers(0, len(whole[which]) - 1))
    if data.draw(st.booleans()):
        whole[which][place] ^= data.draw(st.integers(1, 255))
    else:
        # An empty second block says that there are no details.
        del whole[which][max(place, which) :]
    with pytest.raises(BlockError, match="block of heartbeats is damaged"):
        unseal(HOUR, *map(bytes, whole))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_whatever_has_a_right_checksum_is_read_or_refused(content: bytes, other: bytes) -> None:
    def closed(columns: bytes) -> bytes:
        return blocks._closed(bytearray(columns))  # noqa: SLF001 - as only a forger would

    with pytest.raises(BlockError):
        unseal(HOUR, content)
    for details in (None, other):
        try:
            unseal(HOUR, closed(content), details and closed(details))
        except BlockError:
            continue


def test_a_stream_that_does_not_end_is_refused() -> None:
    bomb = blocks._closed(bytearray(blocks.MOST_BYTES + 1))  # noqa: SLF001 - the same
    with pytest.raises(BlockError, match="never"):
        unseal(HOUR, bomb)


def test_a_newer_version_is_refused_as_such() -> None:
    beat = Beat(HOUR, "passed", "Passed", "", 5, None, None, None, None, None, 200, 1)
    newer = bytes((blocks.VERSION + 1,)) + seal(HOUR, [beat]).beats[1:]
    with pytest.raises(BlockError, match="newer"):
        unseal(HOUR, newer)


def test_what_is_stored_already_can_be_read_for_ever() -> None:
    # The words that blocks leave out, and the form, are the version's: another form is another one.
    assert sha256(blocks._WORDS).hexdigest()[:16] == "d2dab5b4939d5629"  # noqa: SLF001 - the same
    stored = bytes.fromhex("01e5499b4c6362421598c88ca69e8181919191ebc84af61f7b39181800")
    beat = Beat(HOUR + 5, "passed", "Passed", "", 69_500, None, None, None, None, None, 200, 1)
    later = beat._replace(at=HOUR + 60_007, outcome="failed", reason="Timeout", status_code=None)
    assert unseal(HOUR, stored) == [beat, later]


@given(st.lists(naturals), st.text())
def test_numbers_and_texts_come_back(numbers: list[int], text: str) -> None:
    out = bytearray()
    write_numbers(out, numbers)
    write_text(out, text)
    reader = Numbers(bytes(out))
    assert reader.many(len(numbers)) == numbers
    assert reader.text() == text
    assert reader.left == 0


@given(st.integers())
def test_folding_keeps_what_it_folds(number: int) -> None:
    assert unfolded(folded(number)) == number
    assert 0 <= folded(number) <= 2 * abs(number)


@given(st.integers(-(2**50), 2**50))
def test_an_hour_begins_before_what_is_in_it(at: int) -> None:
    assert hour_of(at) <= at < hour_of(at) + HOUR_MS
    assert hour_of(hour_of(at)) == hour_of(at)


def test_a_checksum_alone_proves_nothing() -> None:
    stream = b"\xff" * 10
    block = bytes((blocks.VERSION,)) + zlib.crc32(stream).to_bytes(4, "big") + stream
    with pytest.raises(BlockError, match="damaged"):
        unseal(HOUR, block)

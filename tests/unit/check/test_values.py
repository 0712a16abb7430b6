import pytest
from fakes.targets import check_context

from kubekuma.check.context import Check
from kubekuma.check.finding import CheckFailed
from kubekuma.check.trace import Trace
from kubekuma.check.values import Values
from kubekuma.model.meta import Key, ObjectMeta
from kubekuma.model.target import Body, Header, StepRequest


async def values_of(**known: str) -> Values:
    check = Check(meta=ObjectMeta(key=Key("ns", "m")), context=check_context(), trace=Trace())
    values = Values()
    for name, value in known.items():
        values.keep(name, value, check)
    return values


async def test_a_value_stays_within_its_part_of_the_url() -> None:
    values = await values_of(id="../x?a=1&b#c\r\n d", host="evil.example")
    url = values.url("http://example.org/{{ id }}?q={{ id }}")
    escaped = "..%2Fx%3Fa%3D1%26b%23c%0D%0A%20d"
    assert (url.host, url.target) == ("example.org", f"/{escaped}?q={escaped}")


async def test_texts_are_filled_in_at_every_depth_of_a_document() -> None:
    values = await values_of(a='"1"')
    document = {"{{ a }}": ["{{ a }}", 2, None, {"b": "<{{ a }}>"}]}
    filled = values.body(Body(json=document))
    assert filled == Body(json={"{{ a }}": ['"1"', 2, None, {"b": '<"1">'}]})


async def test_a_form_is_filled_in_before_it_is_encoded() -> None:
    values = await values_of(a="1&b=2")
    assert values.body(Body(form={"x": "{{a}}"})) == Body(form={"x": "1&b=2"})


async def test_a_header_takes_no_control_characters() -> None:
    values = await values_of(a="1\r\nX: 2", b="fine")
    assert values.header("Bearer {{ b }}") == "Bearer fine"
    with pytest.raises(CheckFailed, match="a cannot stand in a header"):
        values.header("{{ a }}")


async def test_what_is_too_long_is_not_carried_on() -> None:
    with pytest.raises(CheckFailed, match="more than 8192"):
        await values_of(a="x" * 8193)
    values = await values_of(a="x" * 8192)
    with pytest.raises(CheckFailed, match="longer than 8192"):
        values.url("http://example.org/{{ a }}")


async def test_names_without_a_value_are_told() -> None:
    values = await values_of(a="1")
    request = StepRequest(
        url="http://example.org/{{ a }}", headers=(Header(name="X", value="{{ b }}"),)
    )
    assert values.missing(request) == "b"

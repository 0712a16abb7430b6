"""Mappings to classes of the model and back."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.json_values import fitting

from kubekuma.kit.structural import problems, with_defaults
from kubekuma.model.kinds import KINDS, Kind
from kubekuma.model.monitor import MonitorSpec
from kubekuma.model.schema import structural
from kubekuma.model.settings import SettingsSpec
from kubekuma.validate.decode import decoded, encoded, parsed_timestamp, timestamp

parts = [(kind, cls) for kind in KINDS for cls in (kind.spec, kind.status)]


@pytest.mark.parametrize(("kind", "cls"), parts, ids=lambda each: getattr(each, "__name__", ""))
@settings(max_examples=60)
@given(data=st.data())
def test_what_is_decoded_encodes_to_the_same(kind: Kind, cls: type, data: st.DataObject) -> None:
    schema = structural(cls)
    raw = data.draw(fitting(schema))
    value: Any = decoded(with_defaults(schema, raw), cls)
    again = encoded(value)
    assert not list(problems(schema, again)), kind.name
    back: Any = decoded(with_defaults(schema, again), cls)
    assert encoded(back) == again
    # A status may leave out a list that is empty; of a spec nothing may be lost.
    assert back == value or cls is kind.status


@pytest.mark.parametrize(("kind", "cls"), parts, ids=lambda each: getattr(each, "__name__", ""))
@settings(max_examples=60)
@given(data=st.data())
def test_a_default_is_what_absence_means(kind: Kind, cls: type, data: st.DataObject) -> None:
    schema = structural(cls)
    raw = data.draw(fitting(schema))
    # By the schema, as a server does, and by the class, as a manifest is read: one meaning.
    by_class: Any = decoded(raw, cls)
    assert by_class == decoded(with_defaults(schema, raw), cls), kind.name


def test_parts_at_their_defaults_are_shared() -> None:
    raw = {"type": "manual", "target": {"manual": {}}}
    one, other = decoded(raw, MonitorSpec), decoded(raw, MonitorSpec)
    assert one is not other
    assert one.schedule is other.schedule
    assert decoded({}, SettingsSpec) is decoded({}, SettingsSpec)


def test_times_are_whole_seconds_in_utc() -> None:
    east = datetime(2026, 1, 2, 3, 4, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(east) == "2026-01-02T01:04:05Z"
    assert parsed_timestamp("2026-01-02T03:04:05+02:00") == datetime(
        2026, 1, 2, 1, 4, 5, tzinfo=UTC
    )

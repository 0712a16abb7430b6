"""Label and field selectors."""

import pytest

from kubekuma.standalone.builtins import BUILTINS
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.selectors import field_selector, label_selector

EVENTS = next(each for each in BUILTINS if each.storage == "events")
LABELS = {"app": "web", "tier": "front", "example.org/team": "a"}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier != back", True),
        ("app!=web", False),
        ("missing!=web", True),
        ("app in (db, web)", True),
        ("app notin (db,web)", False),
        ("missing notin (a)", True),
        ("missing in (a)", False),
        ("app", True),
        ("!app", False),
        ("! missing", True),
        ("example.org/team=a,app in (web,db),tier", True),
        ("app=", False),
        ("empty in ()", False),
    ],
)
def test_labels_are_selected(text: str, holds: bool) -> None:
    selector = label_selector(text)
    assert selector is not None
    assert selector(LABELS) is holds


@pytest.mark.parametrize("text", ["", " ", ","])
def test_nothing_selects_everything(text: str) -> None:
    assert label_selector(text) is None


@pytest.mark.parametrize("text", ["a b", "a in b", "a in (b", "a=b c", "=a", "a>1", "a=(b)"])
def test_what_is_no_selector_is_a_bad_request(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        label_selector(text)
    assert refused.value.code == 400


def test_fields_are_selected_by_their_text() -> None:
    event = {"reason": "Down", "involvedObject": {"name": "a"}, "count": 1}
    for text, holds in (
        ("reason=Down", True),
        ("reason!=Down", False),
        ("involvedObject.name=a,reason==Down", True),
        ("involvedObject.uid=", True),
        ("type!=Normal", True),
    ):
        found = field_selector(text, EVENTS)
        assert all(each.holds(event) for each in found) is holds, text


@pytest.mark.parametrize("text", ["spec.nope=a", "reason", "message=x"])
def test_other_fields_are_refused(text: str) -> None:
    with pytest.raises(ApiError):
        field_selector(text, EVENTS)

"""The latest of each object and its last valid form, told of once and kept for the next start."""

import math
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from build import WEB, document

from kubekuma.model.meta import Key, Truth
from kubekuma.model.monitor import Monitor
from kubekuma.validate.load import load_monitor
from kubekuma.validate.rule import Rejected
from kubekuma.watch.cache import Cache

MAIL = Key("shop", "mail")
INVALID: dict[str, Any] = {"target": {"http": {"url": "no url"}}}


@attrs.define
class Told:
    """A cache of Monitors, and what it has said."""

    changed: list[Key] = attrs.field(factory=list)
    kept: dict[Key, Mapping[str, Any]] = attrs.field(factory=dict)
    keeps: int = 0
    cache: Cache[Monitor] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.cache = Cache(load_monitor, self.changed.append, self._keep)

    def _keep(self, key: Key, kept: Mapping[str, Any] | None) -> None:
        self.keeps += 1
        if kept is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = kept

    def put(self, version: int, /, *, status: Any = None, **more: Any) -> None:
        given = document("web", **more)
        given["metadata"]["resourceVersion"] = str(version)
        if status is not None:
            given["status"] = status
        self.cache.put(given)

    def seen(self) -> tuple[str, int | None]:
        """What is known of the monitor: its latest form, and the generation of its valid one."""
        seen = self.cache.get(WEB)
        assert seen is not None
        return type(seen.latest).__name__, seen.valid.meta.generation if seen.valid else None


def condition(type_: str, status: str) -> dict[str, Any]:
    return {
        "type": type_,
        "status": status,
        "reason": "Why",
        "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def test_an_object_is_told_of_when_it_comes_changes_and_goes() -> None:
    it = Told()
    it.put(1)
    it.put(2, generation=2, displayName="Shop")
    it.cache.remove(WEB)
    it.cache.remove(WEB)
    assert it.changed == [WEB, WEB, WEB]
    assert it.kept == {}
    assert len(it.cache) == 0


def test_our_own_status_comes_back_without_a_word_and_is_known() -> None:
    it = Told()
    it.put(1)
    it.put(2, status={"conditions": [condition("Ready", "True"), condition("Up", "False")]})
    it.put(2, status={"conditions": [condition("Ready", "True"), condition("Up", "False")]})
    assert it.changed == [WEB]
    assert it.keeps == 1
    seen = it.cache.get(WEB)
    assert seen is not None
    assert {each.type: each.status for each in seen.conditions} == {
        "Ready": Truth.TRUE,
        "Up": Truth.FALSE,
    }


def test_labels_and_annotations_are_told_of() -> None:
    it = Told()
    given = document("web")
    it.cache.put(given)
    given["metadata"]["labels"] = {"team": "shop"}
    it.cache.put(given)
    given["metadata"]["annotations"] = {"note": "\u0085"}
    it.cache.put(given)
    assert it.changed == [WEB] * 3
    assert it.kept[WEB]["metadata"]["labels"] == {"team": "shop"}


def test_an_invalid_edit_leaves_the_last_valid_form_and_what_is_kept() -> None:
    it = Told()
    it.put(1)
    kept = it.kept[WEB]
    it.put(2, generation=2, **INVALID)
    assert it.seen() == ("Rejected", 1)
    assert it.kept[WEB] == kept
    it.put(3, generation=3, **INVALID)
    assert it.seen() == ("Rejected", 1)
    it.put(4, generation=4)
    assert it.seen() == ("Monitor", 4)
    assert it.changed == [WEB] * 4


def test_what_is_made_anew_has_no_claim_to_the_form_of_the_former() -> None:
    it = Told()
    it.put(1, uid="u1")
    it.put(2, uid="u2", **INVALID)
    assert it.seen() == ("Rejected", None)
    assert it.kept == {}
    it.put(3, uid="u3")
    assert it.seen() == ("Monitor", 1)


def test_what_was_kept_is_enough_to_start_from_and_holds_nothing_of_ours() -> None:
    first = Told()
    first.put(7, status={"state": "up"}, enabled=False)
    first.put(8, generation=2, **INVALID)
    (kept,) = first.kept.values()
    assert set(kept) == {"apiVersion", "kind", "metadata", "spec"}
    assert "resourceVersion" not in kept["metadata"]
    second = Told()
    second.cache.seed([kept, {"metadata": {"name": "odd"}}])
    assert second.seen() == ("Monitor", 1)
    assert second.changed == [WEB]
    # And the edit that is still invalid does not end it after the start either.
    second.put(8, generation=2, **INVALID)
    assert second.seen() == ("Rejected", 1)


def test_what_an_earlier_run_kept_is_told_of_again_once_its_conditions_are_known() -> None:
    it = Told()
    first = Told()
    first.put(1)
    it.cache.seed(first.kept.values())
    it.put(1, status={"conditions": [condition("Ready", "True")]})
    it.put(2, status={"conditions": [condition("Ready", "True")]})
    assert it.changed == [WEB, WEB]
    seen = it.cache.get(WEB)
    assert seen is not None
    assert len(seen.conditions) == 1


def test_a_complete_list_ends_what_is_not_in_it() -> None:
    it = Told()
    it.put(1)
    it.cache.put(document("mail"))
    assert not it.cache.listed.is_set()
    it.cache.retain({MAIL})
    assert set(it.cache.keys()) == {MAIL}
    assert set(it.kept) == {MAIL}
    assert it.changed[2:] == [WEB]
    assert it.cache.listed.is_set()


@pytest.mark.parametrize(
    "more",
    [
        {"spec": None},
        {"spec": []},
        {"spec": "x"},
        {"spec": {}},
        {"spec": {"type": "http", "target": None}},
        {"spec": {"type": ["http"], "target": 7}},
        {"spec": {"type": "http", "target": {"http": {"url": "http://x/" + "y" * 10**6}}}},
        {"spec": {"type": "http", "target": {"http": {"url": "\ud800"}}}},
        {"spec": {"type": "no such type", "target": {"http": {"url": "http://x/"}}}},
        {"spec": {"type": "tcp", "target": {"tcp": {"host": "x", "port": 10**40}}}},
        {"spec": {"type": "tcp", "target": {"tcp": {"host": "x", "port": math.nan}}}},
        {"status": []},
        {"status": {"conditions": "x"}},
        {"status": {"conditions": [None, [], {"type": 1}, {"type": "x", "status": "Perhaps"}]}},
        {"status": {"conditions": [{**condition("x", "True"), "lastTransitionTime": "soon"}]}},
        {"status": {"conditions": [{**condition("x", "True"), "observedGeneration": "y"}]}},
        {"apiVersion": "monitoring.kubekuma.io/v9"},
        {"kind": None},
    ],
)
def test_objects_of_other_schemas_are_seen_and_harm_nobody(more: dict[str, Any]) -> None:
    it = Told()
    it.put(1)
    it.cache.put({**document("mail"), **more})
    seen = it.cache.get(MAIL)
    assert seen is not None
    assert isinstance(seen.latest, (Monitor, Rejected))
    assert it.seen() == ("Monitor", 1)
    assert it.changed == [WEB, MAIL]


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": [], "annotations": 7},
        {"labels": {"a": None}},
        {"generation": None},
        {"resourceVersion": 17},
        {"creationTimestamp": None},
    ],
)
def test_odd_metadata_harms_nobody(metadata: dict[str, Any]) -> None:
    it = Told()
    given = document("mail")
    given["metadata"].update(metadata)
    it.cache.put(given)
    it.cache.put(given)
    assert it.changed[:1] == [MAIL]
    assert it.cache.get(MAIL) is not None

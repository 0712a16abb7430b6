"""Our own troubles: told after a while, to each once, and their end to those who heard."""

from datetime import timedelta

import attrs
from build import at

from kubekuma.alert.troubles import (
    Due,
    Known,
    Trouble,
    found_now,
    plan_troubles,
    told,
    trouble_message,
)
from kubekuma.model.meta import Key
from kubekuma.model.policy import Happening

OPS, CHAT = Key("monitoring", "ops"), Key("monitoring", "chat")
DOWN, UP = Happening.DOWN, Happening.UP
MINUTE = 60.0
DISK = {"database": Trouble(said="the disk is full", patience=timedelta(seconds=MINUTE))}


@attrs.define
class Story:
    known: dict[str, Known] = attrs.field(factory=dict)

    def look(
        self, seconds: float, found: dict[str, Trouble], *providers: Key, arrives: bool = True
    ) -> list[tuple[str, str, str]]:
        self.known = found_now(self.known, found, at(seconds))
        due = list(plan_troubles(self.known, found, providers or (OPS, CHAT), at(seconds)))
        if arrives:
            for each in due:
                self.known = told(self.known, each)
        return [(each.name, each.provider.name, each.happening.value) for each in due]


def test_what_lasts_is_told_to_each_once_and_its_end_too() -> None:
    it = Story()
    assert it.look(0, DISK) == []
    assert it.look(MINUTE - 1, DISK) == []
    assert it.look(MINUTE, DISK) == [("database", "ops", "down"), ("database", "chat", "down")]
    assert it.look(MINUTE + 5, DISK) == []
    assert it.look(MINUTE + 9, {}) == [("database", "chat", "up"), ("database", "ops", "up")]
    assert it.look(MINUTE + 10, {}) == []
    assert it.known == {}


def test_what_is_soon_over_is_told_to_nobody_and_begins_anew_the_next_time() -> None:
    it = Story()
    it.look(0, DISK)
    assert it.look(30, {}) == []
    assert it.look(MINUTE, DISK) == []
    assert it.look(2 * MINUTE, DISK) != []


def test_who_could_not_be_reached_is_told_later_and_who_never_heard_hears_of_no_end() -> None:
    it = Story()
    it.look(0, DISK)
    assert len(it.look(MINUTE, DISK, arrives=False)) == 2
    assert it.look(MINUTE + 60, DISK, OPS) == [("database", "ops", "down")]
    assert it.look(MINUTE + 70, {}) == [("database", "ops", "up")]


def test_nobody_hears_of_trouble_with_themselves() -> None:
    ill = {"provider monitoring/ops": Trouble(said="500", patience=timedelta(0), about=OPS)}
    assert [who for _, who, _ in Story().look(0, ill)] == ["chat"]


def test_beginning_and_end_have_one_key() -> None:
    it = Known(trouble=DISK["database"], since=at(0))
    begun = trouble_message(Due("database", OPS, DOWN), it, "monitoring", at(60))
    over = trouble_message(Due("database", OPS, UP), it, "monitoring", at(600))
    assert begun.key == over.key
    assert begun.id != over.id
    assert begun.title == "KubeKuma has trouble: database"
    assert (over.title, over.until) == ("KubeKuma is well again: database", at(600))
    assert begun.text == "the disk is full"

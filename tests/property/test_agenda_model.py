"""The agenda behaves like the obvious dictionary, only faster."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubekuma.model.meta import Key
from kubekuma.schedule.agenda import Agenda

keys = st.builds(Key, st.just("ns"), st.sampled_from("abcde"))
instants = st.integers(0, 20).map(float)


class AgendaMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.agenda = Agenda()
        self.model: dict[Key, float] = {}

    @rule(key=keys, at=instants)
    def put(self, key: Key, at: float) -> None:
        self.agenda.put(key, at)
        self.model[key] = at

    @rule(key=keys)
    def drop(self, key: Key) -> None:
        self.agenda.drop(key)
        self.model.pop(key, None)

    @rule(now=instants)
    def pop_due(self, now: float) -> None:
        due = sorted((at, key) for key, at in self.model.items() if at <= now)
        assert self.agenda.pop_due(now) == [key for _, key in due]
        for _, key in due:
            del self.model[key]

    @invariant()
    def knows_what_is_next(self) -> None:
        assert self.agenda.next_at == min(self.model.values(), default=float("inf"))

    @invariant()
    def counts_keys(self) -> None:
        assert len(self.agenda) == len(self.model)


TestAgenda = AgendaMachine.TestCase

"""A condition keeps the time since which it has its status."""

from build import at

from kubekuma.kube.conditions import MOST_MESSAGE, merged
from kubekuma.model.meta import Condition, Truth


def condition(status: Truth, reason: str = "Why", message: str = "") -> Condition:
    return Condition(type="Ready", status=status, reason=reason, message=message)


def test_the_time_is_kept_while_the_status_is_the_same_whatever_else_changes() -> None:
    (first,) = merged({}, [condition(Truth.TRUE)], at(0))
    (second,) = merged({"Ready": first}, [condition(Truth.TRUE, "Other", "words")], at(60))
    (third,) = merged({"Ready": second}, [condition(Truth.FALSE, "Other", "words")], at(120))
    times = [each.last_transition_time for each in (first, second, third)]
    assert times == [at(0), at(0), at(120)]
    assert (second.reason, second.message) == ("Other", "words")


def test_a_condition_of_another_type_says_nothing_of_this_one() -> None:
    (other,) = merged({}, [condition(Truth.TRUE)], at(0))
    (found,) = merged({"Up": other}, [condition(Truth.TRUE)], at(60))
    assert found.last_transition_time == at(60)


def test_a_time_that_never_was_written_begins_now() -> None:
    (found,) = merged({"Ready": condition(Truth.TRUE)}, [condition(Truth.FALSE)], at(60))
    assert found.last_transition_time == at(60)


def test_a_message_fits() -> None:
    (found,) = merged({}, [condition(Truth.TRUE, message="x" * 5000)], at(0))
    assert len(found.message) == MOST_MESSAGE

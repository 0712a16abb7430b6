"""Rules and the few ways to combine them.

A rule looks at one value and yields what is wrong with it. Rules never stop
at the first error and never raise: a user should see every mistake at once.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias, TypeVar

import attrs
from attrs import evolve

from kubekuma.model.meta import Key, ObjectMeta

T = TypeVar("T")
Part = TypeVar("Part")


@attrs.frozen(order=True)
class FieldError:
    """One thing that is wrong, and where: ``path`` is a dotted field path."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@attrs.frozen(kw_only=True)
class Rejected:
    """A document that is no valid resource, and every reason why."""

    meta: ObjectMeta
    errors: tuple[FieldError, ...]

    @property
    def key(self) -> Key:
        """Whose document it is."""
        return self.meta.key


@attrs.frozen
class Refused:
    """Something that somebody asks for is not done, for every one of these reasons."""

    errors: tuple[FieldError, ...]


Rule: TypeAlias = Callable[[T], Iterable[FieldError]]


def every(*rules: Rule[T]) -> Rule[T]:
    """All errors of all ``rules``, in order."""
    return lambda value: (error for rule in rules for error in rule(value))


def at(name: str, pick: Callable[[T], Part], rule: Rule[Part]) -> Rule[T]:
    """Apply ``rule`` to the part that ``pick`` selects, reporting it as ``name``."""

    def lifted(value: T) -> Iterator[FieldError]:
        for error in rule(pick(value)):
            yield evolve(error, path=joined(name, error.path))

    return lifted


def must(holds: Callable[[T], bool], message: str) -> Rule[T]:
    """The value must satisfy ``holds``; ``message`` says so, starting with "must"."""
    return lambda value: () if holds(value) else (FieldError("", message),)


def if_present(rule: Rule[T]) -> Rule[T | None]:
    """Apply ``rule`` to a value that is there; absence is fine."""
    return lambda value: () if value is None else rule(value)


def each(rule: Rule[T]) -> Rule[Iterable[T]]:
    """Apply ``rule`` to each item, reporting it by its index."""

    def lifted(items: Iterable[T]) -> Iterator[FieldError]:
        for index, item in enumerate(items):
            for error in rule(item):
                yield evolve(error, path=joined(f"[{index}]", error.path))

    return lifted


def below(path: str, error: FieldError) -> FieldError:
    """``error`` of a part, told of the whole that has it at ``path``."""
    return FieldError(joined(path, error.path), error.message)


def joined(path: str, below: str) -> str:
    """The path of a field below another one."""
    if not path or not below:
        return path or below
    return f"{path}{below}" if below.startswith("[") else f"{path}.{below}"

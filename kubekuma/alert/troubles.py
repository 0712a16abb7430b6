"""What is told of our own troubles, and when. Pure and level-triggered."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import attrs

from kubekuma.model.alert import Message
from kubekuma.model.meta import Key
from kubekuma.model.monitor import AlertSeverity
from kubekuma.model.policy import Happening

NAME: Final = "KubeKuma"


@attrs.frozen(kw_only=True)
class Trouble:
    """Something of ours that is not as it should be. ``about``: the provider that is ill.

    What is over within ``patience`` is nobody's to look into.
    """

    said: str
    patience: timedelta
    about: Key | None = None


@attrs.frozen(kw_only=True)
class Known:
    """A trouble that was found, since when it lasts, and who heard of it."""

    trouble: Trouble
    since: datetime
    told: frozenset[Key] = frozenset()


@attrs.frozen
class Due:
    """One message that is to be sent about the trouble ``name``."""

    name: str
    provider: Key
    happening: Happening


def found_now(
    known: Mapping[str, Known], found: Mapping[str, Trouble], now: datetime
) -> dict[str, Known]:
    """``known`` with what is new; what is over stays as long as somebody is to hear of that."""
    after = {name: it for name, it in known.items() if name in found or it.told}
    for name, trouble in found.items():
        before = known.get(name)
        since = now if before is None else before.since
        told = frozenset[Key]() if before is None else before.told
        after[name] = Known(trouble=trouble, since=since, told=told)
    return after


def plan_troubles(
    known: Mapping[str, Known],
    found: Mapping[str, Trouble],
    providers: Sequence[Key],
    now: datetime,
) -> Iterator[Due]:
    """Everything that is to be sent now. Nobody hears of trouble with themselves."""
    for name, it in known.items():
        if name not in found:
            yield from (Due(name, each, Happening.UP) for each in sorted(it.told))
        elif now - it.since >= it.trouble.patience:
            for provider in providers:
                if provider not in it.told and provider != it.trouble.about:
                    yield Due(name, provider, Happening.DOWN)


def told(known: Mapping[str, Known], due: Due) -> dict[str, Known]:
    """``known`` once ``due`` has been sent."""
    it = known[due.name]
    heard = it.told - {due.provider}
    if due.happening is Happening.DOWN:
        heard = it.told | {due.provider}
    elif not heard:
        return {name: each for name, each in known.items() if name != due.name}
    return {**known, due.name: attrs.evolve(it, told=heard)}


def trouble_message(due: Due, it: Known, home: str, now: datetime) -> Message:
    """What ``due`` says. One trouble has one key, at its beginning and its end."""
    over = due.happening is Happening.UP
    key = sha256(f"{due.name}\n{it.since.isoformat()}".encode()).hexdigest()[:32]
    title = f"{NAME} is well again" if over else f"{NAME} has trouble"
    return Message(
        id=sha256(f"{key}\n{due.provider}\n{due.happening}".encode()).hexdigest()[:32],
        key=key,
        happening=due.happening,
        monitor=Key(home, "kubekuma"),
        name=NAME,
        severity=AlertSeverity.WARNING,
        title=f"{title}: {due.name}",
        text=it.trouble.said,
        since=it.since,
        until=now if over else None,
        at=now,
        reason="OwnTrouble",
        detail=it.trouble.said,
    )

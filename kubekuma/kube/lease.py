"""Who leads, decided from what a Lease says. Pure: every order of events can be tried.

Kubernetes' own rules (client-go's leaderelection), and stricter where those let
two lead for a moment:

- What we hold, we hold until some time after we *sent* the renewal, not after its answer came.
- Each write has a renewTime of its own. One that repeats the last would change nothing, and
  whoever waits would not see it.
- Others' Leases are judged only by how long we have seen them unchanged: no clock but ours.
- A Lease that was deleted, or made anew, frees nothing until its time is over; only what was
  released in due form is free at once.
- What we do not remember to hold is not ours, whatever name stands there.

A `Candidate` waits for the Lease, a `Held` one is renewed. Both are asked what to do next, and
told what became of it; nothing here waits, sends, or knows the time.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import attrs
from attrs import evolve

from kubekuma.model.meta import GROUP, Key

Document: TypeAlias = Mapping[str, Any]

# Which history the leader writes: one that has another must not simply begin anew.
HISTORY: Final = f"{GROUP}/history"
# Whatever a record says of its duration, it is taken for no longer than this.
LONGEST_SECONDS: Final = 3600
# So often a conflict is followed by another try at once.
CONFLICTS: Final = 3
# What releases write in the duration's place: a record without a holder that says anything else
# was made by nobody who had stopped working.
RELEASED_SECONDS: Final = 1


@attrs.frozen(kw_only=True)
class Timing:
    """How long everything may take, in seconds."""

    lease_seconds: int = 45  # a Lease that has not changed for so long is free
    deadline_seconds: float = 30.0  # we lead no longer after the sending of the last renewal
    renew_seconds: float = 10.0
    retry_seconds: float = 2.0
    request_seconds: float = 5.0
    history_seconds: float = 600.0  # how long to wait for whoever has the history that is named

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What is wrong: the name of a field, and what would be right."""
        for name in attrs.fields_dict(Timing):
            least = 0 if name == "history_seconds" else 0.001
            if not getattr(self, name) >= least:
                yield name, "must be more than 0"
        if self.lease_seconds > LONGEST_SECONDS:
            yield "lease_seconds", f"must be {LONGEST_SECONDS} at most"
        if self.renew_seconds + self.request_seconds + self.retry_seconds >= self.deadline_seconds:
            yield (
                "deadline_seconds",
                f"must be more than one renewal with a retry may take: {self._one_renewal():g}",
            )
        if self.deadline_seconds * 1.2 >= self.lease_seconds:
            least = self.deadline_seconds * 1.2
            yield "lease_seconds", f"must be more than 1.2 times the deadline: {least:g}"
        if self.lease_seconds - self.deadline_seconds < 2 * self.request_seconds:
            least = self.deadline_seconds + 2 * self.request_seconds
            yield (
                "lease_seconds",
                f"must be {least:g} at least: the deadline and two requests' time",
            )

    def _one_renewal(self) -> float:
        return self.renew_seconds + self.request_seconds + self.retry_seconds


@attrs.frozen(kw_only=True, eq=False)
class Lease:
    """A Lease as the API server has it."""

    uid: str
    version: str
    holder: str
    duration: int  # 0: it does not say
    transitions: int
    history: str
    document: Document

    @property
    def spec(self) -> Any:
        """What is compared, together with uid and version."""
        return self.document.get("spec")

    @property
    def is_released(self) -> bool:
        """Whether its last holder said that its work has ended."""
        return not self.holder and self.duration == RELEASED_SECONDS


# What the API server says to a request.


@attrs.frozen
class Found:
    """Here it is, or: it was written and is now so."""

    lease: Lease


@attrs.frozen
class Missing:
    """There is no such Lease."""


@attrs.frozen
class Conflict:
    """It is no longer what you say that you saw, or it is there already."""


@attrs.frozen
class Failed:
    """Anything else, or no answer. Unless that ``is_certain``, it may have done something."""

    error: str
    retry_after_seconds: float | None = None
    is_certain: bool = False


Answer: TypeAlias = Found | Missing | Conflict | Failed


# What is to be done next.


@attrs.frozen
class Wait:
    """Look again in so many seconds. ``why`` we do not lead."""

    seconds: float
    why: str


@attrs.frozen
class Claim:
    """Write the Lease as ours, over ``lease``, or with None create it."""

    lease: Lease | None


@attrs.frozen
class BeginAlone:
    """The API server has been away for long: begin without it."""


@attrs.frozen
class Review:
    """Somebody has written the Lease: look who."""


@attrs.frozen
class Lost:
    """Stop."""

    why: str


@attrs.frozen(kw_only=True)
class Facts:
    """What a candidate knows from elsewhere."""

    history: str | None = ""  # what ours is called; empty: it has no name yet; None: broken
    clean: bool = False  # our database knows of nobody whose work may not have ended
    gone: str = ""  # a holder whose work has provably ended
    holds_database: bool = False  # nobody else can write to it
    may_begin_alone: bool = False  # so, and told to if the API server is away


@attrs.frozen(kw_only=True)
class Candidate:
    """Somebody who waits for the Lease."""

    timing: Timing
    identity: str
    seen: Lease | None = None
    seen_at: float = 0.0  # since when it is as it was seen
    knew: bool = False  # there was a Lease: without one this is no first start
    missing_at: float | None = None  # since when there is none, as far as we have looked
    missed_at: float = 0.0  # when that was seen last
    silent_at: float | None = None  # since when the API server has said nothing
    free_at: float | None = None  # since when it would be free, had we the history that it names
    claims: str = ""  # the uid of the Lease that we tried to write
    conflicts: int = 0


def consider(
    candidate: Candidate, answer: Answer, now: float, chance: float, facts: Facts
) -> tuple[Candidate, Wait | Claim | BeginAlone]:
    """What to do after a look at the Lease, whose ``answer`` has come by ``now``."""
    timing = candidate.timing
    pause = timing.retry_seconds * (1 + chance)
    match answer:
        case Found(lease):
            return _consider_found(candidate, lease, now, pause, facts)
        case Missing():
            since = candidate.missing_at
            if since is None or now > candidate.missed_at + timing.renew_seconds:
                # There may have been one while we did not look.
                since = now
            after = evolve(
                candidate, seen=None, missing_at=since, missed_at=now, silent_at=None, free_at=None
            )
            left = since + timing.lease_seconds - now
            if left <= 0 or (facts.clean and not candidate.knew):
                return after, Claim(None)
            return after, Wait(min(pause, left), "the Lease is gone, and its holder may not be")
        case Conflict():
            return candidate, Wait(pause, "the API server contradicts itself")
        case Failed(error):
            silent_at = now if candidate.silent_at is None else candidate.silent_at
            after = evolve(candidate, silent_at=silent_at)
            if facts.may_begin_alone and now >= silent_at + timing.deadline_seconds:
                return after, BeginAlone()
            return after, Wait(pause, f"the Lease cannot be read: {error}")


def _consider_found(
    candidate: Candidate, lease: Lease, now: float, pause: float, facts: Facts
) -> tuple[Candidate, Wait | Claim]:
    timing = candidate.timing
    first = not candidate.knew and candidate.missing_at is None
    changes: dict[str, Any] = {"knew": True, "missing_at": None, "silent_at": None}
    if not _unchanged(candidate.seen, lease):
        changes |= {"seen": lease, "seen_at": now}
    after = evolve(candidate, **changes)
    left = after.seen_at + _clamped(lease, timing) - now
    if lease.holder == candidate.identity:
        # A claim of ours that arrived late. It says nothing unless it was made over the same Lease
        # that is there: one that created it may have come after a deletion.
        is_free = lease.uid == candidate.claims
    elif lease.holder:
        is_free = lease.holder == facts.gone
    else:
        is_free = lease.is_released or (first and facts.clean)
        # Nobody holds it: it will be free, or taken, any moment.
        pause /= 2
    if not is_free and left > 0:
        why = f"held by {lease.holder}" if lease.holder else "nobody holds the Lease since a moment"
        return evolve(after, free_at=None), Wait(min(pause, left), why)
    if lease.history and facts.history is not None and facts.history != lease.history:
        free_at = now if after.free_at is None else after.free_at
        after = evolve(after, free_at=free_at)
        left = free_at + timing.history_seconds - now
        if left > 0:
            why = f"the Lease names the history {lease.history}, which is not here"
            return after, Wait(min(pause, left), why)
    return evolve(after, claims=lease.uid), Claim(lease)


def _unchanged(seen: Lease | None, lease: Lease) -> bool:
    return (
        seen is not None
        and (seen.uid, seen.version) == (lease.uid, lease.version)
        and seen.spec == lease.spec
    )


def _clamped(lease: Lease, timing: Timing) -> int:
    # Never shorter than our own: a holder learns only at its next renewal what people have edited.
    return min(max(lease.duration, timing.lease_seconds), LONGEST_SECONDS)


@attrs.frozen(kw_only=True)
class Held:
    """A Lease that is ours until ``fence``."""

    timing: Timing
    identity: str
    lease: Lease
    epoch: int
    fence: float
    next_at: float  # when to renew it
    conflicts: int = 0


def claimed(
    candidate: Candidate, answer: Answer, sent_at: float, now: float, chance: float
) -> "Held | tuple[Candidate, Wait]":
    """What became of a claim that was sent at ``sent_at``."""
    timing = candidate.timing
    if isinstance(answer, Found):
        held = Held(
            timing=timing,
            identity=candidate.identity,
            lease=answer.lease,
            epoch=answer.lease.transitions,
            fence=_fence(sent_at, timing),
            next_at=sent_at + timing.renew_seconds,
        )
        if now < held.fence:
            return held
    pause = timing.retry_seconds * (1 + chance)
    if not isinstance(answer, Failed) or not answer.is_certain:
        # Ours, too late, or somebody's: there may be one now.
        candidate = evolve(candidate, knew=True, missing_at=None)
    if isinstance(answer, Conflict) and candidate.conflicts < CONFLICTS:
        after = evolve(candidate, conflicts=candidate.conflicts + 1)
        return after, Wait(0.0, "others want it too")
    why = f": {answer.error}" if isinstance(answer, Failed) else ""
    return evolve(candidate, conflicts=0), Wait(pause, f"the Lease could not be written{why}")


def renewed(
    held: Held, answer: Answer, sent_at: float, now: float, chance: float
) -> Held | Review | Lost:
    """What became of a renewal that was sent at ``sent_at``."""
    timing = held.timing
    match answer:
        case Found(lease) if lease.uid == held.lease.uid:
            return evolve(
                held,
                lease=lease,
                fence=max(held.fence, _fence(sent_at, timing)),
                next_at=sent_at + timing.renew_seconds,
                conflicts=0,
            )
        case Conflict():
            return Review()
        case Found() | Missing():
            return Lost("the Lease was deleted")
        case Failed(retry_after_seconds=wanted):
            pause = timing.retry_seconds * (0.8 + 0.4 * chance)
            if wanted is not None:
                pause = min(wanted, timing.retry_seconds)
            return evolve(held, next_at=now + pause)


def reviewed(held: Held, answer: Answer, now: float) -> Held | Lost:
    """What to do after a look at the Lease that a renewal found changed."""
    retry_at = now + held.timing.retry_seconds
    match answer:
        case Found(lease) if lease.uid != held.lease.uid:
            return Lost("the Lease was deleted and made anew")
        case Found(lease) if (lease.holder, lease.transitions) != (held.identity, held.epoch):
            return Lost(f"the Lease was taken by {lease.holder or 'nobody'}")
        case Found(lease):
            # Our own write, whose answer was lost, or a person's: it does not count as a renewal.
            at_once = held.conflicts < CONFLICTS
            return evolve(
                held,
                lease=lease,
                next_at=now if at_once else retry_at,
                conflicts=held.conflicts + 1 if at_once else 0,
            )
        case Missing():
            return Lost("the Lease was deleted")
        case Conflict() | Failed():
            return evolve(held, next_at=retry_at)


def is_held_by_another(answer: Answer, identity: str) -> bool:
    """Whether the Lease is somebody else's: for whoever goes on without it, a reason to stop."""
    return isinstance(answer, Found) and answer.lease.holder not in {"", identity}


def _fence(sent_at: float, timing: Timing) -> float:
    # Others may have seen it as soon as it was sent, however long its answer took.
    return sent_at + timing.deadline_seconds


# Lease documents


def parse_lease(document: Document) -> Lease:
    """Read a Lease, whatever people have written into it."""
    metadata, spec = _mapping(document, "metadata"), _mapping(document, "spec")
    holder, duration = spec.get("holderIdentity"), spec.get("leaseDurationSeconds")
    transitions = spec.get("leaseTransitions")
    return Lease(
        uid=str(metadata.get("uid", "")),
        version=str(metadata.get("resourceVersion", "")),
        holder=holder if isinstance(holder, str) else "",
        duration=duration if isinstance(duration, int) else 0,
        transitions=transitions if isinstance(transitions, int) else 0,
        history=str(_mapping(metadata, "annotations").get(HISTORY, "")),
        document=document,
    )


def new_document(key: Key, identity: str, timing: Timing, at: datetime) -> Document:
    """A Lease that is ours from the beginning."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": key.name, "namespace": key.namespace},
        "spec": _record(identity, timing.lease_seconds, 0, at, at),
    }


def claim_document(lease: Lease, identity: str, timing: Timing, at: datetime) -> Document:
    """``lease``, as ours: by its resourceVersion, or it would be stolen from whoever was faster."""
    record = _record(identity, timing.lease_seconds, lease.transitions + 1, at, at)
    return _written(lease, record)


def renewal_document(held: Held, history: str, at: datetime) -> Document:
    """``held``, a little longer, with the name of our ``history`` if it has one."""
    acquired = held.lease.spec.get("acquireTime") if held.lease.spec else None
    record = _record(held.identity, held.timing.lease_seconds, held.epoch, acquired or at, at)
    return _written(held.lease, record, history)


def release_document(lease: Lease, at: datetime) -> Document:
    """``lease``, free for whoever comes."""
    return _written(lease, _record("", RELEASED_SECONDS, lease.transitions, at, at))


def _written(lease: Lease, record: Document, history: str = "") -> Document:
    document = {**lease.document, "spec": {**(lease.spec or {}), **record}}
    if history and history != lease.history:
        metadata = _mapping(document, "metadata")
        annotations = {**_mapping(metadata, "annotations"), HISTORY: history}
        document["metadata"] = {**metadata, "annotations": annotations}
    return document


def _record(
    holder: str, seconds: int, transitions: int, acquired: datetime | str, renewed_at: datetime
) -> Document:
    return {
        "holderIdentity": holder,
        "leaseDurationSeconds": seconds,
        "leaseTransitions": transitions,
        "acquireTime": acquired if isinstance(acquired, str) else _micro_time(acquired),
        "renewTime": _micro_time(renewed_at),
    }


def _micro_time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _mapping(document: Document, name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}

"""A folder of manifests: what its files say is applied, and goes when they no longer say it.

What each file has brought is remembered in the store, so that files which
vanish while nobody watches take their objects with them too.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import attrs
import trio

from kubekuma.standalone.api import Api, Options
from kubekuma.standalone.documents import (
    Manifest,
    ManifestProblem,
    Reading,
    Signature,
    read_manifests,
    scan_folder,
)
from kubekuma.standalone.errors import ApiError
from kubekuma.standalone.feed import Key
from kubekuma.standalone.fields import managers_of
from kubekuma.standalone.resources import CRDS, NAMESPACES
from kubekuma.standalone.store import StoreError

MANAGER: Final = "kubekuma-manifests"

_SETTING: Final = "manifests"
_OPTIONS: Final = Options(field_manager=MANAGER, field_validation="Strict", force=True)
# What was refused may be taken later, when something that it needs is there.
_RETRY_SECONDS: Final = 30.0
# Writes that are made together share a commit.
_AT_ONCE: Final = 100

Report: TypeAlias = Callable[[ManifestProblem], None]
# An object, in whichever version: its storage and key.
Identity: TypeAlias = tuple[str, Key]
Files: TypeAlias = Mapping[Path, Signature]


async def follow_manifests(
    directory: Path,
    api: Api,
    *,
    report: Report,
    poll_seconds: float = 1.0,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep what the files below ``directory`` describe applied, until cancelled.

    Starts once everything has been tried once. A file counts as changed when
    it looks the same twice in a row: before, it may be half written. Files that
    cannot be understood, and objects that are refused, are reported once, until
    something else is wrong with them; what they have brought before stays.

    Failure: none of a file or of the store ends it.
    """
    folder = _Folder(directory, api, report)
    files = await folder.scan()
    if files is not None:
        await folder.update(files)
    task_status.started()
    while True:
        await trio.sleep(poll_seconds)
        before, files = files, await folder.scan()
        if files is not None and files == before and folder.is_due(files):
            await folder.update(files)


class _Folder:
    """What is known of the files, and of what they have brought."""

    def __init__(self, directory: Path, api: Api, report: Report) -> None:
        self._directory = directory.absolute()
        self._api = api
        self._report = report
        self._files: Files = {}
        self._readings: dict[Path, Reading] = {}
        self._problems: frozenset[ManifestProblem] = frozenset()
        self._is_readable = True
        self._is_stored = True
        self._retry_at = trio.current_time()

    async def scan(self) -> Files | None:
        """Look what files there are; None if that cannot be told, and nothing may go."""
        try:
            files = await trio.to_thread.run_sync(scan_folder, self._directory)
        except OSError as error:
            if self._is_readable:
                message = f"cannot be read: {error.strerror}"
                self._report(ManifestProblem(path=self._directory, message=message))
            self._is_readable = False
            return None
        self._is_readable = True
        return files

    def is_due(self, files: Files) -> bool:
        """Whether there is anything to do: files have changed, or it is time to try again."""
        if files != self._files:
            return True
        return bool(self._problems) and trio.current_time() >= self._retry_at

    async def update(self, files: Files) -> None:
        """Apply what has changed or was refused, and remove what no file brings any more."""
        due = {path for path, signature in files.items() if self._files.get(path) != signature}
        due |= {each.path for each in self._problems} & files.keys()
        self._readings = {path: each for path, each in self._readings.items() if path in files}
        for path in sorted(due):
            self._readings[path] = await trio.to_thread.run_sync(read_manifests, path)
        problems = [each.problem for each in self._readings.values() if each.problem]
        self._is_stored = True
        try:
            problems += await self._apply(due)
            problems += await self._remove_gone()
        except StoreError as error:
            self._is_stored = False
            message = f"what is brought could not be remembered: {error}"
            problems.append(ManifestProblem(path=self._directory, message=message))
        self._tell(problems)
        self._retry_at = trio.current_time() + _RETRY_SECONDS
        if self._is_stored:
            # Else everything is tried again with the next look.
            self._files = files

    def _tell(self, problems: Iterable[ManifestProblem]) -> None:
        found = frozenset(problems)
        for each in sorted(found - self._problems, key=str):
            self._report(each)
        self._problems = found

    # Applying

    async def _apply(self, due: set[Path]) -> list[ManifestProblem]:
        problems: list[ManifestProblem] = []
        for rank in sorted({each.rank for each in self._manifests()}):
            # With every rank, kinds may come to be known.
            claims = self._claims()
            wanted: list[tuple[Identity, Manifest]] = []
            for each in self._manifests():
                if each.rank != rank or each.path not in due:
                    continue
                identity = self._identity(each)
                if identity is None:
                    message = f'no matches for kind "{each.kind}" in version "{each.api_version}"'
                    problems.append(each.problem(message))
                elif (first := claims[identity]) is not each:
                    problems.append(each.problem(f"is given already by {first.path}:{first.line}"))
                else:
                    wanted.append((identity, each))
            await self._remember(wanted)
            problems += await self._apply_all(wanted)
        return problems

    async def _apply_all(
        self, wanted: Sequence[tuple[Identity, Manifest]]
    ) -> list[ManifestProblem]:
        problems: list[ManifestProblem] = []

        async def apply_one(identity: Identity, manifest: Manifest) -> None:
            try:
                await self._apply_one(identity, manifest)
            except ApiError as error:
                problems.append(manifest.problem(error.message))
            except StoreError as error:
                self._is_stored = False
                problems.append(manifest.problem(f"could not be stored: {error}"))

        for start in range(0, len(wanted), _AT_ONCE):
            async with trio.open_nursery() as nursery:
                for identity, manifest in wanted[start : start + _AT_ONCE]:
                    nursery.start_soon(apply_one, identity, manifest)
        return problems

    async def _apply_one(self, identity: Identity, manifest: Manifest) -> None:
        _, key = identity
        resource = self._api.catalog.find_kind(manifest.api_version, manifest.kind)
        if resource is None:
            raise AssertionError("what has an identity is of a known kind")
        if key.namespace and self._api.store.latest(NAMESPACES, Key("", key.namespace)) is None:
            namespaces = self._api.catalog.by_storage(NAMESPACES)
            await self._api.apply(namespaces, Key("", key.namespace), {}, _OPTIONS)
        options = attrs.evolve(_OPTIONS, twice=manifest.twice)
        await self._api.apply(resource, key, dict(manifest.value), options)

    # What is brought

    async def _remember(self, wanted: Sequence[tuple[Identity, Manifest]]) -> None:
        # Before it is done: what comes to be must not be forgotten, whatever happens then.
        record = self._record()
        known = {identity for brought in record.values() for identity in brought}
        for identity, manifest in wanted:
            storage, key = identity
            if identity in known or self._api.store.latest(storage, key) is None:
                record.setdefault(str(manifest.path), set()).add(identity)
        await self._keep(record)

    async def _remove_gone(self) -> list[ManifestProblem]:
        record, claims = self._record(), self._claims()
        kept: dict[str, set[Identity]] = {}
        for path, brought in record.items():
            reading = self._readings.get(Path(path))
            is_ours = Path(path).is_relative_to(self._directory)
            if not is_ours or (reading is not None and reading.problem is not None):
                kept[path] = brought
            else:
                kept[path] = {
                    each for each in brought if each in claims and str(claims[each].path) == path
                }
        staying = {identity for brought in kept.values() for identity in brought}
        gone = {identity for brought in record.values() for identity in brought} - staying
        problems = [await self._remove(each) for each in sorted(gone, key=_removal_order)]
        await self._keep(kept)
        return [each for each in problems if each is not None]

    async def _remove(self, identity: Identity) -> ManifestProblem | None:
        storage, key = identity
        live = self._api.store.latest(storage, key)
        # Somebody else may have made it anew.
        if live is None or MANAGER not in {each.name for each in managers_of(live.value)}:
            return None
        try:
            await self._api.delete(self._api.catalog.by_storage(storage), key)
        except ApiError as error:
            return ManifestProblem(path=self._directory, message=error.message)
        return None

    def _record(self) -> dict[str, set[Identity]]:
        kept = json.loads(self._api.store.setting(_SETTING) or "{}")
        return {
            path: {(storage, Key(namespace, name)) for storage, namespace, name in brought}
            for path, brought in kept.items()
        }

    async def _keep(self, record: Mapping[str, set[Identity]]) -> None:
        rows = {
            path: sorted([storage, *key] for storage, key in brought)
            for path, brought in sorted(record.items())
            if brought
        }
        text = json.dumps(rows)
        if text != self._api.store.setting(_SETTING):
            await self._api.store.keep_setting(_SETTING, text)

    def _manifests(self) -> list[Manifest]:
        return [each for _, reading in sorted(self._readings.items()) for each in reading.manifests]

    def _claims(self) -> dict[Identity, Manifest]:
        # The first that gives an object has it.
        claims: dict[Identity, Manifest] = {}
        for each in self._manifests():
            identity = self._identity(each)
            if identity is not None:
                claims.setdefault(identity, each)
        return claims

    def _identity(self, manifest: Manifest) -> Identity | None:
        resource = self._api.catalog.find_kind(manifest.api_version, manifest.kind)
        if resource is None:
            return None
        namespace = manifest.namespace if resource.namespaced else ""
        return resource.storage, Key(namespace, manifest.name)


def _removal_order(identity: Identity) -> tuple[int, Identity]:
    # What holds other things goes last.
    return {CRDS: 1, NAMESPACES: 2}.get(identity[0], 0), identity

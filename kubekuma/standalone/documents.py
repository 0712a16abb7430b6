"""Files of manifests: what there is in a folder, and the objects in each file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import yaml

from kubekuma.kit.documents import Document, json_document, yaml_documents

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_FILE_LIMIT: Final = 64 * 1024 * 1024
_LAST: Final = 3
# What others need comes first.
_ORDER: Final = {"Namespace": 0, "CustomResourceDefinition": 1, "Secret": 2, "ConfigMap": 2}

# Changes whenever the file does.
Signature: TypeAlias = tuple[int, int, int]


@attrs.frozen(kw_only=True, order=True)
class ManifestProblem:
    """What is wrong with a file: the line is None if it is not about one."""

    path: Path
    line: int | None = None
    message: str

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}"


@attrs.frozen(kw_only=True)
class Manifest:
    """An object in a file."""

    path: Path
    line: int
    api_version: str
    kind: str
    namespace: str
    name: str
    value: Mapping[str, Any]
    twice: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """When it is applied: those of lower rank come first."""
        return _ORDER.get(self.kind, _LAST)

    def problem(self, message: str) -> ManifestProblem:
        """Tell what is wrong with it."""
        return ManifestProblem(path=self.path, line=self.line, message=message)


@attrs.frozen(kw_only=True)
class Reading:
    """What a file holds; nothing of it counts if there is a problem with its form."""

    manifests: tuple[Manifest, ...] = ()
    problem: ManifestProblem | None = None


def scan_folder(directory: Path) -> dict[Path, Signature]:
    """Find the files of manifests below ``directory``. Raises OSError if it cannot be read.

    Hidden files and folders are passed over: editors keep drafts there, and
    Kubernetes the former contents of mounted ConfigMaps.
    """
    found: dict[Path, Signature] = {}
    for folder, folders, names in os.walk(directory, onerror=_raise):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix in _SUFFIXES and not name.startswith("."):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def read_manifests(path: Path) -> Reading:
    """Read the objects in the file ``path``."""
    try:
        if path.stat().st_size > _FILE_LIMIT:
            return _wrong(path, None, f"must not be larger than {_FILE_LIMIT} bytes")
        text = path.read_bytes()
    except OSError as error:
        return _wrong(path, None, f"cannot be read: {error.strerror}")
    try:
        is_json = path.suffix == ".json"
        documents = [json_document(text)] if is_json else list(yaml_documents(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        return _wrong(path, line, f"is no YAML: {error.problem or error.context}")
    except json.JSONDecodeError as error:
        return _wrong(path, error.lineno, f"is no JSON: {error.msg}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _wrong(path, None, f"cannot be understood: {error}")
    manifests: list[Manifest] = []
    for document in documents:
        for each in document.objects:
            manifest = _manifest(path, each)
            if isinstance(manifest, ManifestProblem):
                return Reading(problem=manifest)
            manifests.append(manifest)
    return Reading(manifests=tuple(manifests))


def _manifest(path: Path, document: Document) -> Manifest | ManifestProblem:
    value = document.value
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        message = "must be an object with apiVersion, kind and metadata"
        return ManifestProblem(path=path, line=document.line, message=message)
    texts = [value.get("apiVersion"), value.get("kind"), metadata.get("name")]
    for name, text in zip(("apiVersion", "kind", "metadata.name"), texts, strict=True):
        if not isinstance(text, str) or not text:
            message = f"{name} must be a text that is not empty"
            return ManifestProblem(path=path, line=document.line, message=message)
    return Manifest(
        path=path,
        line=document.line,
        api_version=str(texts[0]),
        kind=str(texts[1]),
        name=str(texts[2]),
        namespace=str(metadata.get("namespace") or "default"),
        value=value,
        twice=document.twice,
    )


def _wrong(path: Path, line: int | None, message: str) -> Reading:
    return Reading(problem=ManifestProblem(path=path, line=line, message=message))


def _raise(error: OSError) -> None:
    raise error

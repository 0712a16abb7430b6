"""Manifests in files: what they say, what is wrong with it, and on which line."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

from kubekuma.kit.documents import Document, json_document, yaml_documents
from kubekuma.model.kinds import KINDS, MONITOR_SET, POLICY, PROVIDER, kind_named
from kubekuma.model.meta import GROUP
from kubekuma.validate.load import load, unknown_fields
from kubekuma.validate.monitor_set import item_errors
from kubekuma.validate.rule import FieldError, Rejected
from kubekuma.validate.templates import policy_templates, provider_templates

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


@attrs.frozen(kw_only=True, order=True)
class Finding:
    """One mistake, and where it stands."""

    file: str
    line: int
    object: str
    path: str
    message: str

    def __str__(self) -> str:
        what = f"{self.object}: " if self.object else ""
        field = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}: {what}{field}{self.message}"


@attrs.frozen(kw_only=True)
class Manifest:
    """One document of one file."""

    file: Path
    document: Document

    @property
    def value(self) -> Mapping[str, Any]:
        """What it says; nothing if it is no mapping."""
        value = self.document.value
        return value if isinstance(value, dict) else {}

    @property
    def kind(self) -> str:
        """Its kind, as it says."""
        return str(self.value.get("kind", ""))

    @property
    def title(self) -> str:
        """How to name it to a person: kind and name."""
        metadata = self.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return f"{self.kind or 'document'} {name or '(no name)'}"

    def finding(self, error: FieldError) -> Finding:
        """Where ``error`` stands."""
        return Finding(
            file=str(self.file),
            line=self.document.line_of(error.path),
            object=self.title,
            path=error.path,
            message=error.message,
        )


def manifest_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named, and those below directories."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        yield from sorted(
            each for each in path.rglob("*") if each.suffix in SUFFIXES and each.is_file()
        )


def read_file(file: Path) -> tuple[list[Manifest], list[Finding]]:
    """Every object in ``file``, or why it has none. Raises OSError."""
    text = file.read_bytes()
    try:
        is_json = file.suffix == ".json"
        documents = [json_document(text)] if is_json else list(yaml_documents(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return [], [_unreadable(file, line, f"is no YAML: {error.problem or error.context}")]
    except json.JSONDecodeError as error:
        return [], [_unreadable(file, error.lineno, f"is no JSON: {error.msg}")]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        said = str(error).partition("\n")[0]
        return [], [_unreadable(file, 1, f"cannot be understood: {said}")]
    objects = (each for document in documents for each in document.objects)
    return [Manifest(file=file, document=each) for each in objects], []


def findings(manifest: Manifest) -> Iterator[Finding]:
    """Everything that is wrong with one document, as far as it can be known without a cluster."""
    twice = (FieldError("", f"gives the field {name} twice") for name in manifest.document.twice)
    yield from sorted(manifest.finding(error) for error in (*twice, *_errors(manifest)))


def _errors(manifest: Manifest) -> Iterator[FieldError]:
    value = manifest.value
    if _is_patch(manifest.document.value):
        return
    if not value:
        yield FieldError("", "must be a mapping with apiVersion, kind, metadata and spec")
        return
    kind = kind_named(manifest.kind)
    version = str(value.get("apiVersion", ""))
    if kind is None:
        # Manifests of others may stand beside ours.
        if not version or not manifest.kind or version.partition("/")[0] == GROUP:
            known = ", ".join(each.name for each in KINDS)
            yield FieldError("kind", f"must be one of {known}")
        return
    if version != kind.api_version:
        yield FieldError("apiVersion", f"must be {kind.api_version}")
        return
    yield from unknown_fields(kind, value)
    loaded = load(kind, value)
    if isinstance(loaded, Rejected):
        yield from loaded.errors
    elif kind is MONITOR_SET:
        yield from item_errors(loaded)
    elif kind is POLICY:
        yield from policy_templates(loaded.spec)
    elif kind is PROVIDER:
        yield from provider_templates(loaded.spec)


def _is_patch(value: object) -> bool:
    """Whether it is a JSON patch (RFC 6902), as overlays keep them beside manifests."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and {"op", "path"} <= each.keys() for each in value)
    )


def _unreadable(file: Path, line: int, message: str) -> Finding:
    return Finding(file=str(file), line=line, object="", path="", message=message)

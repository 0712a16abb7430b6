"""What a person gives to a command: one object of a manifest, and values of Secrets."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from kubekuma.cli.environment import Mistake
from kubekuma.cli.manifest import Manifest, findings, manifest_files, read_file
from kubekuma.model.kinds import Kind
from kubekuma.validate.load import load
from kubekuma.validate.rule import Rejected

# By name and key.
Secrets: TypeAlias = Mapping[tuple[str, str], bytes]


def declare_secrets(command: argparse.ArgumentParser) -> None:
    """Declare the flag that gives values of Secrets."""
    command.add_argument(
        "--secret",
        action="append",
        default=[],
        metavar="NAME/KEY=FILE",
        help="the value of a Secret's key, read from FILE; may be repeated",
    )


def given_secrets(options: argparse.Namespace) -> Secrets:
    """The values that the flag gave. Raises Mistake."""
    return dict(map(_secret, options.secret))


def chosen(kind: Kind, file: Path, name: str | None) -> Any:
    """The one object of ``kind`` in ``file``, or the one named ``name``. Raises Mistake."""
    found = [each for each in manifests_in(file) if each.kind == kind.name]
    named = [each for each in found if name is None or each.title == f"{kind.name} {name}"]
    if len(named) != 1:
        there = ", ".join(each.title for each in found) or "none"
        raise Mistake(f"{file}: one {kind.name} is wanted: name it with --name ({there})")
    mistakes = list(findings(named[0]))
    loaded = load(kind, named[0].value)
    if mistakes or isinstance(loaded, Rejected):
        raise Mistake("\n".join(["the manifest is not valid", *map(str, mistakes)]))
    return loaded


def manifests_in(file: Path) -> Sequence[Manifest]:
    """Every document of a file, or of the files below a directory. Raises Mistake."""
    try:
        read = [read_file(each) for each in manifest_files([file])]
    except OSError as error:
        raise Mistake(f"{error.filename}: {error.strerror}") from error
    for _, unreadable in read:
        if unreadable:
            raise Mistake("\n".join(map(str, unreadable)))
    return [manifest for manifests, _ in read for manifest in manifests]


def _secret(given: str) -> tuple[tuple[str, str], bytes]:
    place, _, file = given.partition("=")
    name, _, key = place.partition("/")
    if not (name and key and file):
        raise Mistake(f"--secret is {given!r}: must be NAME/KEY=FILE, for example api/token=t.txt")
    try:
        return (name, key), Path(file).read_bytes().rstrip(b"\n")
    except OSError as error:
        raise Mistake(f"--secret {place}: {file}: {error.strerror}") from error

"""``kubekuma validate``: check manifests without a cluster."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from kubekuma.cli.manifest import Finding, findings, manifest_files, read_file

VALID: Final = 0
INVALID: Final = 1
UNREADABLE: Final = 2


def declare(command: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    command.epilog = "Exit status: 0 all valid, 1 some invalid, 2 a file could not be read."
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="file or directory")
    command.add_argument("--json", action="store_true", help="print the findings as JSON")
    command.set_defaults(run=lambda options, _: validate(options.paths, as_json=options.json))


def validate(paths: Sequence[Path], *, as_json: bool) -> int:
    """Print every mistake in every file, all at once; return the exit status."""
    found: list[Finding] = []
    documents = 0
    try:
        for file in manifest_files(paths):
            manifests, unreadable = read_file(file)
            documents += len(manifests)
            found += unreadable
            found += (each for manifest in manifests for each in findings(manifest))
    except OSError as error:
        print(f"kubekuma: {error.filename}: {error.strerror}", file=sys.stderr)
        return UNREADABLE
    if as_json:
        print(json.dumps({"documents": documents, "findings": list(map(_view, found))}, indent=2))
    else:
        print(*found, sep="\n", end="\n" if found else "")
        print(_summary(documents, found), file=sys.stderr)
    return INVALID if found else VALID


def _view(finding: Finding) -> Mapping[str, object]:
    return attrs.asdict(finding)


def _summary(documents: int, found: Sequence[Finding]) -> str:
    files = len({each.file for each in found})
    if not found:
        return f"{documents} {'object is' if documents == 1 else 'objects are'} valid"
    return f"{len(found)} mistakes in {files} files, {documents} documents read"

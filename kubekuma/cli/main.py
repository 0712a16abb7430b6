"""The ``kubekuma`` command."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from kubekuma import __version__
from kubekuma.cli.environment import Mistake

# What each is for; its module is read only when it is called, as some are slow to import.
COMMANDS: Final[Mapping[str, str]] = {
    "run": "watch a cluster's resources and check what they say",
    "standalone": "the same, with a small Kubernetes API of its own: no cluster needed",
    "validate": "check manifests without a cluster",
    "check": "run one monitor of a manifest once, and show what happens",
    "notify": "try a provider: send one message now, and show what it answers",
    "db": "look after the history: stats, backup, restore, export, import, verify",
    "schema": "write CRDs, JSON Schemas and the field reference",
}
MISUSED: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that ``arguments`` name; return the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="kubekuma",
        description="An uptime monitor whose configuration is Kubernetes resources.",
    )
    parser.add_argument("--version", action="version", version=f"kubekuma {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name in arguments:
            import_module(f"kubekuma.cli.{name}").declare(command)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options, os.environ)
    except Mistake as mistake:
        print(f"kubekuma: {mistake}", file=sys.stderr)
        return MISUSED
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status

"""Every check and task of the project. `nox` runs what CI runs; `nox -l` lists all."""

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "imports", "docs", "tests", "cluster"]

PROJECT = nox.project.load_toml("pyproject.toml")
# Versions that CI has seen work. `nox -s constraints` writes them anew.
CONSTRAINTS = "constraints.txt"


def install(session: nox.Session, *groups: str) -> None:
    wanted = nox.project.dependency_groups(PROJECT, *groups)
    session.install("-c", CONSTRAINTS, "-e", ".[all]", *wanted)


@nox.session
def lint(session: nox.Session) -> None:
    """Look for mistakes and form: ruff with every rule on."""
    session.install("-c", CONSTRAINTS, *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types: mypy, strict."""
    install(session, "types", "test", "bench")
    session.run("mypy")


@nox.session
def imports(session: nox.Session) -> None:
    """Check who imports whom: the contracts of pyproject.toml."""
    install(session, "imports")
    session.run("lint-imports")


@nox.session
def tests(session: nox.Session) -> None:
    """Run everything that needs no kubectl."""
    install(session, "test")
    session.run("pytest", "-n", "2", "-m", "not cluster", *session.posargs)


@nox.session
def cluster(session: nox.Session) -> None:
    """Run what speaks to a Kubernetes API with a real kubectl.

    To the embedded one; to the real machinery, which is built once if there is Go; and to a cluster
    of yours if KUBEKUMA_TESTS_KUBECONFIG leads to one.
    """
    install(session, "test")
    session.run("pytest", "-n", "2", "-m", "cluster", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Check that generated files are current and that the docs name what there is."""
    install(session, "test")
    session.run("kubekuma", "schema", "--check")
    session.run("kubekuma", "validate", "manifests")
    session.run("pytest", "-q", "tests/test_docs.py")


@nox.session
def generate(session: nox.Session) -> None:
    """Write CRDs, schemas and reference anew."""
    install(session)
    session.run("kubekuma", "schema")


@nox.session
def bench(session: nox.Session) -> None:
    """Print the figures that README and docs quote. Needs nginx, and its peers to compare."""
    install(session, "test", "bench")
    for script in session.posargs or sorted(map(str, Path("benchmarks").glob("*.py"))):
        session.run("python", script)


@nox.session
def constraints(session: nox.Session) -> None:
    """Write the newest versions that fit into constraints.txt."""
    session.install("uv")
    groups = [f"--group={name}" for name in PROJECT["dependency-groups"]]
    session.run(
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        *groups,
        "--all-extras",
        "--universal",
        "--no-header",
        "--no-annotate",
        "--no-emit-index-url",
        "--upgrade",
        f"--python-version={sys.version_info.major}.{sys.version_info.minor}",
        "-o",
        CONSTRAINTS,
    )

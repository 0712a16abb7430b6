"""The docs name what there is, and what is generated is current."""

import re
from functools import partial
from pathlib import Path

import pytest
from build import at
from prometheus_client.parser import text_string_to_metric_families

from kubekuma.cli.main import COMMANDS
from kubekuma.cli.schema import generated
from kubekuma.model.kinds import KINDS
from kubekuma.serve.alerts import alert_routes
from kubekuma.serve.board import Board
from kubekuma.serve.metrics import Instruments, monitor_text
from kubekuma.serve.monitors import monitor_routes
from kubekuma.serve.server import build_app

ROOT = Path(__file__).parents[1]
RUNNING = (ROOT / "docs/running.md").read_text()
README = (ROOT / "README.md").read_text()
PROSE = [
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md")
    for path in sorted(ROOT.glob(pattern))
]


@pytest.mark.parametrize(("name", "content"), tuple(generated()), ids=lambda value: str(value)[:40])
def test_generated_files_are_current(name: str, content: str) -> None:
    assert (ROOT / name).read_text() == content, "run `nox -s generate`"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    assert f"`kubekuma {command}" in RUNNING


@pytest.mark.parametrize(
    "variable",
    re.findall(r'read\("([A-Z_]+)"', (ROOT / "kubekuma/cli/environment.py").read_text()),
)
def test_every_variable_is_documented(variable: str) -> None:
    assert f"`{variable}`" in RUNNING


def test_every_metric_of_the_program_is_documented() -> None:
    names = re.findall(
        r"^        (\w+)=\(\"", (ROOT / "kubekuma/signs.py").read_text(), re.MULTILINE
    )
    assert len(names) > 8
    for name in names:
        assert f"`kubekuma_{name}" in RUNNING, name


async def test_every_metric_of_monitors_and_checks_is_documented() -> None:
    board = Board(monitors=NoObjects(), states={})
    text = Instruments(lambda: iter(())).render() + await monitor_text(board)
    names = {family.name for family in text_string_to_metric_families(text.decode())}
    for name in names:
        if name.startswith("kubekuma_"):
            assert f"`{name}" in RUNNING, name


def test_every_route_is_documented() -> None:
    board = Board(monitors=NoObjects(), states={})
    routes = (monitor_routes, alert_routes)
    app = build_app([each(board, None, partial(at, 0)) for each in routes])  # type: ignore[arg-type]
    for rule in app.url_map.iter_rules():
        assert f"`GET {rule.rule.replace('<', '{').replace('>', '}')}" in RUNNING, rule.rule


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_a_sample(kind: object) -> None:
    samples = "\n".join(path.read_text() for path in (ROOT / "manifests/samples").iterdir())
    assert f"kind: {getattr(kind, 'name', '')}\n" in samples


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_the_first_line_of_the_readme_runs_the_samples() -> None:
    start = README.partition("<!-- start -->")[2].partition("<!-- /start -->")[0]
    assert "kubekuma standalone --manifests manifests/quickstart" in start


class NoObjects:
    """A cluster without objects."""

    def get(self, key: object) -> None:
        """There is none."""

    def keys(self) -> tuple[()]:
        """Nor its key."""
        return ()

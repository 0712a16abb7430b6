"""kubekuma validate: every mistake in every file, and an exit status for scripts."""

import json
from pathlib import Path

import pytest

from kubekuma.cli.main import main
from kubekuma.model.kinds import KINDS

NAMES = ", ".join(kind.name for kind in KINDS)
GOOD = """\
apiVersion: monitoring.kubekuma.io/v1
kind: Monitor
metadata:
  name: web
spec:
  type: http
  target:
    http:
      url: http://example.org/
"""
BAD = GOOD.replace("http://example.org/", "http://user@example.org/")
OTHERS = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: api\n---\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_valid_files_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(GOOD)
    assert main(["validate", "a.yaml"]) == 0
    assert capsys.readouterr() == ("", "1 object is valid\n")


def test_a_mistake_is_told_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(OTHERS + BAD)
    (folder / "b.yaml").write_text(GOOD.replace("  type: http\n", "  type: http\n  colour: red\n"))
    assert main(["validate", "b.yaml", "a.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "b.yaml:7: Monitor web: spec.colour: is not a known field",
        "a.yaml:14: Monitor web: spec.target.http.url: must not contain a user name or password",
    ]
    assert err == "2 mistakes in 2 files, 3 documents read\n"


def test_findings_can_be_had_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.yaml").write_text(BAD)
    assert main(["validate", "--json", "a.yaml"]) == 1
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == {
        "documents": 1,
        "findings": [
            {
                "file": "a.yaml",
                "line": 9,
                "object": "Monitor web",
                "path": "spec.target.http.url",
                "message": "must not contain a user name or password",
            }
        ],
    }


def test_a_directory_stands_for_the_manifests_below_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/a.yml").write_text(GOOD)
    (folder / "deep/b.yaml").write_text(BAD)
    (folder / "deep/notes.txt").write_text("no manifest: [")
    assert main(["validate", "deep"]) == 1
    out, err = capsys.readouterr()
    assert [line.partition(":")[0] for line in out.splitlines()] == ["deep/b.yaml"]
    assert err.endswith("2 documents read\n")


def test_patches_of_an_overlay_may_stand_beside_manifests(folder: Path) -> None:
    patch = folder / "patch.yaml"
    patch.write_text("- {op: replace, path: /spec/enabled, value: false}\n")
    assert main(["validate", "patch.yaml"]) == 0
    patch.write_text("- {op: replace, path: /spec/enabled, value: false}\n- {name: web}\n")
    assert main(["validate", "patch.yaml"]) == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", b"a: 1\nb: [1\n", "a.yaml:3: is no YAML: did not find expected ',' or ']'"),
        ("a.yaml", b"a: &a [*a]\n", "a.yaml:1: cannot be understood: the document is nested too"),
        ("a.yaml", b"a: .nan\n", "a.yaml:1: cannot be understood: a number must be finite"),
        ("a.yaml", b"a: \xff\xfe\n", "a.yaml:1: "),
        ("a.yaml", b"- 1\n", "a.yaml:1: document (no name): must be a mapping with apiVersion,"),
        ("a.yaml", b"? [a]\n: 1\n", "a.yaml:1: is no YAML: a key must be a text"),
        ("a.json", b'{\n"a": tru\n}', "a.json:2: is no JSON: Expecting value"),
        ("a.json", b"", "a.json:1: is no JSON: "),
    ],
)
def test_what_cannot_be_read_as_a_manifest_is_a_mistake(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, text: bytes, said: str
) -> None:
    (folder / name).write_bytes(text)
    (folder / "b.yaml").write_text(BAD)
    assert main(["validate", name, "b.yaml"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(said)
    assert lines[1].startswith("b.yaml:9: ")
    assert len(lines) == 2


def test_a_file_that_is_not_there_is_another_matter(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text(BAD)
    assert main(["validate", "a.yaml", "b.yaml"]) == 2
    assert capsys.readouterr() == ("", "kubekuma: b.yaml: No such file or directory\n")


def test_a_list_is_as_good_as_its_items(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = "".join(f"- {text.replace(chr(10), chr(10) + '  ').rstrip()}\n" for text in (GOOD, BAD))
    (folder / "a.yaml").write_text(f"apiVersion: v1\nkind: List\nitems:\n{items}")
    assert main(["validate", "a.yaml"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("a.yaml:21: Monitor web: spec.target.http.url: ")


def test_json_may_escape_what_yaml_cannot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """{"apiVersion": "monitoring.kubekuma.io/v1", "kind": "Monitor",
"metadata": {"name": "web"},
"spec": {"type": "http", "description": "\\ud83d\\ude00", "description": "",
"target": {"http": {"url": "http://example.org/"}}}}"""
    (folder / "a.json").write_text(text)
    assert main(["validate", "a.json"]) == 1
    assert capsys.readouterr().out == "a.json:1: Monitor web: gives the field description twice\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("apiVersion: monitoring.kubekuma.io/v1\n", ""), "apiVersion: must be monitoring.kubek"),
        (("kind: Monitor", "kind: Monitr"), f"kind: must be one of {NAMES}"),
        (("kind: Monitor\n", ""), f"kind: must be one of {NAMES}"),
    ],
)
def test_what_is_nearly_ours_is_not_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    (folder / "a.yaml").write_text(GOOD.replace(*change))
    assert main(["validate", "a.yaml"]) == 1
    assert said in capsys.readouterr().out


def test_a_bad_template_is_told_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text("""\
apiVersion: monitoring.kubekuma.io/v1
kind: NotificationPolicy
metadata:
  name: all
spec:
  routing:
    providers:
      - ref: {name: chat}
  formatting:
    titleTemplate: "{{ titel }}"
""")
    assert main(["validate", "a.yaml"]) == 1
    assert capsys.readouterr().out == (
        "a.yaml:10: NotificationPolicy all: spec.formatting.titleTemplate:"
        " line 1, column 4: there is no titel: is title meant?\n"
    )

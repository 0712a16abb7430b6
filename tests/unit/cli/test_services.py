"""kubekuma run and standalone: what they say when they cannot start."""

from pathlib import Path

import pytest

from kubekuma.cli.main import main


@pytest.fixture(autouse=True)
def _nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "LISTEN", "KUBEKUMA_DATA"):
        monkeypatch.delenv(name, raising=False)


def test_run_without_credentials_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--listen", "127.0.0.1:0"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("kubekuma: ")
    assert "set KUBECONFIG to a kubeconfig file, or start `kubekuma standalone`" in said


def test_run_names_the_kubeconfig_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--listen", "127.0.0.1:0", "--kubeconfig", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("command", ["run", "standalone"])
def test_a_bad_variable_ends_the_start(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN", "0.0.0.0:3000")
    assert main([command]) == 2
    assert capsys.readouterr().err.startswith("kubekuma: LISTEN is '0.0.0.0:3000': must be ")


@pytest.mark.parametrize("kind", ["nothing", "a file"])
def test_standalone_refuses_manifests_that_are_no_directory(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "manifests"
    if kind == "a file":
        place.write_text("")
    assert main(["standalone", "--manifests", str(place)]) == 2
    assert capsys.readouterr().err == f"kubekuma: --manifests is '{place}': must be a directory\n"
    assert not (tmp_path / "kubekuma-data").exists()


def test_standalone_refuses_to_be_reached_from_elsewhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["standalone", "--kube-listen", "0.0.0.0:0", "--listen", "127.0.0.1:0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("kubekuma: --kube-listen is '0.0.0.0:0': must be an address of the loo")

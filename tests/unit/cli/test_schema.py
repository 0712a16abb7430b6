"""kubekuma schema: what is generated, and whether it is current."""

from pathlib import Path

import pytest
import yaml

from kubekuma.cli.main import main
from kubekuma.cli.schema import generated
from kubekuma.model.kinds import KINDS


def test_every_kind_gets_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", str(tmp_path)]) == 0
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {name for name, _ in generated()}
    assert len(written) == 3 * len(KINDS)
    assert len(capsys.readouterr().out.splitlines()) == len(written)


def test_what_is_current_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["schema", str(tmp_path)])
    capsys.readouterr()
    assert main(["schema", str(tmp_path)]) == 0
    assert main(["schema", "--check", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("drift", ["changed", "gone"])
def test_drift_is_found_and_not_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], drift: str
) -> None:
    main(["schema", str(tmp_path)])
    capsys.readouterr()
    file = tmp_path / "schemas/monitor.json"
    if drift == "gone":
        file.unlink()
    else:
        file.write_text("{}")
    assert main(["schema", "--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{file} is not current: run `kubekuma schema`\n"
    assert file.exists() is (drift == "changed")
    assert main(["schema", str(tmp_path)]) == 0
    assert main(["schema", "--check", str(tmp_path)]) == 0


def test_crds_can_be_piped_into_kubectl(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["schema", "--crds"]) == 0
    found = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [each["metadata"]["name"] for each in found] == [kind.crd_name for kind in KINDS]
    assert list(tmp_path.iterdir()) == []

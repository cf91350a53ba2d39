"""Every notebook in examples/ runs from top to bottom, as a reader would run it, and is kept without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))
DECODE = "decode_a_capture"


def cells(path: Path) -> list[dict[str, Any]]:
    """Return the code cells of a notebook file."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return every notebook as a kernel of this interpreter leaves it."""
    nbformat = pytest.importorskip("nbformat", reason="running notebooks needs nbformat, which the dev extra brings")
    nbclient = pytest.importorskip("nbclient", reason="running notebooks needs nbclient, which the dev extra brings")
    pytest.importorskip("ipykernel", reason="running notebooks needs ipykernel, which the dev extra brings")
    folder = str(tmp_path_factory.mktemp("notebooks"))
    ran = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": folder}}
        ran[path.stem] = nbclient.NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources=resources
        ).execute()
    return ran


def test_there_are_notebooks() -> None:
    assert DECODE in {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    assert [cell["id"] for cell in cells(path) if cell["outputs"] or cell["execution_count"] is not None] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, executed: dict[str, Any]) -> None:
    outputs = [output for cell in executed[path.stem].cells for output in cell.get("outputs", [])]
    assert outputs
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []


def shown(notebook: Any, kind: str) -> list[str]:
    """Return what a notebook shows in one of the forms that outputs have."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    if kind == "text":
        return [output["text"] for output in outputs if output["output_type"] == "stream"]
    return [output["data"][kind] for output in outputs if kind in output.get("data", {})]


def test_the_capture_is_decoded(executed: dict[str, Any]) -> None:
    notebook = executed[DECODE]
    html, text = shown(notebook, "text/html"), "".join(shown(notebook, "text"))
    assert [page for page in html if 'class="pytio-message"' in page and "LOCK_INTERFACE_REQUEST" in page]
    assert [page for page in html if page.count('class="pytio-hit') == 66]
    assert "79     80 [ffffffff] TDISP LOCK_INTERFACE_REQUEST -> LOCK_INTERFACE_RESPONSE" in text
    assert "'CONFIG_UNLOCKED -> CONFIG_LOCKED -> RUN -> CONFIG_UNLOCKED'" in shown(notebook, "text/plain")
    assert "decrypts by itself: True" in text


def test_no_secret_is_shown(executed: dict[str, Any]) -> None:
    import pytio  # noqa: PLC0415  the tests of notebooks need nothing else of it

    data = Path(pytio.__path__[0]) / "data"
    known = json.loads((data / "bring_up.secrets.json").read_text())
    told = json.dumps(executed[DECODE])
    assert [secret for secrets in known.values() for secret in secrets if secret[:16] in told] == []


def test_the_stream_encrypts_and_notices(executed: dict[str, Any]) -> None:
    notebook = executed["ide_stream"]
    text = "".join(shown(notebook, "text"))
    assert "20 bytes 0 delivered" in text
    assert "32 bytes 4 delivered" in text
    assert "error=<IdeError.MAC_MISMATCH: 1>" in text
    assert "on the wire; True" in text
    assert "decrypted: True True" in text


def test_the_device_comes_into_the_guest(executed: dict[str, Any]) -> None:
    text = "".join(shown(executed["confidential_device"], "text"))
    assert "private: cdab" in text
    assert "shared:  ffff" in text
    assert "TIO_DEV_CONNECT" in text
    assert "MMIO_VALIDATE_RSP" in text

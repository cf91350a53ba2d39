"""The documentation tells the truth: its examples run, and what it shows as output is the output.

In README.md and docs/, every fenced block of

- ``python`` runs, in order, sharing names with the others on its page; an ``output`` block after it is what it prints;
- ``pycon`` runs as a doctest in the same names;
- ``console`` has its ``$ pytio ...`` lines run by a shell, and shows what they print; ``...`` stands for anything. They
  end with status 0 unless ``$ echo $?`` shows otherwise. Other commands (``$ make test``) are not run, nor is ``sh``.

Everything runs beside a copy of examples/, as in a checkout. A block that cannot run says so to the editor, not
to the reader: ``<!-- not run: reason -->`` on the line above it.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import pytio

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if page.parent.name not in {"changes", "_build"}),
]
EXTRAS = {"IPython", "numpy", "pandas", "pyarrow", "rich"}
ASSUMPTION = re.compile(r"\b(?:PCIE_A|SEV_A|SPDM_U|LINUX_U)\d+\b")
FRAGMENT = re.compile(r"[\w-]+\.(added|changed|fixed|removed|breaking)\.md")
FENCE = re.compile(
    r"(?P<skip><!-- not run: .+ -->\n)?^```(?P<kind>python|pycon|console|output)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


class Block(NamedTuple):
    """A fenced block: what it is, what it says, and the line its body starts on."""

    kind: str
    body: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    """Return the page's blocks that could run, and those that show what a Python block prints."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(match["kind"], match["body"], text.count("\n", 0, match.start("body")) + 1, match["skip"] is None)
        for match in FENCE.finditer(text)
    ]


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield each command of a console block with the output shown for it."""
    for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def assert_shown(shown: str, printed: str, where: str) -> None:
    """Compare what a page shows with what was printed, the way doctest does; blanks at line ends do not count."""
    shown, printed = (re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE) for text in (shown, printed))
    checker = doctest.OutputChecker()
    if not checker.check_output(shown, printed, doctest.ELLIPSIS):
        example = doctest.Example(where, shown)
        difference = checker.output_difference(example, printed, doctest.ELLIPSIS | doctest.REPORT_NDIFF)
        pytest.fail(f"{where} shows something else than is printed\n{difference}", pytrace=False)


def run_python(page: Path, block: Block, names: dict[str, Any]) -> str:
    """Run a Python block with the line numbers of its page, and return what it prints."""
    printed = io.StringIO()
    code = compile("\n" * (block.line - 1) + block.body, str(page), "exec")
    with contextlib.redirect_stdout(printed):
        exec(code, names)
    return printed.getvalue()


def run_doctest(page: Path, block: Block, names: dict[str, Any]) -> None:
    """Run a ``pycon`` block; its names stay for the blocks that follow."""
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS)
    test = doctest.DocTestParser().get_doctest(block.body, names, page.name, str(page), block.line - 1)
    report = io.StringIO()
    runner.run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    if runner.failures:
        pytest.fail(report.getvalue(), pytrace=False)


def run_console(page: Path, block: Block) -> None:
    """Run the ``pytio`` commands of a console block and compare their output and exit status with what is shown."""
    followed = [*commands(block), ("", "")]
    for (command, shown), (after, status) in pairwise(followed):
        if command.split()[0] == "pytio":
            done = subprocess.run(
                ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            assert_shown(shown, done.stdout, f"{page.name}: {command}")
            assert done.returncode == (int(status) if after == "echo $?" else 0), command


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a copy of examples/ and a ``pytio`` command for this interpreter, on a plain terminal."""
    if (ROOT / "examples").is_dir():
        shutil.copytree(ROOT / "examples", tmp_path / "examples")
    command = tmp_path / "bin" / "pytio"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytio "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.usefixtures("checkout")
def test_examples_run(page: Path) -> None:
    """Run every block of a page from top to bottom."""
    names: dict[str, Any] = {"__name__": page.stem}
    printed = ""
    try:
        for block in blocks(page):
            if not block.runs:
                continue
            match block.kind:
                case "python":
                    printed = run_python(page, block, names)
                case "output":
                    assert_shown(block.body, printed, f"{page.name}:{block.line}")
                case "pycon":
                    run_doctest(page, block, names)
                case _:
                    run_console(page, block)
    except ImportError as error:
        missing = error if isinstance(error, ModuleNotFoundError) else error.__cause__  # what said what it is for
        if not isinstance(missing, ModuleNotFoundError) or missing.name not in EXTRAS:
            raise
        pytest.skip(f"{page.name} needs {missing.name}")


def test_a_false_page_fails(tmp_path: Path, checkout: Path) -> None:
    """The runner sees wrong output, a wrong exception and a wrong exit status."""
    page = tmp_path / "page.md"
    for text in (
        "```python\nprint(1)\n```\n\n```output\n2\n```\n",
        "```pycon\n>>> 1 + 1\n3\n```\n",
        "```console\n$ pytio --no-such-option\n...\n```\n",
    ):
        page.write_text(text)
        with pytest.raises((pytest.fail.Exception, AssertionError)):
            test_examples_run(page)


def test_every_package_has_its_page() -> None:
    packages = {init.parent.name for init in Path(pytio.__path__[0]).glob("*/__init__.py")}
    assert {name for name in packages if not name.startswith("_")} <= {page.stem for page in PAGES}


def test_every_assumption_in_the_code_is_on_the_page() -> None:
    """An assumption that the code names is explained where a holder of the licensed specification looks for it."""
    package = Path(pytio.__path__[0])
    named = {
        name for module in package.rglob("*.py") for name in ASSUMPTION.findall(module.read_text(encoding="utf-8"))
    }
    page = (DOCS / "sources.md").read_text(encoding="utf-8")
    tables = re.findall(r"{assumption-table} (\S+)", page)  # made from the code, which lists the names
    shown = {name for table in tables for name in importlib.import_module(table).ASSUMPTIONS}
    assert sorted(named - shown - set(ASSUMPTION.findall(page))) == []


def test_fragments_are_named_for_their_kind() -> None:
    names = [path.name for path in (DOCS / "changes").iterdir() if path.name != "README.md"]
    assert [name for name in names if not FRAGMENT.fullmatch(name)] == []

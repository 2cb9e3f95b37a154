"""The rules of the house that a tool can hold: layers, light start, sizes, names that ship."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from webpairs_core.records import Outcome

ROOT = Path(__file__).parents[2]
ROOMS = ("core", "crawler", "filters", "shards", "trainer", "pipeline")
SOURCES = [p for room in ROOMS for p in sorted((ROOT / room).rglob("*.py"))]


def test_layers() -> None:
    found = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("command", [["--help"], ["run", "--help"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    heavy = ["torch", "scrapy", "pyarrow", "webdataset", "numpy", "PIL", "duckdb", "langdetect"]
    heavy += ["fasttext", "lingua"]
    code = (
        "import sys\n"
        "from webpairs_pipeline.cli import main\n"
        f"try: main({command!r})\n"
        "except SystemExit: pass\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "usage: webpairs" in found.stdout
    assert found.stderr.strip() == "[]"


def test_arrow_does_not_import_pandas_in_our_commands() -> None:
    """It would at the first list; pandas is installed with the development tools."""
    lists = "import pyarrow as pa; pa.array([1]); print('pandas' in sys.modules)"
    ours = "from webpairs_core.process import without_pandas; without_pandas();"
    for first, expected in (("", "True"), (ours, "False")):
        words = [sys.executable, "-c", f"import sys; {first} {lists}"]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert printed.strip() == expected


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_over_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_except_exception_stands_at_the_boundary_only() -> None:
    found = [p.name for p in SOURCES if "except Exception" in p.read_text(encoding="utf-8")]
    assert found == ["cli.py"]


def test_every_room_is_typed_described_and_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = [f"{room}/webpairs_{room}" for room in ROOMS]
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == packages
    assert project["tool"]["hatch"]["build"]["dev-mode-dirs"] == list(ROOMS)
    assert set(project["tool"]["pytest"]["ini_options"]["pythonpath"]) >= set(ROOMS)
    for room, package in zip(ROOMS, packages, strict=True):
        assert (ROOT / package / "py.typed").exists()
        assert len((ROOT / room / "README.md").read_text().splitlines()) > 3


def test_constraints_pin_what_is_needed_and_not_torch() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {re.sub("[._-]+", "-", line.split("==")[0].lower()) for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = {
        requirement.split(">=")[0].split("[")[0].strip().lower()
        for requirement in [*project["dependencies"], *extras["train"], *extras["dev"]]
    }
    assert all("==" in line for line in lines)
    assert wanted - pinned == {"torch"}
    assert not any(name.startswith("nvidia") for name in pinned)


def test_every_odd_answer_names_a_test_that_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/odd-answers.md").read_text("utf-8")))
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    written = set(re.findall(r"def (test_\w+)\(", sources))
    assert len(named) > 30
    assert named - {"test_house"} <= written


def test_the_documentation_has_every_outcome() -> None:
    text = (ROOT / "docs/outcomes.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == [str(each) for each in Outcome]

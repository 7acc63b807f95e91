"""The files around the code are whole, agree with each other, and show what runs."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator

import pytest

FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", ".ci")
TEXT_SUFFIXES = {"", ".cfg", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}

# What is left over from work that is not done, or from the machine that it was done on. Each
# pattern is written so that it does not match itself.
LEFTOVERS = {
    "unfinished work": r"\b(TO[D]O|FIX[M]E|XX[X])\b",
    "a conflict of a merge": r"^(<{7}|>{7}) ",
    "a path of one machine": r"(?<![\w.])/(roo[t]|wor[k]|User[s])/\w",
    "a breakpoint": r"^\s*breakpoin[t]\(\)",
    "a host of a package registry": r"\b(pyp[i]\.org|pythonhoste[d]\.org|npmj[s]\.org)\b",
}
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def text_files(repository: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields every text file that belongs to the repository."""
    candidates = [path for path in repository.iterdir() if path.is_file()]
    for folder in FOLDERS:
        candidates.extend(path for path in (repository / folder).rglob("*") if path.is_file())
    for path in candidates:
        if path.suffix in TEXT_SUFFIXES and "__pycache__" not in path.parts and path.name != ".git":
            yield path


def code_blocks(path: pathlib.Path, language: str) -> list[str]:
    """Returns the fenced blocks of one language in a Markdown file."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def makefile_targets(repository: pathlib.Path) -> set[str]:
    [phony] = re.findall(r"^\.PHONY: (.*)$", (repository / "Makefile").read_text(), re.MULTILINE)
    return set(phony.split())


@pytest.mark.parametrize("leftover", LEFTOVERS)
def test_nothing_is_left_over(repository: pathlib.Path, leftover: str):
    pattern = re.compile(LEFTOVERS[leftover], re.MULTILINE)
    found = [
        f"{path.relative_to(repository)}: {match.group()}"
        for path in text_files(repository)
        for match in pattern.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not found


def test_links_between_documents_lead_somewhere(repository: pathlib.Path):
    broken = []
    for path in text_files(repository):
        if path.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not (path.parent / target).exists():
                broken.append(f"{path.relative_to(repository)} -> {target}")
    assert not broken


def test_every_target_of_the_makefile_has_a_recipe(repository: pathlib.Path):
    makefile = (repository / "Makefile").read_text()
    for target in makefile_targets(repository):
        assert re.search(rf"^{target}:.*\n\t", makefile, re.MULTILINE), target


def test_every_make_command_of_the_documents_is_a_target(repository: pathlib.Path):
    targets = makefile_targets(repository)
    for path in text_files(repository):
        if path.suffix == ".md":
            for target in re.findall(r"(?:^|`)make (\w+)", path.read_text(), re.MULTILINE):
                assert target in targets, f"{path.relative_to(repository)}: make {target}"


@pytest.mark.parametrize("python", ["", "python-that-is-not-there"])
def test_make_without_a_fit_python_says_which_it_needs(
    repository: pathlib.Path, tmp_path: pathlib.Path, python: str
):
    shutil.copy(repository / "Makefile", tmp_path)
    shutil.copy(repository / "pyproject.toml", tmp_path)
    done = subprocess.run(
        ["make", f"PYTHON={python}", "quickstart"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or 3.12" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_version_is_after_the_last_one_of_tff(repository: pathlib.Path):
    package = (repository / "src" / "tensorflow_federated" / "__init__.py").read_text()
    [version] = re.findall(r'^__version__ = "(\d+)\.(\d+)\.\d+(?:\.dev\d+)?"$', package, re.M)
    assert tuple(map(int, version)) > (0, 87)


def test_continuous_integration_calls_make_test(repository: pathlib.Path):
    script = repository / ".ci" / "run"
    assert "\nmake test" in script.read_text()
    assert script.stat().st_mode & 0o100


def test_every_package_has_its_layer(repository: pathlib.Path):
    settings = tomllib.loads((repository / "pyproject.toml").read_text())
    [contract] = [
        contract
        for contract in settings["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]
    layers = {name.strip(" ()") for layer in contract["layers"] for name in layer.split("|")}
    packages = {
        path.parent.name
        for path in (repository / "src" / "tensorflow_federated").glob("*/__init__.py")
    }
    assert packages <= layers


def test_the_readme_sets_up_with_two_commands(repository: pathlib.Path):
    commands = [
        line for block in code_blocks(repository / "README.md", "sh") for line in block.splitlines()
    ]
    assert commands == ["make quickstart", "make test"]


@pytest.mark.slow
def test_the_program_in_the_readme_prints_what_the_readme_says(
    repository: pathlib.Path, run_python: Callable[..., str]
):
    [program] = code_blocks(repository / "README.md", "python")
    [printed] = code_blocks(repository / "README.md", "text")
    ran = run_python(program)
    assert NUMBER.sub("#", ran) == NUMBER.sub("#", printed)
    # Kernels of other processors round otherwise.
    assert [float(n) for n in NUMBER.findall(ran)] == pytest.approx(
        [float(n) for n in NUMBER.findall(printed)], abs=0.005
    )

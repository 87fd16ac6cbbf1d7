"""The files that describe the environment agree, and `make` fails in one helpful sentence."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests import conftest
from tests.lowest import lowest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
CONDA_NAMES = {"torch": "pytorch-cpu", "matplotlib": "matplotlib-base"}  # where conda's differ


def requirements(lines):
    return {canonicalize_name(r.name): r.specifier for r in map(Requirement, lines)}


def locked():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return requirements(line for line in lines if not line.startswith("#"))


EXTRAS = PROJECT["optional-dependencies"]
EXTRAS_TO_RUN = EXTRAS["course"] + EXTRAS["scale"] + EXTRAS["grade"]
TO_RUN = requirements(PROJECT["dependencies"] + EXTRAS_TO_RUN)
TO_TEST = requirements(EXTRAS["book"] + EXTRAS["test"])


def test_dev_is_every_extra():
    others = sorted(set(EXTRAS) - {"dev"})
    assert EXTRAS["dev"] == [f"honest-splits[{','.join(others)}]"]


def test_the_lock_pins_exact_public_versions():
    for name, specifier in locked().items():
        assert re.fullmatch(r"==[\w.]+", str(specifier)), f"{name}{specifier}"
    assert str(locked()["torch"]) == "==2.13.0"


@pytest.mark.parametrize("name, specifier", [*TO_RUN.items(), *TO_TEST.items()])
def test_the_lock_satisfies_every_range(name, specifier):
    assert specifier and str(locked()[name]).removeprefix("==") in specifier


def test_what_is_installed_is_what_is_locked():
    for name in [*TO_RUN, *TO_TEST]:
        assert locked()[name].contains(Version(version(name)).public), name


def test_conda_has_what_the_notebooks_run_with_in_the_same_ranges():
    python, pip, *packages = CONDA
    assert python == "python=3.11", "Binder reads a single '=' only"
    assert pip == "pip", "postBuild needs it"
    conda = requirements(packages)  # fails on a nested `pip:` section, which Binder must not see
    assert conda == {CONDA_NAMES.get(name, name): s for name, s in TO_RUN.items()}


def test_postbuild_installs_the_helpers_and_writes_the_assignments():
    post_build = ROOT / "postBuild"
    assert os.access(post_build, os.X_OK)
    commands = [line for line in post_build.read_text().splitlines() if line[:1] != "#"]
    assert commands == [
        "set -eu",
        "python -m pip install --no-cache-dir --no-deps -e .",
        "python notebooks/assignments/release.py",
        "jupyter labextension disable --level=sys_prefix @jupyter/nbgrader",
    ]


def test_the_lists_of_conftest_name_what_is_there():
    named = conftest.COURSE | set(conftest.LONGEST_FIRST)
    there = {path.stem for folder in ("tests", "notebooks") for path in (ROOT / folder).rglob("*")}
    assert named - there == set()


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("helpers.base", 1),
        ("leaks.kinds", 1),
        ("__main__", 1),
        ("sklearn.base", 0),
        ("helpers_", 0),
    ],
)
def test_what_a_library_will_take_away_ends_a_program_of_ours_and_no_other(module, code):
    warn = f"warnings.warn_explicit('soon', FutureWarning, 'x.py', 1, module={module!r})"
    command = [sys.executable, "-c", f"import warnings; {warn}"]
    assert subprocess.run(command, capture_output=True).returncode == code


def test_no_two_files_of_tests_have_the_same_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_what_is_written_is_not_committed():
    folders = [".given_out/x", "release/x", "selfstudy/x", "submitted/x"]
    written = [*folders, "gradebook.db", "grades.csv"]
    for path in written:
        command = ["git", "check-ignore", "-q", f"notebooks/assignments/{path}"]
        assert subprocess.run(command, cwd=ROOT).returncode == 0, path


def test_binder_sees_python_conda_and_postbuild():
    repo2docker = shutil.which("repo2docker")
    if repo2docker is None:
        pytest.skip("repo2docker is not installed")
    command = [repo2docker, "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Building conda environment for python=3.11" in said
    # The environment is made before the repository is copied, so that Binder keeps it.
    steps = ['--file "environment.yml"', "src/ ${REPO_DIR}/", "RUN ./postBuild"]
    assert [said.count(step) for step in steps] == [1, 1, 1]
    assert steps == sorted(steps, key=said.index)


# What a newcomer may lack. Each stands in for Python: it is asked for its version with
# `-c`, for an environment with `-m venv`, and for pip with `-m pip`.
OLD = 'exec {python} -c "import sys; sys.version_info = (3, 9, 18); exec(sys.argv[1])" "$2"'
NO_VENV = 'case "$*" in *"-m venv"*) exit 1;; esac; exec {python} "$@"'
NO_ENSUREPIP = 'case "$*" in *--without-pip*) ;; *"-m venv"*) exit 1;; esac; exec {python} "$@"'
NO_PIP = 'case "$*" in *"-m pip"*) exit 1;; esac; ' + NO_ENSUREPIP
NO_NETWORK = 'case "$*" in *" --version") exit;; *"-m pip"*) exit 1;; esac; ' + NO_ENSUREPIP


ROOM = 'echo "x 1 1 99000000 1% /"'  # on the disk, as df says it


def make_lab(folder, lacking, others=()):
    """Run `make lab` in a copy that lacks something, and with stand-ins for other commands."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    python = {"python": lacking.format(python=sys.executable)}
    for name, script in (python | dict(others)).items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    told = ("MAKE", "MFLAGS", "PIP_")  # what make and pip were told outside
    environment = {k: v for k, v in os.environ.items() if not k.startswith(told)}
    return subprocess.run(
        ["make", "lab", f"PYTHON={folder / 'python'}"],
        cwd=folder,
        env=environment | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=1200,
    )


@pytest.mark.parametrize(
    "lacking, sentence",
    [
        (OLD, "Python 3.11 or newer is needed: install it"),
        ("exit 127", "Python 3.11 or newer is needed: install it"),
        (NO_VENV, "cannot make a virtual environment: install its venv module"),
        (NO_PIP, "pip is missing: install it"),
        (NO_NETWORK, "The installation failed"),  # reached, so --without-pip has worked
    ],
    ids=["old Python", "no Python", "no venv", "no pip", "no network"],
)
def test_make_fails_in_one_sentence(tmp_path, lacking, sentence):
    done = make_lab(tmp_path, lacking, {"df": ROOM})
    assert done.returncode != 0
    *_, last, make_says = done.stderr.strip().splitlines()
    assert sentence in last and last.endswith(".")
    assert make_says.startswith("make: ***")
    assert not (tmp_path / ".venv" / "stamp").exists()


def test_make_installs_nothing_into_the_environment_of_another_folder(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "stamp").touch()
    os.utime(other / "stamp", (0, 0))  # older than what it was made from
    (tmp_path / ".venv").symlink_to(other)
    done = make_lab(tmp_path, NO_NETWORK, {"df": ROOM})
    assert done.returncode != 0 and ".venv is a link" in done.stderr
    assert [path.name for path in other.iterdir()] == ["stamp"]


# Answers for pip's settings, and fails to install.
SETTINGS = (
    'case "$*" in *"config list") echo "{said}"; exit;; *" --version") exit;; '
    '*"-m pip"*) exit 1;; esac; ' + NO_ENSUREPIP
)
INTEL, MAC = "echo Linux x86_64", "echo Darwin arm64"
INDEX = ":env:.extra-index-url='somewhere'"


@pytest.mark.parametrize(
    "system, said, announced",
    [
        (INTEL, "", ["3 GB to download", "with CUDA", "PIP_EXTRA_INDEX_URL"]),
        (INTEL, INDEX, ["460 MB", "Else", "3 GB to download"]),
        (MAC, "", ["460 MB"]),
    ],
    ids=["CUDA", "an index", "a Mac"],
)
def test_make_says_how_much_will_come(tmp_path, system, said, announced):
    lacking = SETTINGS.replace("{said}", said)
    done = make_lab(tmp_path, lacking, {"uname": system, "df": ROOM})
    assert [words for words in announced if words not in done.stdout] == []
    assert ("CUDA" in done.stdout) == (len(announced) > 1)
    assert "The installation failed" in done.stderr


@pytest.mark.parametrize("system, room", [(INTEL, 9), (MAC, 3)])
def test_make_looks_for_room_on_the_disk(tmp_path, system, room):
    full = f'echo "x 1 1 {room}00000 99% /"'
    done = make_lab(tmp_path, SETTINGS.replace("{said}", ""), {"uname": system, "df": full})
    assert "There is too little room on the disk: 0 GB are free" in done.stderr
    assert f"needs {room}" in done.stderr and "installation failed" not in done.stderr


def test_the_lowest_versions_are_those_of_pyproject():
    pins = requirements(lowest())
    assert pins.keys() == requirements(PROJECT["dependencies"]).keys()
    for name, specifier in requirements(PROJECT["dependencies"]).items():
        low = Version(str(pins[name]).removeprefix("=="))
        assert low in specifier and f">={low}" in str(specifier), name

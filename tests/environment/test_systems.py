"""What a system other than this one meets: commands, missing modules, encodings, ends of lines.

The README's commands are run here as they stand there. Their environment sees the packages that are
installed already, so that nothing is downloaded.
"""

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import time
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.lessons.test_readme import README, ROOT
from tests.processes import running

HANGS = 1200  # seconds that only a hang can reach
BLOCKS = dict(re.findall(r"```(console|ipython)\n(.*?)```", README, re.DOTALL))
COMMANDS, COLAB = (BLOCKS[kind].splitlines() for kind in ("console", "ipython"))


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of what git keeps, as a learner has it."""
    folder = tmp_path_factory.mktemp("systems") / "course"
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def shell(course):
    """Run lines of a shell in the copy, with the new environment first and nothing downloaded."""
    home = course.parent / "home"
    (home / "config").mkdir(parents=True)
    settings = "c.ServerApp.allow_root = True\nc.ServerApp.open_browser = False\n"
    (home / "config" / "jupyter_server_config.py").write_text(settings, "utf-8")
    outside = {name: os.environ[name] for name in os.environ if not name.startswith("PIP_")}
    path = [course / ".venv/bin", Path(sys.executable).parent, os.environ["PATH"]]
    environment = outside | {
        "PATH": os.pathsep.join(map(str, path)),
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's word for: use the setuptools that is there
        "PIP_CONFIG_FILE": os.devnull,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "PYTHONUNBUFFERED": "1",
    }

    def run(line, cwd=course):
        done = subprocess.run(
            line,
            shell=True,
            cwd=cwd,
            env=environment,
            capture_output=True,
            text=True,
            timeout=HANGS,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    run.environment = environment
    return run


@pytest.fixture(scope="module")
def environment_made(course, shell):
    """The first line of the README; then the new environment is shown the packages of this one."""
    shell(COMMANDS[0])
    paths = {"base": str(course / ".venv"), "platbase": str(course / ".venv")}
    inside = Path(sysconfig.get_path("purelib", vars=paths))
    for bundled in inside.glob("*setuptools*"):  # Python 3.11 brings one that is too old
        shutil.rmtree(bundled)
    (inside / "outside.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")


def test_the_commands_are_those_of_every_system():
    assert [line.split()[0] for line in COMMANDS] == [
        "python",
        r".venv\Scripts\activate",
        *["python"] * 3,
    ]
    assert "`source .venv/bin/activate`" in README
    assert not any(sign in " ".join(COMMANDS) for sign in "'$&;/\\" if sign not in "/\\")


def test_the_commands_bring_the_first_lesson(course, shell, environment_made):
    _, _, install, release, lab = COMMANDS
    assert (course / ".venv/bin/activate").exists()
    shell(f"source .venv/bin/activate; {install}".replace("source", "."))
    where = shell('python -c "import helpers; print(helpers.__file__)"', cwd=course.parent)
    assert Path(where.strip()) == course / "helpers/__init__.py"
    shell(release)
    assert list((course / "notebooks/assignments/selfstudy").glob("*/*.ipynb"))
    command = [str(course / ".venv/bin/python"), *lab.split()[1:]]
    runtime = Path(shell.environment["JUPYTER_RUNTIME_DIR"])
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with running(command, cwd=course, env=shell.environment, **quiet) as server:
        # Written once it answers, after a page without a file: the one a browser is sent to.
        deadline = time.monotonic() + HANGS
        while not any(
            "/lab/tree/01_split.ipynb" in page.read_text("utf-8")
            for page in runtime.glob("jpserver-*-open.html")
        ):
            assert server.poll() is None and time.monotonic() < deadline
            time.sleep(0.2)


def test_the_tests_of_helpers_can_be_run_without_make(shell, environment_made):
    command = re.search(r"`(python -m pytest --helpers-only [^`]*)`", README)[1]
    assert "passed" in shell(f"{command} tests/test_plots.py")


def test_the_first_cell_for_colab_brings_helpers_and_leaks(course, shell, environment_made):
    clone, install, others, enter = COLAB
    fork = course.parent / "fork"
    shutil.copytree(course, fork, ignore=shutil.ignore_patterns(".venv"))
    identity = "-c user.name=a -c user.email=a@example.org"
    shell(f"git init -q && git add -A && git {identity} commit -qm x", cwd=fork)
    machine = course.parent / "machine"
    machine.mkdir()
    address = clone.split()[-2]
    assert address == "https://github.com/OWNER/REPOSITORY"
    shell(clone.removeprefix("!").replace(address, f"file://{fork}"), cwd=machine)
    assert "--no-deps" in install
    shell(f"python -m {install.removeprefix('%')}", cwd=machine)
    shell(f"python -m {others.removeprefix('%')}", cwd=machine)
    inside = machine / enter.split()[-1]
    asks = "import helpers, leaks; print(helpers.__file__); print(leaks.__file__)"
    ours, theirs = map(Path, shell(f'python -c "{asks}"', cwd=inside).split())
    assert theirs.parent == inside / "leaks"
    assert "site-packages" in str(ours) or "course" in str(ours)


def needed_by(name, seen):
    """Add to `seen` what a distribution needs, and what that needs in turn."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # for another system, say
        return
    for requirement in map(Requirement, lines):
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name.lower() not in seen:
            seen.add(requirement.name.lower())
            needed_by(requirement.name, seen)


def test_the_first_cell_leaves_torch_as_it_is():
    packages = [Requirement(text).name for text in re.findall(r'"([^"]+)"', COLAB[2])]
    assert "scikit-learn" in packages
    for package in packages:
        seen = set()
        needed_by(package, seen)
        assert "numpy" in seen or package == "distributed", "its metadata was read"
        assert "torch" not in seen


# Windows has none of these. The libraries, which ask which system this is, are imported before.
LIBRARIES = (
    "distributed, ipywidgets, IPython, matplotlib.pyplot, scipy.stats, skorch, sklearn, torch"
)
POSIX = ["fcntl", "grp", "pwd", "resource", "termios", "tty"]
WINDOWS = f"""
import importlib, os, signal, sys
import {LIBRARIES}
for name in {POSIX}:
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "getuid", "geteuid", "killpg", "getpgid", "setsid"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGKILL", "SIGXCPU", "SIGALRM", "setitimer", "alarm"):
    if hasattr(signal, name):
        delattr(signal, name)
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def modules(home, package):
    for path in sorted((home / package).rglob("*.py")):
        if path.name != "__main__.py":
            name = ".".join(path.relative_to(home).with_suffix("").parts)
            yield name.removesuffix(".__init__")


def test_the_learners_part_needs_nothing_that_windows_lacks():
    homes = {ROOT: "helpers", ROOT / "notebooks": "leaks"}
    names = {package: list(modules(home, package)) for home, package in homes.items()}
    assert all(len(found) > 3 for found in names.values())
    command = [sys.executable, "-c", WINDOWS, ROOT / "notebooks", *sum(names.values(), [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANGS)
    assert done.returncode == 0, done.stderr


def test_the_report_of_a_machine_names_versions_kernels_and_threads(capsys):
    runpy.run_module("helpers", run_name="__main__")  # as python -m does, with torch imported once
    said = capsys.readouterr().out
    names = {line.partition(": ")[0] for line in said.splitlines()}
    assert names >= {"Python", "system", "torch", "scikit-learn", "torch's threads", "blas"}
    assert str(Path.home()) not in said
    template = ROOT / ".github/ISSUE_TEMPLATE/something-is-wrong.md"
    assert "python -m helpers" in template.read_text("utf-8")


# Calls that read or write text in the encoding of the system, unless they name another.
LINUX_ONLY = {"cgroup.py", "launch.py", "walls.py"}  # the sandbox
TEXT = {"open": (1, 3), "read_text": (None, 0), "write_text": (None, 1)}


def without_encoding(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        module = getattr(getattr(node.func, "value", None), "id", None)
        if name not in TEXT or module in ("os", "Image", "webbrowser"):
            continue
        mode, encoding = TEXT[name]
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        modes = node.args[1:2] if mode else []
        if any("b" in getattr(m, "value", "") for m in modes) or "encoding" in given:
            continue
        if len(node.args) <= encoding:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_text_is_read_and_written_as_utf_8():
    folders = ["helpers", "notebooks"]
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    read = [path for path in paths if path.name not in LINUX_ONLY]
    assert [place for path in read for place in without_encoding(path)] == []


def test_a_call_without_an_encoding_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "x.py"
    path.write_text(
        "open('a')\nopen('a', 'rb')\np.read_text()\np.write_text('a', 'utf-8')\n", "utf-8"
    )
    assert list(without_encoding(path)) == ["x.py:1", "x.py:3"]


def test_every_text_file_has_the_ends_of_lines_of_unix():
    command = ["git", "ls-files", "--eol"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [line for line in listed.splitlines() if re.match(r"i/(crlf|mixed)", line)] == []
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text("utf-8")

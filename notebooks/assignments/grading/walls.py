"""What code that nobody has read can see: a root that begins empty (bubblewrap, on Linux).

Shown in it, read-only, are the programs and libraries of the system, Python, its packages and
`helpers`. Files of the assignment are copied in. The temporary folders are new and hold so many
bytes; no network, no other process, no socket and no other file of the machine is there.
"""

import functools
import importlib.util
import os
import shutil
import site
import stat
import subprocess
import sys
from pathlib import Path

HOME = "/tmp/student"  # in which the notebook runs
FILES, SHARED = 200_000_000, 128_000_000  # bytes in /tmp, HOME included, and in /dev/shm
SYSTEM = [
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime"),
    *("/etc/fonts", "/etc/mime.types", "/sys/devices/system/cpu"),
]
PARTS = ["bin", "lib", "lib64", "share", "etc", "pyvenv.cfg"]  # of Python's prefix
KEPT = ["LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONWARNINGS", "PYTHONHASHSEED"]
PASSWD = "student:x:{0}:{0}::" + HOME + ":/bin/sh\n"
USER = 1000  # the number that the code believes its user to have


def protection():
    """Return whether the walls stand here: bubblewrap, on Linux, with user namespaces."""
    return not trouble()


@functools.cache
def trouble():
    """Return why the walls cannot stand on this machine; an empty text where they can."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    test = [*command({}), sys.executable, "-I", "-S", "-c", ""]
    done = subprocess.run(test, capture_output=True, text=True, env=environment())
    return (done.stderr.strip() or "bubblewrap fails") if done.returncode else ""


@functools.cache
def known_options():
    return subprocess.run(["bwrap", "--help"], capture_output=True, text=True).stdout


def bounded():
    """Return whether this bubblewrap can limit its temporary folders by itself."""
    return "--size" in known_options()


def command(given, hidden=()):
    """Return the command that starts another where nothing is seen but what is meant to be.

    Parameters
    ----------
    given : dict of str to tuple of str
        For files and folders that are shown elsewhere, or may be written into: bubblewrap's option
        and the place inside.
    hidden : list of str
        Folders that are empty inside, should they lie in one that is shown.
    """
    line = [
        shutil.which("bwrap"),
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
    ]
    line += ["--disable-userns"] if may_forbid_more() else []
    line += ["--uid", str(USER), "--gid", str(USER), "--hostname", "grading"]
    line += [*size(FILES), "--tmpfs", "/tmp", "--dir", HOME]
    line += ["--dev", "/dev", *size(SHARED), "--tmpfs", "/dev/shm", "--proc", "/proc"]
    line += show([*SYSTEM, *python()], hidden)
    for source, (option, place) in given.items():
        line += [option, source, place]
    for place in ("/proc", "/dev", "/"):  # root may else write settings of the machine into /proc
        line += ["--remount-ro", place]
    return [*line, "--chdir", HOME]


def may_forbid_more():
    """Return whether bubblewrap can forbid a namespace within the walls: not where it is setuid."""
    setuid = os.stat(shutil.which("bwrap")).st_mode & stat.S_ISUID
    return "--disable-userns" in known_options() and not setuid


def size(limit):
    return ["--size", str(limit)] if bounded() else []


def python():
    """Return the files and folders of Python, its packages and helpers."""
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    found = [os.path.join(prefix, part) for prefix in prefixes for part in PARTS]
    found += packages(sys.path)
    found += [sys.executable, *map(str, helpers()), *libraries()]
    return found


def packages(paths):
    return [path for path in paths if os.path.basename(path) in ("site-packages", "dist-packages")]


def helpers():
    """Return where the package of this course lies, which is often outside of Python's folders."""
    spec = importlib.util.find_spec("helpers")
    return [Path(place) for place in (spec and spec.submodule_search_locations) or []]


def libraries():
    """Return the shared libraries in use, which Nix and Homebrew keep in folders of their own."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    files = {line.split(maxsplit=5)[-1] for line in lines if "/" in line}
    return sorted(file for file in files if ".so" in os.path.basename(file))


@functools.cache
def looked_up(path):
    """Return the places that a path leads to, and the symbolic links on the way to them."""
    places, links, waiting = set(), {}, [path]
    while waiting:
        path = Path(waiting.pop())
        for place in [*reversed(path.parents), path]:
            if place.is_symlink() and str(place) not in links:
                links[str(place)] = os.readlink(place)
            if place.is_symlink():
                real = os.path.normpath(place.parent / os.readlink(place) / path.relative_to(place))
                waiting += [] if real in places or real == str(path) else [real]
                break
        else:
            places |= {str(path)} if path.exists() else set()
    return places, links


def show(paths, hidden=()):
    """Return bubblewrap's options that show these, read-only, and nothing that lies beside them.

    A symbolic link on the way is one inside as well, and what it leads to is shown.
    """
    places, links = set(), {}
    for path in paths:
        found = looked_up(os.path.abspath(path))
        places, links = places | found[0], links | found[1]
    options, shown = [], []
    for place in sorted(places):
        if not any(Path(place).is_relative_to(folder) for folder in shown):
            shown.append(place)
            options += ["--ro-bind", place, place]
    for folder in hidden:
        if any(Path(folder).is_relative_to(place) for place in shown):
            options += ["--tmpfs", folder, "--remount-ro", folder]
    for link, target in sorted(links.items()):
        if not any(Path(link).is_relative_to(folder) for folder in shown):
            options += ["--symlink", target, link]
    return options


def environment(scratch=HOME):
    """Return the few variables that graded code sees, whether within walls or not."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    wanted = [os.path.realpath(place.parent) for place in helpers()]
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = packages(given) + [path for path in given if os.path.realpath(path) in wanted]
    temporary = "/tmp" if scratch == HOME else scratch
    kept |= {"PYTHONPATH": os.pathsep.join(paths)} if paths else {}
    kept |= {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
    return kept | {
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), "/usr/bin", "/bin"]),
        "HOME": scratch,
        "USER": "student",
        "LOGNAME": "student",
        "TMPDIR": temporary,
        "IPYTHONDIR": os.path.join(scratch, ".ipython"),
        "MPLCONFIGDIR": os.path.join(scratch, ".matplotlib"),
        "OMP_NUM_THREADS": "1",
    }

"""Start a Jupyter kernel for code that nobody has read: `python sandbox.py CONNECTION SETTINGS`.

The kernel may use so much memory and processor time, and write files of so many bytes. Where
bubblewrap (https://github.com/containers/bubblewrap) is at hand, it also sees no network, cannot
write outside its scratch folder, and finds the hidden folders empty.
"""

import json
import os
import shutil
import signal
import subprocess
import sys

FILE_BYTES = 100_000_000
OUTPUT_BYTES = 5_000_000  # of text and pictures shown; what comes after is dropped
# Run by the kernel before the first cell. What a flood prints would else fill the line to nbgrader,
# which on a busy machine then takes longer to empty than it may wait.
BOUNDED = f"""
import sys
def bounded(write, left={OUTPUT_BYTES}):
    def until_it_is_too_much(text):
        nonlocal left
        left -= len(text)
        return write(text) if left > 0 else len(text)
    return until_it_is_too_much
for stream in (sys.stdout, sys.stderr):
    stream.write = bounded(stream.write)
del sys, bounded, stream
"""
# The kernel would end a moment after exit(): too late for a quick notebook, in the midst of others.
NO_EXIT = "get_ipython().ask_exit = lambda: None"


WALLS = ["bwrap", "--unshare-all", "--die-with-parent"]
WALLS += ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]


def protection():
    """Return whether bubblewrap works here: it needs Linux and user namespaces."""
    if shutil.which("bwrap") is None:
        return False
    return subprocess.run([*WALLS, "true"], capture_output=True).returncode == 0


def command(connection, scratch, hidden, protected):
    """Return the command line of the kernel."""
    # -P and ignore_cwd: a helpers.py beside the notebook must not stand in for the package.
    kernel = [sys.executable, "-P", "-m", "ipykernel_launcher", "-f", connection]
    kernel += ["--IPKernelApp.ignore_cwd=True", "--HistoryManager.hist_file=:memory:"]
    kernel += [f"--IPKernelApp.exec_lines={line}" for line in (BOUNDED, NO_EXIT)]
    if not protected:
        return kernel
    walls = WALLS.copy()
    for folder in hidden:
        walls += ["--tmpfs", folder]
    return [*walls, "--bind", scratch, scratch, "--chdir", scratch, *kernel]


def limit(megabytes, seconds):
    """Limit this process and those that it starts."""
    import resource  # not on Windows

    for what, most in [
        (resource.RLIMIT_DATA, megabytes * 2**20),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ]:
        _, ceiling = resource.getrlimit(what)
        most = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        resource.setrlimit(what, (most, most))


def main(connection, settings):
    settings = json.loads(settings)
    scratch = settings["scratch"]
    # Files that an assignment brings along; the notebook itself, with its tests, stays away.
    shutil.copytree(
        os.getcwd(), scratch, ignore=shutil.ignore_patterns("*.ipynb"), dirs_exist_ok=True
    )
    os.chdir(scratch)
    limit(settings["megabytes"], settings["seconds"])
    os.environ |= {"IPYTHONDIR": scratch, "TMPDIR": scratch, "OMP_NUM_THREADS": "1"}
    if settings["protected"]:
        # Inside, processes are counted anew: the kernel would look for its parent in vain. An
        # interrupt is for the kernel, which listens to it while a cell runs, not for bubblewrap.
        del os.environ["JPY_PARENT_PID"]
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What the kernel itself says is for nobody; what the cells print reaches nbgrader by itself.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    line = command(connection, scratch, settings["hidden"], settings["protected"])
    os.execvp(line[0], line)


if __name__ == "__main__":
    main(*sys.argv[1:])

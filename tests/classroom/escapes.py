"""What a student's code may try: each says ESCAPED where it has reached what is not its own.

`{token}` and its like are filled in by the tests. All run behind a right answer, so that the points
show what an attempt costs.
"""

FIND = """
import os
places = [{places}]
for place in places:
    for folder, folders, files in os.walk(place):
        if folder.count("/") > 12:
            folders.clear()
        if "{name}" in files:
            print("ESCAPED", folder)
        for name in files:
            if name.startswith("kernel") and name.endswith(".json"):
                if "shell_port" in open(os.path.join(folder, name)).read():
                    print("ESCAPED: a connection file", folder, name)
"""
READ = """
for path in [{secret}]:
    try:
        print("ESCAPED", open(path).read()[:80])
    except OSError:
        pass
"""
ENVIRONMENT = """
import glob, os
if "{token}" in str(dict(os.environ)):
    print("ESCAPED")
for file in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try:
        if b"{token}" in open(file, "rb").read():
            print("ESCAPED", file)
    except OSError:
        pass
"""
OTHER_ROOTS = """
import glob, os
for root in glob.glob("/proc/[0-9]*/root") + glob.glob("/proc/[0-9]*/cwd"):
    for path in [{secret}]:
        if os.path.exists(root + path):
            print("ESCAPED", root)
"""
TRACE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for pid in {pids}:
    if libc.ptrace(16, pid, None, None) == 0:
        print("ESCAPED: attached to", pid)
        libc.ptrace(17, pid, None, None)
"""
DESCRIPTORS = """
import os
for number in range(3, 256):
    try:
        os.stat("../../../../../../../../../../..{path}", dir_fd=number)
        print("ESCAPED through", number)
    except OSError:
        pass
    try:
        if "{folder}" in os.readlink("/proc/self/fd/" + str(number)):
            print("ESCAPED", number)
    except OSError:
        pass
"""
CONNECT = """
import socket
for family, address in [(socket.AF_UNIX, "{socket}"), (socket.AF_UNIX, "\\0{abstract}"),
                        (socket.AF_INET, ("127.0.0.1", {port}))]:
    try:
        with socket.socket(family) as line:
            line.settimeout(5)
            line.connect(address)
            print("ESCAPED", address)
    except OSError:
        pass
"""
LINKS = """
import os
for number, path in enumerate([{secret}]):
    for link in (os.symlink, os.link):
        try:
            link(path, "%s%d" % (link.__name__, number))
            print("ESCAPED", open("%s%d" % (link.__name__, number)).read()[:80])
        except OSError:
            pass
"""
FIFO = """
import os
for place in (".", "/tmp", "/dev/shm"):
    os.mkfifo(place + "/pipe.ipynb")
    os.symlink("pipe.ipynb", place + "/round")
    os.symlink(".", place + "/about")
"""
WRITE = """
import os, sys, numpy
from importlib.util import find_spec
packages = [find_spec("helpers").submodule_search_locations[0], numpy.__path__[0]]
for place in [sys.prefix, sys.base_prefix, *packages, "/usr/bin", "/etc", {folders}]:
    for path in (place, os.path.dirname(place)):
        try:
            open(path + "/{mark}", "w").write("x")
            print("WRITTEN", path)
        except OSError:
            pass
try:
    open("/proc/sys/kernel/core_pattern", "r+").close()
    print("ESCAPED: settings of the machine can be written")
except OSError:
    pass
"""
MOUNT = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) == 0 or libc.unshare(0x20000) == 0:
    print("ESCAPED: a namespace of its own")
if libc.mount(b"none", b"/usr", None, 32 | 4096, None) == 0 or ctypes.get_errno() != errno.EPERM:
    print("ESCAPED: may mount")
if libc.umount2(b"/proc", 4) == 0 or ctypes.get_errno() != errno.EPERM:
    print("ESCAPED: may unmount")
"""
GROUPS = """
import glob, os
for file in glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True):
    try:
        open(file, "w").write(str(os.getpid()))
        print("ESCAPED", file)
    except OSError:
        pass
import resource
for name in ("RLIMIT_DATA", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE"):
    try:
        limit = getattr(resource, name)
        resource.setrlimit(limit, (resource.getrlimit(limit)[0] + 1,) * 2)
        print("ESCAPED", name)
    except (ValueError, OSError):
        pass
"""
KEYS = """
import ctypes, os
call = {{"x86_64": 250, "aarch64": 219}}.get(os.uname().machine)
libc = ctypes.CDLL(None, use_errno=True)
if call and libc.syscall(call, 10, -3, b"user", b"{token}", 0) > 0:
    print("ESCAPED: a key of the session")
"""
OUTLIVE = """
import os, subprocess, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        os.execv(sys.executable, ["{mark}", "-S", "-c", "import time; time.sleep(3600)"])
    os._exit(0)
time.sleep(0.5)
"""
SIGNALS = """
import os, signal
for pid in {pids}:
    for sign in (0, signal.SIGCONT):
        try:
            os.kill(pid, sign)
            print("ESCAPED: can signal", pid)
        except OSError:
            pass
"""
SHARED_MEMORY = """
from multiprocessing import shared_memory
import ctypes
try:
    block = shared_memory.SharedMemory("{memory}")
    print("ESCAPED", bytes(block.buf[:8]))
except FileNotFoundError:
    pass
if ctypes.CDLL(None).shmget({key}, 16, 0) != -1:
    print("ESCAPED: System V")
"""
READING = {
    "finds files": FIND,
    "reads files": READ,
    "reads environments": ENVIRONMENT,
    "looks through other processes": OTHER_ROOTS,
    "traces": TRACE,
    "looks for open files": DESCRIPTORS,
    "connects": CONNECT,
    "links": LINKS,
    "leaves pipes": FIFO,
    "writes": WRITE,
    "mounts": MOUNT,
    "leaves its limits": GROUPS,
    "takes keys": KEYS,
    "outlives the kernel": OUTLIVE,
    "sends signals": SIGNALS,
    "shares memory": SHARED_MEMORY,
}
# These reach for nothing: what they leave behind is looked for when the notebook is graded.
QUIET = ["leaves pipes", "outlives the kernel"]

# What takes too much: the code, what it still scores (None: not graded), and a word of the remark.
# A kernel that is itself too large may end its cell in time to be kept.
EITHER = "graded or not"
ANY = " "  # a sentence, whichever: more than one limit is met, and any may be seen first
GREED = {
    "shared memory": (
        "import mmap\nm = mmap.mmap(-1, 3 * 2**30)\nfor i in range(0, 3 * 2**30, 4096): m[i] = 1",
        EITHER,
        "met the limit of memory",
    ),
    "children": (
        "import subprocess, sys\ncode = 'x = bytearray(1500 * 2**20); input()'\n"
        "line = [sys.executable, '-c', code]\n"
        "them = [subprocess.Popen(line, stdin=subprocess.PIPE) for _ in range(4)]\n"
        "[one.wait() for one in them]",
        3,
        "met the limit of memory",
    ),
    "forks": (
        # 10 more than the limit of grading/room.py, and fewer than a cgroup allows. Python
        # swallows an interrupt that comes while it calls what is registered.
        "import os, time\nos.register_at_fork(after_in_parent=lambda: time.sleep(0.05))\n"
        "for _ in range(74 + 2 * os.cpu_count()):\n"
        "    if os.fork() == 0:\n        time.sleep(3600)\n"
        "time.sleep(3600)",
        3,
        "met the limit of processes",
    ),
    "fork bomb": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        EITHER,
        ANY,
    ),
    "files": (
        "for i in range(10): open(f'f{i}', 'wb').write(b'x' * 50_000_000)",
        3,
        "met the limit of files",
    ),
    "a file": ("open('f', 'wb').write(b'x' * 150_000_000)", 3, "met the limit of files"),
    "files in memory": (
        "for i in range(10): open(f'/dev/shm/f{i}', 'wb').write(b'x' * 50_000_000)",
        3,
        "met the limit of files",
    ),
    "a repr": ("class A:\n    def __repr__(self): return 'x' * 300_000_000\nA()", 3, ""),
    "an error": ("raise ValueError('<' * 100_000_000)", 3, "cell `double`: ValueError: <<<"),
    "a line": ("print('x' * 300_000_000)", 3, ""),
    "past Python": (
        "import os, sys\nfor _ in range(300): os.write(1, b'x' * 1_000_000)\n"
        "sys.__stdout__.write('x' * 100_000_000)",
        3,
        "",
    ),
    "pictures": (
        "import base64, os\nfrom IPython.display import display\nfor _ in range(300):\n"
        "    display({'image/png': base64.b64encode(os.urandom(20_000)).decode()}, raw=True)",
        3,
        "",
    ),
    "a long cell": ("'''" + "a < b & c\n" * 200_000 + "'''", 3, ""),
    "a message": (
        "from jupyter_client.session import Session\nkernel = get_ipython().kernel\n"
        "line = Session(key=kernel.session.key)\nline.send(kernel.iopub_socket, 'stream', "
        "{'name': 'stdout', 'text': 'x' * 60_000_000}, parent=kernel.get_parent())",
        None,
        "a message too long to be read",
    ),
}

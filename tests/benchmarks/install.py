"""Install: what comes down, what lies on the disk, seconds until the first lesson is shown."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.benchmarks.lessons import answering

ROOT = Path(__file__).parents[2]
WHAT = ["-c", "constraints.txt", "-e", ".[course,scale,grade]"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        start = time.perf_counter()
        run(sys.executable, "-m", "venv", Path(folder) / "venv")
        report = Path(folder) / "report.json"
        run(python, "-m", "pip", "install", "--no-cache-dir", "--report", report, *WHAT)
        installed = time.perf_counter() - start
        packages = json.loads(report.read_text("utf-8"))["install"]
        sizes = {p["metadata"]["name"]: size(p["download_info"]["url"]) for p in packages}
        used = disk(Path(folder) / "venv")
        start = time.perf_counter()
        with answering([python, "-m", "jupyterlab"], ROOT / "notebooks"):
            shown = time.perf_counter() - start
    print(
        f"  {len(sizes)} packages, {sum(sizes.values()) / 1e6:.0f} MB to download, of which torch "
        f"{sizes['torch'] / 1e6:.0f}; {used / 1e6:.0f} MB on the disk"
    )
    print(f"  {installed:.0f} s to install, {shown:.0f} s more until JupyterLab shows a page")


def run(*command):
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def size(url):
    """Return the bytes of what pip has fetched; the course's own folder counts as none."""
    if url.startswith("file:"):
        path = Path(urllib.request.url2pathname(url.removeprefix("file:")))
        return path.stat().st_size if path.is_file() else 0
    request = urllib.request.Request(url, method="HEAD")
    with urllib.request.urlopen(request) as answer:
        return int(answer.headers["Content-Length"])


def disk(folder):
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(path.lstat().st_blocks * 512 for path in files)


if __name__ == "__main__":
    main()

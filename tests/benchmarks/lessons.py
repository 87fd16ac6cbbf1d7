"""Lessons: seconds to run all cells on one core, and the kernel's peak memory."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        lessons = Path(shutil.copytree(ROOT / "notebooks", Path(folder) / "notebooks"))
        for copy in sorted(lessons.glob("*.ipynb")):
            command = [sys.executable, ROOT / "tests" / "refresh.py", copy]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  {run.stdout.strip()}")

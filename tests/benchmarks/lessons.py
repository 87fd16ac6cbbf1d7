"""Lessons: seconds to run all cells on one core, and the kernel's peak memory."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main():
    with tempfile.TemporaryDirectory() as folder:
        for notebook in sorted(ROOT.glob("notebooks/*.ipynb")):
            copy = shutil.copy(notebook, folder)
            command = [sys.executable, ROOT / "tests" / "refresh.py", copy]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            print(f"  {run.stdout.strip()}")

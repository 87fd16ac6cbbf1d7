"""Print the lowest version of each library that pyproject.toml asks for: `torch==2.6 ...`."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest():
    for line in tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]:
        requirement = Requirement(line)
        (low,) = (part.version for part in requirement.specifier if part.operator == ">=")
        yield f"{requirement.name}=={low}"


if __name__ == "__main__":
    print(*lowest())

"""Copy a picture of lesson 04 to where the README shows it; `make refresh` runs this."""

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / ".github" / "earlier_epochs.png"


def lesson_picture():
    """Return the PNG, and its alternative text, of lesson 04's curve."""
    notebook = nbformat.read(ROOT / "notebooks" / "04_fitted_model_reuse.ipynb", as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data and "against earlier epochs" in data["text/plain"]:
                return base64.b64decode(data["image/png"]), data["text/plain"]
    raise ValueError("Lesson 04 has no stored picture of earlier epochs; run make refresh.")


if __name__ == "__main__":
    PICTURE.write_bytes(lesson_picture()[0])

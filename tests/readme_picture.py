"""Copy lesson 04's first picture to where the README shows it; `make refresh` runs this."""

import base64
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / ".github" / "earlier_epochs.png"


def first_picture():
    """Return the PNG, and its alternative text, of the first figure in lesson 04."""
    notebook = nbformat.read(ROOT / "notebooks" / "04_fitted_model_reuse.ipynb", as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                return base64.b64decode(output.data["image/png"]), output.data["text/plain"]
    raise ValueError("Lesson 04 has no stored picture; run make refresh.")


if __name__ == "__main__":
    PICTURE.write_bytes(first_picture()[0])

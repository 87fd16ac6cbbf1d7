"""From a student's files to notebooks: whatever their endings, and out of zip files too."""

import json
import time
import zipfile
from dataclasses import dataclass

import nbformat

HEAVY = 10_000_000  # bytes; a submission without outputs has some 10,000
HEAVIEST = 300_000_000
KINDS = {
    (".html", ".htm"): "a web page, which shows a notebook and is none",
    (".py",): "a script made from a notebook",
    (".pdf", ".docx", ".doc", ".odt", ".md"): "a text made from a notebook",
    (".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"): "an archive that is not opened here",
}
NEW = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
CURE = "Ask for the .ipynb file."


class NotGraded(Exception):
    """A submission cannot be graded; the message is the reason and the cure."""


@dataclass
class Found:
    """What may be a notebook: its name, its time and its bytes."""

    name: str
    when: float
    data: bytes


def unpack(file):
    """Return what may be a notebook in a file; raise `NotGraded` where nothing is."""
    try:
        size = file.stat().st_size
        if size > HEAVIEST:
            raise NotGraded(
                f"It has {size / 1e6:.0f} MB. Ask for it again, saved after Edit > Clear Outputs "
                "of All Cells."
            )
        data = file.read_bytes()
        if data.startswith(b"PK") and zipfile.is_zipfile(file):
            return unzip(file)
        name = file.name.lower()
        if (
            ".ipynb" in name
            or name.endswith(".json")
            or data.lstrip(b"\xef\xbb\xbf \n")[:1] == b"{"
        ):
            return [Found(file.name, file.stat().st_mtime, data)]
    except OSError as error:
        raise NotGraded(f"It cannot be opened ({error.strerror}). Ask for it again.") from error
    kinds = [kind for endings, kind in KINDS.items() if file.suffix.lower() in endings]
    raise NotGraded(f"It is {kinds[0] if kinds else 'no notebook'}. {CURE}")


def unzip(file):
    """Return the notebooks in a zip file."""
    found = []
    try:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                name = info.filename
                if not name.lower().endswith(".ipynb") or "__MACOSX" in name or "/." in f"/{name}":
                    continue
                if info.file_size > HEAVIEST:
                    raise NotGraded(
                        f"{name} in it would have {info.file_size / 1e6:.0f} MB. {CURE}"
                    )
                when = time.mktime((*info.date_time, 0, 0, -1))
                found.append(Found(f"{file.name}: {name}", when, archive.read(info)))
    except NotGraded:
        raise
    except Exception as error:  # damaged in one of many ways, or with a password
        raise NotGraded(f"It is a zip file that cannot be opened ({error}). {CURE}") from error
    if not found:
        raise NotGraded(f"It is a zip file without a notebook. {CURE}")
    return found


def read(data):
    """Return the notebook in these bytes, in today's format, and remarks; raise `NotGraded`."""
    remarks = []
    if not data.strip(b" \r\n\t\0"):
        raise NotGraded("The file is empty. Ask for it again: the upload may have failed.")
    if len(data) > HEAVY:
        remarks.append(f"{len(data) / 1e6:.0f} MB of outputs: dropped, as all outputs are.")
    if data.lstrip()[:1] == b"<" and data.lstrip()[:3] != b"<<<":  # Git's marks of a conflict
        raise NotGraded(f"Not a notebook: a web page, saved under a notebook's name. {CURE}")
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, encoding = data.decode("cp1252", errors="replace"), "Windows-1252"
    if encoding not in ("utf-8", "utf-8-sig"):
        remarks.append(f"Not UTF-8: read as {encoding}. Look at its accented letters.")
    try:
        old = json.loads(text)
        if isinstance(old, dict) and isinstance(old.get("cells"), list):
            notebook = made_plain(old)
        else:
            notebook = made_plain(nbformat.convert(nbformat.reader.reads(text), 4))
        version = old["nbformat"], old.get("nbformat_minor", 0)
    except json.JSONDecodeError as error:
        raise NotGraded(
            f"Not a notebook: its JSON breaks off or is damaged in line {error.lineno}. Ask for "
            "the file again, saved from Jupyter (an upload may have cut it)."
        ) from error
    except Exception as error:
        raise NotGraded(
            f"JSON, but not a notebook ({type(error).__name__}: {error}). Ask for the .ipynb file."
        ) from error
    if any(written(cell) != cell.source for cell in notebook.cells):
        remarks.append("It holds characters that cannot be written: ? stands for them.")
        for cell in notebook.cells:
            cell.source = written(cell)
    if all(isinstance(number, int) for number in version) and version < (4, 5):
        remarks.append("An older notebook format, {}.{}: brought up to date.".format(*version))
    return notebook, remarks


def made_plain(old):
    """Return a notebook with what is graded: types, metadata and texts of cells, if any can be."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata = as_dict(old.get("metadata"))
    for cell in old["cells"]:
        if not isinstance(cell, dict):
            continue
        source = cell.get("source")
        source = "".join(map(str, source)) if isinstance(source, list) else source
        new = NEW.get(str(cell.get("cell_type")), nbformat.v4.new_raw_cell)
        text = str(source or "").replace("\r\n", "\n").replace("\r", "\n")
        notebook.cells.append(new(text))
        notebook.cells[-1].metadata = as_dict(cell.get("metadata"))
    return notebook


def as_dict(metadata):
    return nbformat.from_dict(metadata if isinstance(metadata, dict) else {})


def written(cell):
    return cell.source.encode(errors="replace").decode()

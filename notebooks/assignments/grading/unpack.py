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
        if file.suffix.lower() != ".ipynb" and zipfile.is_zipfile(file):
            return unzip(file)
        data = file.read_bytes()
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
    if data.lstrip()[:1] == b"<":
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
        notebook = nbformat.convert(nbformat.reader.reads(text), 4)
        version = old["nbformat"], old["nbformat_minor"]
        odd = [made_plain(cell) for cell in notebook.cells]
        if not isinstance(notebook.get("metadata"), dict):
            notebook.metadata = nbformat.NotebookNode()
    except json.JSONDecodeError as error:
        raise NotGraded(
            f"Not a notebook: its JSON breaks off or is damaged in line {error.lineno}. Ask for "
            "the file again, saved from Jupyter (an upload may have cut it)."
        ) from error
    except Exception as error:
        raise NotGraded(
            f"JSON, but not a notebook ({type(error).__name__}: {error}). Ask for the .ipynb file."
        ) from error
    if any(odd):
        remarks.append("It holds characters that cannot be written: ? stands for them.")
    if version < (4, 5):
        remarks.append("An older notebook format, {}.{}: brought up to date.".format(*version))
    return notebook, remarks


def made_plain(cell):
    """Give a cell plain line ends, metadata and text; return whether characters were lost."""
    if not isinstance(cell.get("metadata"), dict):
        cell.metadata = nbformat.NotebookNode()
    source = cell.source.replace("\r\n", "\n").replace("\r", "\n")
    cell.source = source.encode(errors="replace").decode()
    return cell.cell_type not in ("code", "markdown", "raw") or cell.source != source

"""From a student's files to notebooks: whatever their endings, and out of zip files too."""

import json
import re
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass

import nbformat

from grading.files import LARGE, hidden

HEAVY = 10_000_000  # bytes; a submission without outputs has some 10,000
MANY, LONG = 2_000, 10_000_000  # cells, and characters in them: nobody writes so much
VALUES = 20_000_000  # in the JSON of a file: each takes some 100 bytes of memory
KINDS = {
    (".html", ".htm"): "a web page, which shows a notebook and is none",
    (".py",): "a script made from a notebook",
    (".pdf", ".docx", ".doc", ".odt", ".md"): "a text made from a notebook",
    (".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"): "an archive that is not opened here",
}
NEW = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
CURE = "Ask for the .ipynb file."


class NotGraded(Exception):
    """A submission cannot be graded; the message is the reason and the cure."""


@dataclass
class Found:
    """What may be a notebook: its name in a zip file, if it is in one, its time and its bytes."""

    inner: str
    when: float
    data: bytes


def unpack(file):
    """Return what may be a notebook in a file; raise `NotGraded` where nothing is."""
    try:
        size = file.stat().st_size
        if size > LARGE and called_a_notebook(file.name):
            raise NotGraded(
                f"It has {size / 1e6:.0f} MB. Ask for it again, saved after Edit > Clear Outputs "
                "of All Cells."
            )
        data = file.read_bytes() if size <= LARGE else b""
        if data.startswith(b"PK") and zipfile.is_zipfile(file):
            return unzip(file)
        if may_be_a_notebook(file.name, data):
            return [Found("", file.stat().st_mtime, data)]
    except OSError as error:
        raise NotGraded(f"It cannot be opened ({error.strerror}). Ask for it again.") from error
    raise NotGraded(f"It is {kind_of(file.name) or 'no notebook'}. {CURE}")


def kind_of(name):
    """Return what a file is by its last ending, where that is none of a notebook's."""
    kinds = [kind for endings, kind in KINDS.items() if name.lower().endswith(endings)]
    return kinds[0] if kinds else ""


def may_be_a_notebook(name, data):
    """Tell by the data or by the name; `01_split.ipynb - Colab.pdf` was printed."""
    is_json = data.lstrip(b"\xef\xbb\xbf \n")[:1] == b"{"
    return is_json or called_a_notebook(name) and not kind_of(name)


def called_a_notebook(name):
    return ".ipynb" in name.lower() or name.lower().endswith(".json")


def unzip(file):
    """Return the notebooks in a zip file."""
    found, size = [], 0
    try:
        with zipfile.ZipFile(file) as archive:
            for info in visible(archive):
                name = info.filename
                if not called_a_notebook(name):
                    continue
                size += info.file_size
                if size > LARGE:
                    raise NotGraded(
                        f"What is in it would have {size / 1e6:.0f} MB, with {name}. {CURE}"
                    )
                if may_be_a_notebook(name, data := archive.read(info)):
                    found.append(Found(name, when(info), data))
    except NotGraded:
        raise
    except Exception as error:  # damaged in one of many ways, or with a password
        raise NotGraded(f"It is a zip file that cannot be opened ({error}). {CURE}") from error
    if not found and any(name.lower().endswith(".zip") for name in members(file)):
        raise NotGraded(f"It holds another zip file, which is not opened here. {CURE}")
    if not found:
        raise NotGraded(f"It is a zip file without a notebook. {CURE}")
    return found


def visible(archive):
    """Return what is in a zip file, but for folders and a system's own files."""
    return [
        info
        for info in archive.infolist()
        if not info.is_dir() and not any(map(hidden, re.split(r"[/\\]", info.filename)))
    ]


def members(file):
    """Return the names of the files in a zip file; none where it is none."""
    with suppress(OSError, zipfile.BadZipFile), zipfile.ZipFile(file) as archive:
        return [info.filename for info in visible(archive)]
    return []


def when(info):
    """Return the time of a file in a zip file, which may be none."""
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def read(data):
    """Return the notebook in these bytes, in today's format, and remarks; raise `NotGraded`."""
    remarks = []
    if not data.strip(b" \r\n\t\0"):
        raise NotGraded("The file is empty. Ask for it again: the upload may have failed.")
    if len(data) > HEAVY:
        remarks.append(f"{len(data) / 1e6:.0f} MB of outputs: dropped, as all outputs are.")
    if data.lstrip()[:1] == b"<" and data.lstrip()[:3] != b"<<<":  # Git's marks of a conflict
        raise NotGraded(f"Not a notebook: a web page, saved under a notebook's name. {CURE}")
    if sum(map(data.count, (b"{", b"[", b","))) > VALUES:
        raise NotGraded(
            f"It holds more than {VALUES:,} values. Ask for it again, saved after Edit > Clear "
            "Outputs of All Cells."
        )
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text, encoding = data.decode("cp1252", errors="replace"), "Windows-1252"
    if encoding not in ("utf-8", "utf-8-sig"):
        remarks.append(f"Not UTF-8: read as {encoding}. Look at its accented letters.")
    try:
        old = json.loads(text.strip("\ufeff\0 \r\n\t"))
        if isinstance(old, dict) and isinstance(old.get("cells"), list):
            notebook = made_plain(old)
        else:
            notebook = made_plain(nbformat.convert(nbformat.reader.reads(text), 4))
        version = old.get("nbformat", 4), old.get("nbformat_minor", 5)
    except json.JSONDecodeError as error:
        raise NotGraded(
            f"Not a notebook: its JSON breaks off or is damaged in line {error.lineno}. Ask for "
            "the file again, saved from Jupyter (an upload may have cut it)."
        ) from error
    except Exception as error:
        raise NotGraded(
            f"JSON, but not a notebook ({type(error).__name__}: {error}). Ask for the .ipynb file."
        ) from error
    length = sum(len(cell.source) for cell in notebook.cells)
    if len(notebook.cells) > MANY or length > LONG:
        raise NotGraded(
            f"It has {len(notebook.cells):,} cells with {length:,} characters; {MANY:,} and "
            f"{LONG:,} are read. Ask for a copy without the data that stand in its cells."
        )
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
        source = joined(cell.get("source"))
        new = NEW.get(str(cell.get("cell_type")), nbformat.v4.new_raw_cell)
        text = str(source or "").replace("\r\n", "\n").replace("\r", "\n")
        notebook.cells.append(new(text))
        notebook.cells[-1].metadata = as_dict(cell.get("metadata"))
        if pictures := attached(cell):
            notebook.cells[-1].attachments = pictures
    return notebook


def attached(cell):
    """Return the pictures that were pasted into a cell of text: part of what is written there."""
    found = cell.get("attachments") if cell.get("cell_type") == "markdown" else None
    found = found if isinstance(found, dict) else {}
    pictures = {
        name: {kind: joined(data) for kind, data in forms.items() if is_picture(kind, joined(data))}
        for name, forms in found.items()
        if isinstance(forms, dict)
    }
    return nbformat.from_dict({name: forms for name, forms in pictures.items() if forms})


def joined(text):
    """Return a text, which the notebook format may keep as a list of lines."""
    return "".join(map(str, text)) if isinstance(text, list) else text


def is_picture(kind, data):
    kinds = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
    return kind in kinds and isinstance(data, str) and bool(BASE64.fullmatch(data))


def as_dict(metadata):
    return nbformat.from_dict(metadata if isinstance(metadata, dict) else {})


def written(cell):
    return cell.source.encode(errors="replace").decode()

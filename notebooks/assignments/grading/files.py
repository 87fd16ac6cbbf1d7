"""Whose files are whose: from a folder of what came back to students, their files and notes."""

import hashlib
import itertools
import os
import stat
import unicodedata
import uuid
from contextlib import suppress
from pathlib import Path

from grading.whose import whose

DEEPEST = 40  # folders within folders; nobody hands in so many by intention
LONGEST = 120  # bytes of a student's name: nbgrader makes names of files and folders of it
IGNORED = {"__macosx", "desktop.ini", "thumbs.db", "ehthumbs.db", "icon\r"}  # in any capitals
LINK = "{} is a link that leads out of the submissions, or nowhere: not followed. Ask for the file."
LARGE = 300_000_000  # bytes; a file that is larger is not read
ALIKE = (
    "{} differs from this name in capitals only. If the two are one student, give both files one "
    "name and run again."
)


def find(folder, assignment, earlier=None, aside=()):
    """Return ``{student: files}`` and ``{student: notes}``: every other file is some student's.

    Parameters
    ----------
    folder : pathlib.Path
        Holds a folder or a file for each student, named after the student. The name may also hold
        the assignment's, what Moodle and Canvas add to it, and what is added to a copy.
    assignment : str
    earlier : dict of str to list of str, optional
        What those graded before had handed in, by name: a student keeps the name without a number
        when a namesake comes.
    aside : collection of str, optional
        The paths of what stands for no student.

    Returns
    -------
    students : dict of str to list of pathlib.Path
        Their files in the order of their names; none where nothing can be read.
    notes : dict of str to list of str
        What was odd about a student's files or name.
    """
    owners = {}
    for entry in entries_of(folder, assignment):
        if entry.path in aside:
            continue
        name, number = whose(entry.name, entry.is_dir(follow_symlinks=False), assignment)
        files, notes = content(entry, folder)
        known = owners.setdefault(name, {}).setdefault(number, ([], []))
        known[0].extend(files)
        known[1].extend(notes)
    students, all_notes = {}, {}
    for (name, number), (files, notes) in sorted(told_apart(owners, earlier or {}).items()):
        student, odd = usable(f"{name} {number}".strip(), students)
        students[student] = sorted(files)
        if notes + odd:
            all_notes[student] = odd + notes
    by_letters = {}
    for student in students:
        by_letters.setdefault(student.casefold(), []).append(student)
    for alike in by_letters.values():
        for one, other in itertools.permutations(alike, 2):
            all_notes.setdefault(one, []).append(ALIKE.format(other))
    return students, all_notes


def entries_of(folder, assignment):
    """Return what stands for a student each; a folder named like the assignment is looked into."""
    found = []
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if hidden(entry.name):
            continue
        inner = entry.is_dir(follow_symlinks=False)
        if inner and is_named(entry.name, assignment):
            with suppress(OSError):
                found += entries_of(entry.path, "")
                continue
        found.append(entry)  # what cannot be opened is named when its content is looked for
    return found


def is_named(folder, assignment):
    return folder.strip(" ._-").lower() == assignment.lower()


def told_apart(owners, earlier):
    """Return ``{(name, number): what they handed in}``; the number is empty where it says nothing.

    Two students of one name have two numbers from Moodle or Canvas. `earlier` tells which
    of them was graded under the name alone.
    """
    found = {}
    for name, numbers in owners.items():
        alone = {whose(each, False, "")[1] for each in earlier.get(usable(name, ())[0], ())}
        for number, what in numbers.items():
            others = (numbers.keys() | alone) - {""}
            label = number if len(others) > 1 and number not in alone else ""
            files, notes = found.setdefault((name, label), ([], []))
            files.extend(what[0])
            notes.extend(what[1])
    return found


def hidden(name):
    """Return whether a file is a system's own; a notebook whose name begins with a dot is none."""
    notebook = name.lower().endswith((".ipynb", ".zip")) and not name.startswith("._")
    return name.startswith(".") and not notebook or name.lower() in IGNORED


def usable(name, taken):
    """Return a name that files, pages and tables can bear, and what is to be said about it."""
    kept = "".join(
        c if c.isalnum() or unicodedata.category(c)[0] == "M" or c in " .@_-" else "_" for c in name
    ).strip(" ._-")
    notes = []
    if not kept:
        notes.append("Its name says no student. Give the file the student's name and run again.")
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:6]
    short = kept.encode()[:LONGEST].decode(errors="ignore")
    if short != kept:
        notes.append(f"Its name is very long: called {short}-{digest} here.")
    if short != kept or not kept or kept in taken:
        kept = f"{short or 'unnamed'}-{digest}"
    return kept, notes


def content(entry, submissions):
    """Return the files of an entry, which may be a folder, and notes on what is none."""
    files, notes, waiting = [], [], [(entry, 0)]
    while waiting:
        found, depth = waiting.pop()
        try:
            mode = found.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                target = Path(os.path.realpath(found.path))
                if target.is_file() and target.is_relative_to(os.path.realpath(submissions)):
                    files.append(Path(found.path))
                else:
                    notes.append(LINK.format(found.name))
            elif stat.S_ISREG(mode):
                files.append(Path(found.path))
            elif not stat.S_ISDIR(mode):
                notes.append(
                    f"{found.name} is a pipe, a socket or a device, not a file: not opened. Ask "
                    "for the .ipynb file."
                )
            elif depth == DEEPEST:
                notes.append(
                    f"Folders lie within folders, more than {DEEPEST} deep: what is below was not "
                    "looked at. Ask for the .ipynb file alone."
                )
            else:
                inner = [each for each in os.scandir(found.path) if not hidden(each.name)]
                waiting += [(each, depth + 1) for each in inner]
        except OSError as error:
            notes.append(f"{found.name} cannot be opened ({error.strerror}). Ask for it again.")
    return files, list(dict.fromkeys(notes))


def remove(folder):
    """Remove a folder however deep it is, and however locked, as a student's code has made it."""
    waiting = [str(folder)]
    for place in waiting:
        with suppress(OSError):
            os.chmod(place, 0o700)
            for entry in list(os.scandir(place)):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(os.path.join(folder, f"up-{uuid.uuid4().hex}"))
                    os.rename(entry.path, waiting[-1])
                else:
                    os.unlink(entry.path)
    for place in reversed(waiting):
        with suppress(OSError):
            os.rmdir(place)


def inside(folder):
    """Return the files in a folder of our own, in order."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not hidden(name))
        yield from (Path(place) / name for name in sorted(files) if not hidden(name))


def digest(files, *texts):
    """Return a text that changes whenever a name or a byte of `files` does, or one of the texts.

    Of a file too large to be read, its size and time stand for its bytes.
    """
    contents = hashlib.sha256("\n".join(texts).encode(errors="backslashreplace"))
    for file in files:
        try:
            with open(file, "rb") as opened:
                told = os.fstat(opened.fileno())
                if told.st_size > LARGE:
                    inner = f"{told.st_size} {told.st_mtime_ns}".encode()
                else:
                    inner = hashlib.file_digest(opened, "sha256").digest()
        except OSError as error:
            inner = repr(error).encode()
        contents.update(os.fsencode(file.name) + inner)
    return contents.hexdigest()

"""What runs within the walls: an IPython kernel that shows no more than can be looked at.

It is run as a script, by the kernel's Python. What it does to itself, a student's code could undo;
the grader therefore counts what arrives a second time.
"""

import contextlib
import sys

from ipykernel.kernelapp import IPKernelApp
from jupyter_client.session import Session

OUTPUT_BYTES = 5_000_000  # of text and pictures shown; what comes after is dropped
ONE_TEXT = 500_000  # characters of one text or picture; of a longer text, the beginning is shown
MESSAGE_BYTES = 10_000_000
CUT = "\n[{:,} characters, of which all but {:,} were cut]"


def bounded(write, left=OUTPUT_BYTES):
    """Return `write` with an end, for the grader may read more slowly than a flood comes."""

    def until_it_is_too_much(text):
        nonlocal left
        left -= len(text)
        return write(text) if left > 0 else len(text)

    return until_it_is_too_much


def shortened(content):
    """Return the content of a message with each text in it cut to what can be shown."""
    if isinstance(content, str) and len(content) > ONE_TEXT:
        return content[:ONE_TEXT] + CUT.format(len(content), ONE_TEXT)
    if isinstance(content, dict):
        pictures = [key for key in content if str(key).startswith("image/")]
        large = {key: len(content[key]) for key in pictures if len(content[key]) > ONE_TEXT}
        said = {"text/plain": CUT.format(sum(large.values()), 0)} if large else {}
        return said | {key: shortened(content[key]) for key in content if key not in large}
    if isinstance(content, (list, tuple)):
        return [shortened(value) for value in content]
    return content


class Bounded(Session):
    """A session whose messages are short, whatever a cell shows."""

    def serialize(self, msg, ident=None):
        frames = super().serialize({**msg, "content": shortened(msg["content"])}, ident)
        length = sum(map(len, frames))
        if length > MESSAGE_BYTES and "data" in msg["content"]:
            said = {"text/plain": CUT.format(length, 0)}
            frames = super().serialize({**msg, "content": msg["content"] | {"data": said}}, ident)
        return frames


def main(arguments):
    app = IPKernelApp.instance(session=Bounded())
    app.initialize(arguments)
    # A module that a cell has written can be imported, but stands in for no package.
    sys.path.append("")
    # Figures in a window, or with buttons, need what is not here: they become pictures.
    enable = app.shell.enable_matplotlib
    app.shell.enable_matplotlib = lambda gui=None: enable("inline")
    for stream in (sys.stdout, sys.stderr):
        stream.write = bounded(stream.write)
    # IPython (9 and newer) would keep all that is printed in its history: memory without an end.
    app.shell._tee = lambda channel: contextlib.nullcontext()
    # exit() ends a kernel a moment later: too late for a quick notebook, in the midst of others.
    app.shell.ask_exit = lambda: None
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])

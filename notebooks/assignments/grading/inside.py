"""What runs within the walls: an IPython kernel that shows no more than can be looked at.

It is run as a script, by the kernel's Python. What it does to itself, a student's code could undo;
the grader therefore counts what arrives a second time.
"""

import contextlib
import gc
import importlib.machinery
import sys
import types

if __name__ == "__main__":
    gc.disable()  # until all is imported: nothing of that is rubbish

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


class Unused(types.ModuleType):
    """`torch._dynamo` until something of it is used.

    Each step of an optimizer imports it, to ask for two things that do nothing where nothing is
    compiled. They are answered here, because the import takes a second. Whatever else is asked of
    the module runs it first.
    """

    def graph_break(self, **more):
        """Do nothing, as outside of what `torch.compile` has made."""

    def disable(self, fn=None, recursive=True, **more):
        """Return what runs a function of torch's own as it is, until there is a compiler."""
        if fn is None or more != {"wrapping": False}:
            return self.__getattr__("disable")(fn, recursive, **more)

        def as_it_is(*args, **named):
            if type(self) is Unused:
                return fn(*args, **named)
            made = self.disable(fn, recursive, **more)
            setattr(fn, "__dynamo_disable", made)  # in a class, Python would read another name
            return made(*args, **named)

        return as_it_is

    def __getattr__(self, name):
        self.__class__ = types.ModuleType
        self.__path__ = self.__spec__.submodule_search_locations
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


class Lazily(importlib.machinery.SourceFileLoader):
    """Import a module as `Unused`."""

    def exec_module(self, module):
        own = importlib.machinery.SourceFileLoader(self.name, self.path)
        module.__spec__.loader = module.__loader__ = own
        del module.__path__  # so that to import what lies in it runs it as well
        module.__class__ = Unused

    @classmethod
    def find_spec(cls, name, path, target=None):
        """Find `torch._dynamo`, and leave all others to Python."""
        found = name == "torch._dynamo" and importlib.machinery.PathFinder.find_spec(name, path)
        if found and type(found.loader) is importlib.machinery.SourceFileLoader:
            found.loader = cls(found.loader.name, found.loader.path)
            return found
        return None


def main(arguments):
    sys.meta_path.insert(0, Lazily)
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
    gc.freeze()
    gc.enable()
    app.start()


if __name__ == "__main__":
    main(sys.argv[1:])

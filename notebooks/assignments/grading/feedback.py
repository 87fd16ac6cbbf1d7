"""The exporter that makes the students' pages: nbconvert's, without what takes it long."""

from jinja2 import BytecodeCache
from nbconvert.exporters import HTMLExporter
from nbgrader.converters import GenerateFeedback


class Compiled(BytecodeCache):
    """Templates that this process has compiled, or the one from which it was forked (`warm`)."""

    def __init__(self):
        self.known = {}

    def load_bytecode(self, bucket):
        if bucket.key in self.known:
            bucket.bytecode_from_string(self.known[bucket.key])

    def dump_bytecode(self, bucket):
        self.known[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


class Feedback(HTMLExporter):
    """nbconvert's exporter, which does not compile its templates for each page."""

    def _create_environment(self):
        environment = super()._create_environment()
        environment.bytecode_cache = COMPILED
        return environment


def generator(**told):
    """Return nbgrader's part that writes the pages."""
    return GenerateFeedback(exporter_class=Feedback, **told)

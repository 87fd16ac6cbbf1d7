"""What the shell does to a cell before it runs, and to a value before it is shown.

Like `pristine`, run in the kernel. Each side has its hooks: the assignment's cells run with those
of the start, the student's with those that the student has set.
"""

import copy

HOOKS = ["ast_transformers", "input_transformers_post", "custom_exceptions", "cleanup_transforms"]
HOOKS += ["line_transforms", "token_transformers", "ast_node_interactivity"]
HOOKS += ["type_printers", "singleton_printers", "deferred_printers"]


class Hooks:
    """The hooks of a shell, as they are before any student's line has run."""

    def __init__(self, shell):
        self.shell = shell
        self.ours = self.now()

    def now(self):
        """Return for each hook its holder, name, value, and a copy of its content."""
        holders = [self.shell, self.shell.input_transformer_manager]
        holders += self.shell.display_formatter.formatters.values()
        found = [
            (each, name, getattr(each, name))
            for each in holders
            for name in HOOKS
            if hasattr(each, name)
        ]
        events = self.shell.events.callbacks
        found += [(events, *each) for each in events.items()]
        return [(*each, copy.copy(each[2])) for each in found]

    def swap(self, to):
        """Set the hooks to what an earlier call of `now` gave; return how they stood."""
        stood = self.now()
        for holder, name, value, content in to:
            if isinstance(value, dict):
                value.clear()
                value.update(content)
            elif isinstance(value, list):
                value[:] = content
            if isinstance(holder, dict):
                holder[name] = value
            else:
                setattr(holder, name, value)
        return stood

    def set_by_students(self, theirs):
        """Return the names of hooks to which a student's cell has given a function of its own."""
        ours = {id(item) for hook in self.ours for item in items(hook[3])}
        return {
            f"the shell's {name}"
            for _, name, _, content in theirs
            for item in items(content)
            if id(item) not in ours and getattr(item, "__module__", "") == "__main__"
        }


def items(content):
    return list(content.values() if isinstance(content, dict) else content)

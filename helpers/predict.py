"""A guess before the result: recorded with a click, shown again under the result."""

from IPython import get_ipython
from IPython.display import display
from ipywidgets import ToggleButtons

_guesses = {}  # by cell, so that a guess outlives the buttons if their cell is run again
_waiting = {}  # the question whose result has not been seen yet, if any


def predict(*options):
    """Ask for a guess, to be shown again under the output of the cell that is run next.

    Whoever does not click, or has no kernel, sees one line of text and nothing afterwards.

    Parameters
    ----------
    *options : str
        What can be guessed: two or more different strings, such as the letters of the options in
        the text above.

    Examples
    --------
    >>> from helpers.predict import predict
    >>> predict("a", "b", "c")
    Your guess, before the next cell: (a), (b) or (c)?
    """
    different = {option for option in options if isinstance(option, str) and option.strip()}
    if len(options) < 2 or len(different) < len(options):
        raise ValueError(
            "predict() needs at least two options, different strings that are not empty; got "
            f'{options!r}. Write predict("a", "b", "c").'
        )
    labels = [f"({option})" if len(option) == 1 else option for option in options]
    print(f"Your guess, before the next cell: {', '.join(labels[:-1])} or {labels[-1]}?")
    if (shell := get_ipython()) is None:
        return
    parent = getattr(shell, "get_parent", dict)()
    cell = parent.get("metadata", {}).get("cellId", shell.execution_count)
    value = _guesses.get(cell) if _guesses.get(cell) in labels else None
    buttons = ToggleButtons(options=labels, value=value, style={"button_width": "auto"})
    buttons.observe(lambda change: _guesses.update({cell: change["new"]}), "value")
    _waiting.update(buttons=buttons, asked_just_now=True)
    shell.events.register("post_run_cell", _show)
    # The buttons and no text beside them: a page without a kernel has the line above.
    view = "application/vnd.jupyter.widget-view+json"
    display({view: buttons._repr_mimebundle_()[view]}, raw=True)


def _show(result):
    """After each cell: print the guess under the first one that follows, and lock the buttons."""
    if not _waiting.pop("asked_just_now", False) and _waiting and result.success:
        buttons = _waiting.pop("buttons")
        if buttons.value is not None:
            buttons.disabled = True
            print(f"Your guess was {buttons.value}.")

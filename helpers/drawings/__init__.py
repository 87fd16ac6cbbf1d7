"""Drawings that the lessons show: each function draws one, and says which lesson shows it.

`flows` has the boxes, arrows and bars of which others are made; its functions return a figure. A
drawing of the other modules is a figure and its alternative text, for `plots.show(*drawing())`.
"""

from helpers.drawings import (
    estimates,
    gallery,
    images,
    leaks,
    machines,
    numbers,
    search,
    tensors,
    tools,
)
from helpers.drawings.flows import chain, flow, folds, parts

__all__ = [
    "chain",
    "estimates",
    "flow",
    "folds",
    "gallery",
    "images",
    "leaks",
    "machines",
    "numbers",
    "parts",
    "search",
    "tensors",
    "tools",
]

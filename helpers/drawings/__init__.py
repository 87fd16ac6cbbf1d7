"""Drawings that the lessons show: each function draws one, and says which lesson shows it.

`flows` has the boxes, arrows and bars of which others are made. Show a drawing with `plots.show`,
which takes its alternative text.
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

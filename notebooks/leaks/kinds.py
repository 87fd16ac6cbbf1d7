"""The kinds of leaks as code, each honest or leaky as the argument `leaky` says.

In each function the honest and the leaky procedure differ only where it asks for `leaky`. They
stand in six files, by where the leak is. Where a kind is common, its docstring names a report.

- `before_the_split`: what is learned, made or left out of all rows at once
- `rows_that_know`: test rows that know training rows, later ones, or easier ones
- `columns`: what follows from the label, or holds what comes later
- `earlier_fits`: in the network handed over, in a file, in a function, between folds
- `looking_again`: what is chosen by test rows
- `predicting`: predictions that depend on other rows, or on chance
"""

from . import (  # noqa: F401 (they fill KINDS)
    before_the_split,
    columns,
    earlier_fits,
    looking_again,
    predicting,
    rows_that_know,
)
from .before_the_split import fit_two
from .networks import NaiveClassifier, network, untrained

__all__ = ["NaiveClassifier", "fit_two", "network", "untrained"]

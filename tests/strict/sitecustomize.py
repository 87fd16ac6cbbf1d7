"""Python reads this where it starts with this folder on PYTHONPATH: see tests/conftest.py.

What a library will change or take away is an error where our own code asks for it, as
pyproject.toml has it for the tests themselves. PYTHONWARNINGS could say so only with a filter for
each module of ours, and Python tries each filter at each warning: kernels took half as long again.
"""

import warnings

OURS = r"(helpers|leaks|__main__)(\.|$)"

for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
    warnings.filterwarnings("error", category=category, module=OURS)

"""Whether columns tell the target because it follows from them by a formula."""

NEEDED = 3  # columns: a price times a quantity, or net and tax, have two


def needs_three(table, found):
    """Say whether values follow exactly from a formula, by which three columns are needed.

    One or two columns that were found, and tell it exactly, need no others.
    """
    columns = list(range(table.n_columns))
    if table.classes or not table.are_exact(columns):
        return False
    if len(found) < NEEDED and table.are_exact(found):
        return False
    n_needed = 0
    for column in table.ranked(columns):
        n_needed += not table.are_exact([other for other in columns if other != column])
        if n_needed == NEEDED:
            return True
    return False

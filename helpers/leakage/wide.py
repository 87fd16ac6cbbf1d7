"""Tables of very many numbers, made smaller, so that a canary fits into a laptop."""

import numpy as np
from scipy import sparse

from helpers.leakage.columns import MOST_ROWS, sample_of
from helpers.leakage.finding import Finding
from helpers.tensors import as_numpy

MOST_NUMBERS = 10_000_000  # in a table: 80 MB, of which a canary takes some eight times as many
MOST_SUMS, FEWEST_SUMS = 1000, 200  # in place of the columns of a sparse table
N_WEIGHTS = 32  # of a column, in as many of the sums
FEWEST_FILLED = 0.01  # of the rows, in a column that is looked at
MOST_IN_EMPTY = 30  # numbers in a row, other than 0
MOST_CHANNELS = 4  # of images whose colours come last
MEETING = {"shared_rows", "alike_rows"}  # canaries that are told by rows that meet
BY_CHANCE = (
    " But rows hold few numbers other than 0 each, and such rows may meet by chance. Hand over "
    "whose row it is, to shared_groups."
)


def of_smaller(canary, X, y, **settings):
    """Return what a canary finds in rows of fewer numbers, or None if there are not that many."""
    smaller, said = made_smaller(X)
    if not said:
        return None
    finding = canary(smaller, y, **settings)
    if finding.leaked and finding.name in MEETING and is_nearly_empty(X):
        return Finding(finding.name, None, finding.evidence + said + BY_CHANCE)
    return Finding(finding.name, finding.leaked, finding.evidence + said)


def is_nearly_empty(X):
    """Say whether rows of a sparse table hold a few numbers each, as categories and chats do."""
    return hasattr(X, "tocsr") and np.median(np.diff(X.tocsr().indptr)) < MOST_IN_EMPTY


def made_smaller(X):
    """Return rows of fewer numbers, equal and near where those of `X` are, and a sentence on them.

    A sparse table is small and would be large as an array: sums of its columns, with random signs,
    stand for them, which hardly changes distances (Johnson and Lindenstrauss, 1984). Images are
    halved, to the means of 2 x 2 pixels, while the sides are even.
    """
    if hasattr(X, "tocsr") and len(X.shape) == 2:
        return _as_sums(X)
    images = as_numpy(X) if hasattr(X, "detach") else X
    if not isinstance(images, np.ndarray) or images.ndim < 3 or images.dtype.kind not in "fiub":
        return X, ""
    last = images.ndim - 1
    sides = (last - 2, last - 1) if 3 < images.ndim and images.shape[-1] <= MOST_CHANNELS else None
    sides, full = sides or (last - 1, last), images
    while images.size > MOST_NUMBERS and not any(images.shape[side] % 2 for side in sides):
        images = _halved(images, sides[0])
    if images is full:
        return X, ""
    size = " x ".join(str(images.shape[side]) for side in sides)
    return images, f" Images were compared in {size} pixels, since there are many."


def _as_sums(given):
    """Return sums of the columns of a sparse table, if it has many, and a sentence on them."""
    n_rows, n_columns = given.shape
    n_sums = int(np.clip(MOST_NUMBERS // max(n_rows, 1), FEWEST_SUMS, MOST_SUMS))
    # Rows of few numbers meet by chance, and how often, only the columns themselves say.
    are_needed = is_nearly_empty(given) and n_rows * n_columns <= MOST_NUMBERS
    if n_columns <= n_sums or are_needed:
        return given, ""
    X = given.tocsr(copy=True).astype(float)
    if not np.isfinite(X.data).all():
        return given, ""  # a gap would be one of all sums
    X.sum_duplicates()  # and sorts: equal rows are then added up in one order
    X = X[:, np.unique(X.indices)] if X.nnz else X[:, :1]
    if X.shape[1] <= n_sums:
        return X, f" Of its {n_columns} columns the others hold nothing but 0."
    said = f" Its {n_columns} columns were compared as {n_sums} sums of columns."
    return X @ _signs(X.shape[1], n_sums), said


def _signs(n_columns, n_sums):
    """Return which columns are added up, and with which sign, of shape (n_columns, n_sums).

    As Kane and Nelson (Journal of the ACM 61:4, 2014) draw it: each column is in some sums.
    SparseRandomProjection leaves out many of a million columns, so that different rows are equal.
    """
    rng, shape = np.random.default_rng(0), (n_columns, N_WEIGHTS)
    signs, sums = rng.choice([-1.0, 1.0], size=shape), rng.integers(n_sums, size=shape)
    starts = np.arange(0, signs.size + 1, N_WEIGHTS)
    return sparse.csr_array((signs.ravel(), sums.ravel(), starts), shape=(n_columns, n_sums))


def without_empty(X, names):
    """Return a wide sparse table without columns that are nearly empty, names, and a sentence.

    A word that stands in one text of a hundred tells of no other, and no class by itself.
    """
    if not hasattr(X, "tocsr") or len(X.shape) != 2 or X.shape[1] <= MOST_SUMS:
        return X, names, ""
    X = X.tocsr()
    filled = np.bincount(X.indices, minlength=X.shape[1])
    n_kept = max(MOST_SUMS, np.count_nonzero(filled >= FEWEST_FILLED * X.shape[0]))
    columns = np.sort(np.argsort(-filled, kind="stable")[:n_kept])
    n_left_out = X.shape[1] - len(columns)
    said = f" Left out: {n_left_out} columns in which hardly a row holds a number."
    said = said if n_left_out else ""
    return X[:, columns], [names[column] for column in columns], said


def fewer_rows(X, y, classes, random_state):
    """Return some 1,000 rows of an array of very many numbers, their labels, and a sentence.

    Each class is among them. Other rows are returned as they are, and "".
    """
    if not hasattr(X, "shape") or hasattr(X, "columns") or len(X.shape) < 2:
        return X, y, ""
    if len(y) <= MOST_ROWS or np.prod(X.shape, dtype=float) <= MOST_NUMBERS:
        return X, y, ""
    rows = sample_of(np.random.RandomState(random_state).permutation(len(y)), y, classes)
    X = X.tocsr() if hasattr(X, "tocsr") else X  # not each sparse form has rows
    return X[rows], y[rows], f" Of {len(y)} rows {len(rows)} were looked at."


def _halved(images, side):
    """Return images of half as many pixels along this axis and the next, the means of 2 x 2."""
    quarters = []
    for down in (0, 1):
        for right in (0, 1):
            at = [slice(None)] * images.ndim
            at[side : side + 2] = slice(down, None, 2), slice(right, None, 2)
            quarters.append(images[tuple(at)])
    # Sorted, since sums of floats depend on their order, and images may be turned or mirrored.
    return np.sort(quarters, axis=0).mean(axis=0, dtype=float)

"""Copies of rows with numbers in other places: images mirrored or turned, pairs exchanged."""

import math

import numpy as np

from helpers.leakage.meeting import count_twins, hashes_of

FEWEST = 5  # such test rows; fewer may be chance
FEWEST_VALUES = 5  # of a column that may say which of many things a row is about
PARTNERS = 0.25  # of the test rows, where each row has one in which two things are exchanged
TIMES = 3  # as many as if they were moved as well, which no copy is
MOVES = (-1, -2, -3)  # by so many pixels
FEWEST_COLUMNS = 3  # of many values, in which rows hardly meet
MOST_ROWS = 1000  # by which a column is judged
N_SHUFFLES = 19
EXACT = 1e-6  # of the range of labels
SMALLEST = 8  # a side of an image


def moved_copies(rows, shape, folds):
    """Return a sentence on test rows whose numbers training rows hold in other places, or ''.

    A game that is noted from both sides is a row that holds the numbers of another one in other
    columns, which `np.sort` brings into one order, or, of differences, with other signs, which
    `np.abs` takes away.
    """
    for of_image in [shape] if len(shape) > 1 else shapes_of(rows.shape[1]):
        if mirrored := count_mirrored(rows, of_image, folds):
            return f" {mirrored} are training rows that are mirrored or turned."
    rows = _columns_with_values(rows, len(rows[:MOST_ROWS]) / 2)
    for change, how in ((np.sort, "in other columns"), (np.abs, "with other signs")):
        if changed := _beyond_chance(rows, folds, change):
            return f" {changed} hold the numbers of training rows, {how}."
    return ""


def shapes_of(n_numbers):
    """Return the shapes that a square image may have had whose rows were laid end to end."""
    side = {channels: math.isqrt(n_numbers // channels) for channels in (1, 3)}
    shapes = (1, side[1], side[1]), (3, side[3], side[3]), (side[3], side[3], 3)
    return [one for one in shapes if math.prod(one) == n_numbers and max(one) >= SMALLEST]


def may_be_images(rows, shape):
    """Say whether rows are images, or may be square ones of 0 to 255, or to 1, laid end to end."""
    if len(shape) > 1:
        return math.prod(shape) == rows.shape[1]
    if not shapes_of(rows.shape[1]) or rows.min() < 0:
        return False
    levels = rows if rows.max() > 1 else 255 * rows
    return levels.max() <= 255 and np.allclose(levels, np.round(levels), atol=1e-4)


def exchanged(rows, folds, y=None):
    """Return a sentence on test rows that are training rows with their halves exchanged, or ''.

    That is for values which come in many rows, as those of a team in all of its games: that two
    rows hold the same ones then says only that two teams have met twice. If they are one game, its
    labels `y` tell each other: who has won has not lost.
    """
    rows = _columns_with_values(rows, FEWEST_VALUES)
    if rows.shape[1] % 2:
        return ""
    in_turn = np.r_[0 : rows.shape[1] : 2, 1 : rows.shape[1] : 2]  # one's, the other's, and so on
    both = [(_beyond_chance(one, folds, _halves_in_order), one) for one in (rows, rows[:, in_turn])]
    found, rows = max(both, key=lambda one: one[0])
    if not found or found < PARTNERS * sum(len(test) for _, test in folds):
        return ""
    if y is not None and not _tell_each_other(rows, y):
        return ""
    return (
        f" {found} are training rows with their halves exchanged, and the numbers come in several "
        "rows, as those of a team do. If both rows are one game, noted from both sides, keep them "
        "together, or note it once. If they are two games, it is no leak."
    )


def _halves_in_order(rows):
    """Return rows with the half first that begins with the smaller number."""
    half = rows.shape[1] // 2
    return np.where(rows[:, [0]] > rows[:, [half]], np.roll(rows, half, axis=1), rows)


def _tell_each_other(rows, y):
    """Say whether the label of a row tells that of the row in which its halves are exchanged."""
    if y.ndim > 1 or y.dtype.kind not in "fiub":
        y = np.unique(y, axis=0, return_inverse=True)[1].ravel()
    rows, y = rows + 0.0, y.astype(float)  # of two zeros, one
    label_of = {row.tobytes(): label for row, label in zip(rows, y, strict=True)}
    turned = [row.tobytes() for row in np.roll(rows, rows.shape[1] // 2, axis=1)]
    pairs = [(y[i], label_of[row]) for i, row in enumerate(turned) if row in label_of]
    one, other = np.array(pairs).T
    if 2 * len(set(one)) > len(one):  # values that hardly come again: alike, or of a fixed sum
        return min(np.ptp(one - other), np.ptp(one + other)) <= EXACT * np.ptp(one)
    return len(set(pairs)) == len(set(one))


def _columns_with_values(rows, fewest):
    """Return the columns without gaps that hold more than so many different values."""
    many = [len(np.unique(column)) > fewest for column in rows[:MOST_ROWS].T]
    return rows[:, np.array(many, dtype=bool) & np.isfinite(rows).all(axis=0)]


def _beyond_chance(rows, folds, change):
    """Count the test rows that are equal to a training row if both are changed; 0 if by chance.

    Where as many meet as they are, or with shuffled columns, it may be chance.
    """
    if rows.shape[1] < FEWEST_COLUMNS:
        return 0
    found = _count_changed(rows, folds, change)
    if found < FEWEST:
        return 0
    rng = np.random.default_rng(0)
    tables = (rng.permuted(rows, axis=0) for _ in range(N_SHUFFLES))
    shuffled = (_count_changed(table, folds, change) for table in tables)
    by_chance = max(count_twins(rows, folds), *shuffled)
    return found if found > TIMES * by_chance else 0


def count_mirrored(rows, shape, folds):
    """Count the test images that are training images, but mirrored or turned; 0 if by chance.

    The shape is that of one row. Its two longest axes are those of an image.
    """
    images, own = rows.reshape(len(rows), *shape), hashes_of(rows)
    found = _count_turned(images, own, folds)
    if found < FEWEST:
        return 0
    # Simple shapes, as a single dot, meet by chance: then they also do if moved.
    moved = (np.roll(images, by, _axes(shape)[1]) for by in MOVES)
    by_chance = max(_count_turned(others, own, folds) for others in moved)
    return found if found > TIMES * by_chance else 0


def _count_changed(rows, folds, change):
    """Count the test rows that are equal to a training row if both are changed, and only then."""
    return count_twins(change(rows), folds) - count_twins(rows, folds)


def _axes(shape):
    """Return the two longest axes of an array of images, in their order: height and width."""
    return sorted((1 + np.argsort(shape, kind="stable")[-2:]).tolist())


def _turned(images):
    """Yield images in each of the ways in which they can lie, but for their own."""
    height, width = _axes(images.shape[1:])
    flipped = [np.flip(images, axes) for axes in (height, width, (height, width))]
    yield from flipped
    if images.shape[height] == images.shape[width]:
        yield from (np.rot90(some, axes=(height, width)) for some in (images, *flipped))


def _count_turned(images, own, folds):
    """Count the test images that are training images, by the hashes of their `own`, if turned."""
    hashes = np.column_stack([hashes_of(turned) for turned in _turned(images)])
    hashes[hashes == own[:, None]] = 0  # it is symmetric
    return sum(int(np.isin(hashes[test], own[train]).any(axis=1).sum()) for train, test in folds)

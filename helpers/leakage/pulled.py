"""Mean labels that were drawn towards the mean of all rows: by some rows more, or by a sigmoid."""

import math
from itertools import combinations

import numpy as np
from scipy.special import expit, logit

ROUNDING = 1e-6  # of the largest label
CLEAR = 20  # times what rounding allows, so that a pull tells how many rows pulled
FEWEST_TOLD, MOST_TOLD, MOST_ALIKE = 5, 12, 6  # categories that tell a curve, or share a value
BENT = 1e-5  # away from all and from nothing: the share of a mean that tells a curve


def is_pulled(away, pull, counts, allowed, chance, limit):
    """Say whether means are away from values by a multiple of a pull, the same for all values.

    Categories of one size and one mean share a value, and so do some where values are rounded: each
    of them was pulled.
    """
    pull, away = np.abs(pull), away * np.sign(pull)
    clear = pull > CLEAR * allowed
    apart = away[clear] / pull[clear]
    apart = apart[apart > ROUNDING]
    if not len(apart):
        return False
    pull = np.maximum(pull, ROUNDING * allowed)
    for smooth in (apart.min(), np.median(apart)):
        times = np.clip(np.round(away / (smooth * pull)), 1, counts)
        least = (away - allowed * counts) / (times * (pull + allowed))
        most = (away + allowed * counts) / (times * np.maximum(pull - allowed, allowed))
        if (smooth := (least[clear].max() + most[clear].min()) / 2) <= ROUNDING:
            continue
        times = np.clip(np.round(away / (smooth * pull)), 1, counts)
        tolerance = allowed * (counts + times * smooth)
        by_multiples = np.maximum(times * chance, 2 * tolerance / (smooth * pull))
        fits = np.abs(away - times * smooth * pull) <= tolerance
        if fits.all() and is_no_chance(np.clip(by_multiples, 0, 1), 2, limit):
            return True
    return False


def is_bent(values, means, prior, counts, allowed):
    """Say whether means are pulled by a sigmoid of the number of rows, as category_encoders does.

    The share of a category's own mean is expit((n - k) / f), or 0 if it has one row. Two categories
    tell k and f; three more must agree, and none may differ. Some of one size and one mean share a
    value.
    """
    off = np.abs(values - prior) > allowed
    with np.errstate(divide="ignore", invalid="ignore"):
        pulled = np.where(off, (values - prior) / (means - prior), np.nan)
    told = np.flatnonzero((pulled > BENT) & (pulled < 1 - BENT))
    if len(told) < FEWEST_TOLD or np.ptp(values) < 1000 * allowed:
        return False
    told = told[np.argsort(counts[told], kind="stable")][:MOST_TOLD]
    sizes = counts[:, None] / np.arange(1, MOST_ALIKE + 1)
    for first, second in combinations(told, 2):
        (start, end), rows = logit(pulled[[first, second]]), counts[second] - counts[first]
        if not rows or (end - start) / rows <= 0:
            continue
        own = expit(start + (end - start) / rows * (sizes - counts[first]))
        away = np.abs(prior + own * (means - prior)[:, None] - values[:, None]).min(axis=1)
        if (away[off] <= 20 * allowed).all():
            return True
    return False


def is_no_chance(chance, n_chosen, limit):
    """Say whether values would hardly all fit by chance, but for those that were made to fit.

    One is made to fit by choosing the column among others. A second one is where a factor was
    chosen, too.
    """
    return bool(np.log(np.sort(chance)[n_chosen:]).sum() < math.log(limit))

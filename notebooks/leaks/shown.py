"""How a kind of leak is looked at: read, measured, and given to every canary that applies."""

import inspect
from dataclasses import dataclass

import numpy as np
import sklearn

from helpers import leakage, plots

from . import figures
from .parts import KINDS

ON_ESTIMATORS = ("purity", "refit", "carried_weights", "carry_over", "batch_mates", "same_answer")
ON_PROCEDURES = ("null_labels", "blind_test")
ON_SPLITS = ("shared_rows", "alike_rows", "shared_groups", "time_order", "shift")
CANARIES = (*ON_ESTIMATORS, "held_rows", *ON_PROCEDURES, *ON_SPLITS, "too_good_feature")
HANDED_OVER = {
    "an estimator": (*ON_ESTIMATORS, "held_rows"),
    "a procedure": ON_PROCEDURES,
    "a table, and its split": (*ON_SPLITS, "too_good_feature"),
}
SEEDS = range(5)


class Gallery:
    """The kinds that have been looked at, in that order."""

    def __init__(self):
        self.looks = {}

    def code(self, name):
        """Print the function in which the leak is, and the class that was written for it."""
        leak = KINDS[name].leak
        named = [leak.__globals__.get(part) for part in leak.__code__.co_names]
        classes = [one for one in named if inspect.isclass(one)]
        for own in (one for one in classes if one.__module__ == leak.__module__):
            print(inspect.getsource(own))
        source = inspect.getsource(leak)
        print(source[source.index("def ") :].rstrip())

    def look(self, name):
        """Measure a kind, and give it to the canaries."""
        kind = KINDS[name]
        leaky = findings(kind, leaky=True)
        honest = findings(kind, leaky=False, known=leaky)
        self.looks[name] = Look(kind, inflation(kind, SEEDS), honest, leaky)
        return self.looks[name]

    def inflation_figure(self, title):
        """Draw how much each kind adds to the score, the largest first."""
        plots.show(*figures.draw_gains(self.looks.values(), title))

    def matrix_figure(self, title):
        """Draw which canary sees which kind, and which fires where nothing leaks."""
        plots.show(*figures.draw_matrix(self.looks.values(), HANDED_OVER, title))

    def groups_figure(self):
        """Draw which canaries look at which part of the work."""
        plots.show(*figures.draw_groups(HANDED_OVER))

    def print_codes(self):
        """Print the kinds by their code in the taxonomy of Kapoor and Narayanan."""
        codes = {}
        for kind in KINDS.values():
            codes.setdefault(kind.code, []).append(kind.name)
        for code, names in sorted(codes.items()):
            print(f"{code:4} {'; '.join(names)}")


@dataclass
class Look:
    """What a kind has shown.

    Attributes
    ----------
    kind : Kind
    scores : ndarray of shape (n_seeds, 2)
        Honest, leaky.
    honest, leaky : dict of str to Finding
        By canary, of one seed.
    """

    kind: object
    scores: np.ndarray
    honest: dict
    leaky: dict

    @property
    def gains(self):
        return self.scores[:, 1] - self.scores[:, 0]

    def low_mean_high(self):
        return self.gains.min(), self.gains.mean(), self.gains.max()

    def caught(self):
        """Return canaries that tell the two apart: an alarm on the leaky one, and on it alone."""
        return [name for name in self._alarmed(self.leaky) if name not in self.alarmed()]

    def alarmed_by_both(self):
        return [name for name in self._alarmed(self.leaky) if name in self.alarmed()]

    def missed(self):
        """Return canaries that looked and are quiet on both."""
        quiet = [name for name, finding in self.leaky.items() if finding.leaked is False]
        return [name for name in quiet if name not in self.alarmed()]

    def not_looked(self):
        return [name for name, finding in self.leaky.items() if finding.leaked is None]

    def alarmed(self):
        """Return canaries that raise an alarm on the honest one."""
        return self._alarmed(self.honest)

    @staticmethod
    def _alarmed(findings):
        return [name for name, finding in findings.items() if finding.leaked]

    def __repr__(self):
        # A mean of shares may end in a 5; the error of its sum must not round it up or down.
        honest, leaky = self.scores.mean(axis=0).round(9)
        gain = (leaky - honest).round(9)
        spread = self.scores.std(axis=0, ddof=1).round(9)
        of_gains = self.gains.std(ddof=1).round(9)
        lines = [
            f"honest {honest:.3f} ± {spread[0]:.3f}, leaky {leaky:.3f} ± {spread[1]:.3f}: "
            f"{gain:+.3f} ± {of_gains:.3f} ({len(self.scores)} seeds)",
            f"caught by  {', '.join(self.caught()) or '-'}",
            f"missed by  {', '.join(self.missed()) or '-'}",
        ]
        if self.not_looked():
            lines.append(f"not looked at by  {', '.join(self.not_looked())}")
        both = self.alarmed_by_both()
        honest_only = [name for name in self.alarmed() if name not in both]
        if both:
            lines.append(f"alarm on both  {', '.join(both)}")
        if honest_only:
            lines.append(f"alarm on the honest one only  {', '.join(honest_only)}")
        return "\n".join(lines)


def inflation(kind, seeds):
    """Score a kind for several seeds; return an array of shape (n_seeds, 2): honest, leaky."""
    scores = []
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        for seed in seeds:
            for leaky in (False, True):
                X, y, extra = kind.draw(seed, leaky)
                scores.append(kind.score(X, y, seed, leaky, **extra))
    return np.reshape(scores, (-1, 2))


def findings(kind, leaky, seed=0, n_permutations=10, known=None):
    """Give one kind, honest or leaky, to the canaries that apply; return a dict of Finding.

    `known` is what has been found on the other one, of which the table is mostly the same.
    """
    X, y, extra = kind.draw(seed, leaky)
    groups, seeded = extra.get("groups"), {"random_state": seed}
    found = {}
    # The checks of each of some ten thousand fits are a third of the time.
    with sklearn.config_context(skip_parameter_validation=True, assume_finite=True):
        for name in ON_ESTIMATORS if kind.estimator else ():
            canary = getattr(leakage, name)
            found[name] = canary(kind.estimator(X, y, seed, leaky), X, y, **seeded)
        found["null_labels"] = leakage.null_labels(
            lambda X, y: kind.score(X, y, seed, leaky, **extra),
            *(X, y),
            groups=groups,
            chance=kind.chance,
            n_permutations=n_permutations,
            **seeded,
        )
        if kind.learn:
            found["blind_test"] = leakage.blind_test(
                lambda X, y, train, test: kind.learn(X, y, train, test, seed, leaky),
                *(X, y),
                **seeded,
            )
        if kind.split:
            cv = kind.split(X, y, seed, leaky, **extra)
            if kind.estimator:
                model = kind.estimator(X, y, seed, leaky)
                found["held_rows"] = leakage.held_rows(model, X, y, cv=cv, **seeded)
            found["shared_rows"] = leakage.shared_rows(X, cv=cv, **seeded)
            found["alike_rows"] = leakage.alike_rows(X, y, cv=cv, **seeded)
            if groups is not None:
                found["shared_groups"] = leakage.shared_groups(X, groups=groups, cv=cv)
            if "time" in extra:
                times = {name: extra[name] for name in ("time", "horizon") if name in extra}
                found["time_order"] = leakage.time_order(X, cv=cv, **times)
            found["shift"] = leakage.shift(X, cv=cv, **seeded)
        if known and np.array_equal(X, kind.draw(seed, not leaky)[0], equal_nan=True):
            found["too_good_feature"] = known["too_good_feature"]
        else:
            found["too_good_feature"] = leakage.too_good_feature(X, y, **seeded)
    return found

"""Estimators within others: in CalibratedClassifierCV, in StackingClassifier, in a Pipeline."""

from dataclasses import replace

from sklearn.base import clone

from helpers.leakage.finding import Finding
from helpers.leakage.outside import networks_in
from helpers.leakage.probes import EPOCH_NAMES, RATE_NAMES


def trained_within(estimator):
    """Yield what an estimator trains on the same rows in epochs: name and estimator.

    What is within the last step of a Pipeline takes the place of that step, so that it is trained
    on the rows that the steps before it give out.
    """
    if hasattr(estimator, "steps"):
        last, model = estimator.steps[-1]
        for name, part in trained_within(model):
            yield f"{last}__{name}", clone(estimator).set_params(**{last: part})
        return
    for name, part in estimator.get_params().items():
        if "__" in name or isinstance(part, type):
            continue
        if all(hasattr(part, method) for method in ("get_params", "fit", "predict")):
            endings = {param.split("__")[-1] for param in part.get_params()}
            if endings & {*EPOCH_NAMES, *RATE_NAMES} or networks_in(part):
                yield name, part


def asked_within(canary, estimator, *args, **kwargs):
    """Ask a canary on networks about each estimator within; return the worst finding, or None.

    Its evidence names the estimator. One that could not be asked counts if it holds a network.
    """
    worst, lowest = None, 3
    for name, part in trained_within(estimator):
        try:
            finding = canary(part, *args, **kwargs)
        except Exception as error:  # it may be fitted to other rows, as the last one of a stack
            why = f"It stopped with {type(error).__name__} on these rows."
            finding = Finding(canary.__name__, None, why)
        rank = {True: 0, None: 1 if networks_in(part) else 3, False: 2}[finding.leaked]
        if rank < lowest:
            evidence = f"The estimator within, `{name}`: {finding.evidence}"
            worst, lowest = replace(finding, evidence=evidence), rank
    return worst

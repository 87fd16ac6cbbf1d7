"""What can be fitted or called, and groups for what asks for them in `fit`, as a search does."""

import inspect

from sklearn import config_context
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import MetadataRequest, get_routing_for_object


def check_is_estimator(estimator):
    """Raise a TypeError unless it is an object that can be cloned and fitted."""
    has_both = hasattr(estimator, "get_params") and hasattr(estimator, "fit")
    if has_both and not isinstance(estimator, type):
        return
    cure = ""
    if has_both:
        cure = f" Write {estimator.__name__}(), with brackets."
    elif hasattr(estimator, "state_dict"):
        cure = " Wrap a network in TorchClassifier or TorchRegressor."
    raise TypeError(
        "estimator must be an estimator as scikit-learn has them, with the methods get_params and "
        f"fit; got {estimator!r:.80}.{cure}"
    )


FORMS = {  # what a procedure is called with, and returns
    "null_labels": ("procedure(X, y)", "the score"),
    "blind_test": ("procedure(X, y, train, test)", "a fitted predictor"),
}


def check_is_procedure(procedure, canary):
    """Raise a TypeError unless it can be called as a canary calls it; it is not called here."""
    form, returned = FORMS[canary]
    if not callable(procedure):
        got = f"{procedure!r:.60}"
        if hasattr(procedure, "fit"):
            got = f"an estimator, {type(procedure).__name__}: write a function that fits it"
    elif (signature := _signature_of(procedure)) is None or _takes(signature, form):
        return
    else:
        got = f"{getattr(procedure, '__name__', type(procedure).__name__)}{signature}"[:80]
        for other in FORMS.keys() - {canary}:
            if _takes(signature, FORMS[other][0]):
                got += f", which is for {other}"
    raise TypeError(
        f"{canary} wants a function {form} that returns {returned}; got {got}. For an example see "
        f"help({canary})."
    )


def _signature_of(procedure):
    try:
        return inspect.signature(procedure, follow_wrapped=False)  # a decorator may hand over more
    except (TypeError, ValueError):  # of some functions that are written in C
        return None


def _takes(signature, form):
    try:
        signature.bind(*form.split(","))  # as many arguments
    except TypeError:
        return False
    return True


def fit_with(groups, estimator, X, y):
    """Fit; what splits by groups gets them, wherever it is in a Pipeline."""
    if groups is not None:
        with config_context(enable_metadata_routing=True):
            if takes_groups(estimator):
                estimator.fit(X, y, groups=groups)
                return
    estimator.fit(X, y)


def takes_groups(estimator):
    """Say whether `fit` hands groups on, to a splitter or to an estimator.

    An estimator that has not been told whether it gets groups is told here, as scikit-learn else
    refuses to fit it. It gets them where its own `fit` is called; within a search they are for the
    splitter alone. That is how `fit` hands them on without metadata routing, too.
    """
    params = estimator.get_params()
    parts = {"": estimator} | {n: part for n, part in params.items() if hasattr(part, "get_params")}
    for name, part in parts.items():
        if hasattr(part, "set_fit_request") and _is_open(part):
            part.set_fit_request(groups=all(isinstance(p, Pipeline) for p in _around(name, parts)))
    return "groups" in get_routing_for_object(estimator).consumes("fit", {"groups"})


def _is_open(estimator):
    """Say whether `fit` takes groups, and nobody has said whether it gets them."""
    routing = estimator.get_metadata_routing()
    if not isinstance(routing, MetadataRequest):
        return False
    return routing.fit.requests.get("groups", "takes none") is None


def _around(name, parts):
    """Return the estimators that hold the one of this name, which is '' for the outermost."""
    words = name.split("__") if name else []
    outer = ["__".join(words[:n]) for n in range(len(words))]
    return [parts[name] for name in outer if name in parts]

"""check_estimator: how many of scikit-learn's checks run, and how many fail."""

import warnings
from collections import Counter

from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.estimator_checks import check_estimator

from helpers import TorchClassifier, TorchRegressor


def main():
    for estimator in (TorchClassifier(), MLPClassifier(), TorchRegressor(), MLPRegressor()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results = check_estimator(estimator, on_fail=None, on_skip=None)
        status = Counter(result["status"] for result in results)
        print(f"  {type(estimator).__name__:16} {dict(status)}")

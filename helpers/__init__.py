"""Honest Splits: PyTorch networks driven by scikit-learn, without leaks."""

from helpers import leakage
from helpers.datasets import rows_of, y_of
from helpers.estimator import TorchClassifier
from helpers.fusing import fused
from helpers.leakage import *  # noqa: F403
from helpers.modules import MLP
from helpers.regressor import TorchRegressor

__all__ = ["MLP", "TorchClassifier", "TorchRegressor", "fused", "rows_of", "y_of", *leakage.__all__]

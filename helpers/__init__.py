"""Honest Splits: PyTorch networks driven by scikit-learn, without leaks."""

from helpers.estimator import TorchClassifier, TorchRegressor
from helpers.fused import fused
from helpers.leakage import Finding, carried_weights, carry_over, purity, refit
from helpers.modules import MLP

__all__ = [
    "MLP",
    "Finding",
    "TorchClassifier",
    "TorchRegressor",
    "carried_weights",
    "carry_over",
    "fused",
    "purity",
    "refit",
]

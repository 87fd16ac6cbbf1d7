"""Canaries: functions that tell whether something knew what it should not have known.

On an estimator: `purity`, `refit`, `carried_weights`, `carry_over`, `batch_mates`, `same_answer`,
`held_rows`. On a whole procedure: `null_labels`, `blind_test`. On a split: `shared_rows`,
`alike_rows`, `shared_groups`, `time_order`, `shift`. On the data: `too_good_feature`. `audit` asks
all of them.
Each leaves what it is given, and the global generators, as they were, and returns a `Finding`: a
leak, none seen, or not looked at. Lessons 04 and 05 are about them.
"""

from helpers.leakage.alike import alike_rows
from helpers.leakage.answers import batch_mates, same_answer
from helpers.leakage.audit import audit
from helpers.leakage.blind import blind_test
from helpers.leakage.carrying import carry_over
from helpers.leakage.estimators import purity, refit
from helpers.leakage.features import too_good_feature
from helpers.leakage.finding import Finding, Report
from helpers.leakage.forecasts import time_order
from helpers.leakage.held import held_rows
from helpers.leakage.procedures import null_labels
from helpers.leakage.splits import shared_groups
from helpers.leakage.told_apart import shift
from helpers.leakage.twins import shared_rows
from helpers.leakage.weights import carried_weights

__all__ = [
    "Finding",
    "Report",
    "alike_rows",
    "audit",
    "batch_mates",
    "blind_test",
    "carried_weights",
    "carry_over",
    "held_rows",
    "null_labels",
    "purity",
    "refit",
    "same_answer",
    "shared_groups",
    "shared_rows",
    "shift",
    "time_order",
    "too_good_feature",
]

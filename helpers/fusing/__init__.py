"""The engine of `fused`: the networks of a search are trained side by side."""

from helpers.fusing.context import Run, fused

__all__ = ["Run", "fused"]

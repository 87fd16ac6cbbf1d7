"""The gallery of leaks as code: lessons 05 and 05b show it, the tests measure it."""

from . import kinds  # noqa: F401 (fills KINDS)
from .parts import KINDS
from .shown import CANARIES, Gallery, findings, inflation

__all__ = ["CANARIES", "KINDS", "Gallery", "findings", "inflation"]

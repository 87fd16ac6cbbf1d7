"""Kinds of values: what holds no other, what is filled, what is code, what each module has."""

import logging
from collections import deque
from types import BuiltinFunctionType, FunctionType, ModuleType

import numpy as np
import torch
from torch import nn

# What writes a log. No result depends on it, and what it holds is the whole process's.
LOGGERS = (logging.Logger, logging.LoggerAdapter, logging.Handler)
CODE = (ModuleType, FunctionType, BuiltinFunctionType, type)
PLAIN = (bool, int, float, complex, str, bytes, type(None))
NO_CODE = (*PLAIN, torch.Tensor, np.ndarray)
FILLED = (list, dict, set, deque)
# What every module has; the rest of its attributes are its own.
OF_ALL_MODULES = set(vars(nn.Module()))

"""What tests of several files need."""

import signal

import pytest


@pytest.fixture
def ctrl_c():
    """Have SIGINT raise KeyboardInterrupt; a shell ignores it for what it runs in background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

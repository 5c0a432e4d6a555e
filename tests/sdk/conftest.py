import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(__file__)))
sys.path.insert(0, os.path.dirname(__file__))
from harness import Server  # noqa: E402
from scripted_upstream import ScriptedUpstream  # noqa: E402


@pytest.fixture(scope="session")
def upstream():
    running = ScriptedUpstream()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def scripted(upstream):
    """A server without models of its own, in front of the scripted upstream: model "scripted"."""
    with Server(config=upstream.config("scripted"), models=False) as running:
        yield running

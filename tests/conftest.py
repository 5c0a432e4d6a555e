"""Fixtures: `server` is shared by all tests of the run, `own_server` makes servers a test may break."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from harness import Server  # noqa: E402


@pytest.fixture(scope="session")
def server():
    if os.environ.get("ATRIUM_URL"):
        running = Server(models=False)
        running.url = os.environ["ATRIUM_URL"].rstrip("/")
        running.key = os.environ["ATRIUM_API_KEY"]
        yield running
        return
    running = Server(sample=True).start()
    yield running
    running.stop()


@pytest.fixture
def own_server():
    """own_server(**options) makes a Server that is stopped and removed after the test."""
    made = []

    def make(**options):
        made.append(Server(**options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def store(server):
    """A vector store of its own, removed afterwards."""
    created = server.json("POST", "/v1/vector_stores", {"name": "test"})
    yield created["id"]
    server.request("DELETE", f"/v1/vector_stores/{created['id']}")


@pytest.fixture(scope="session")
def other_key(server):
    """A key of another project."""
    project = server.json("POST", "/atrium/v1/projects", {"name": "other"})
    return server.json("POST", f"/atrium/v1/projects/{project['id']}/keys", {"name": "other", "admin": False})["secret"]

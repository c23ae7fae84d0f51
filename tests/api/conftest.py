"""Fixtures: `one` is an oned with two simulated hosts that the tests of a file share, `fresh` makes more."""
import contextlib

import pytest
from api.server import Server


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("one")).start()
    assert [server.host("h1"), server.host("h2")] == [0, 1]
    yield server
    server.clean_up()


@pytest.fixture
def fresh(tmp_path):
    """Makes servers of a test's own; they end with it."""
    made = []

    def make(configuration="", start=True, hosts=0, **options):
        server = Server(tmp_path / f"one{len(made)}", configuration, **options)
        made.append(server)
        if start:
            server.start()
            for number in range(1, hosts + 1):
                server.host(f"h{number}")
        return server
    yield make
    with contextlib.ExitStack() as ends:  # all of them, whatever one of them complains of
        for server in made:
            ends.callback(server.clean_up)


@pytest.fixture(autouse=True)
def well_behaved(request):
    """A test that made the simulated drivers fail leaves them sound."""
    yield
    if "one" in request.fixturenames:
        server = request.getfixturevalue("one")
        if (server.var / "dummy" / "control").exists():
            server.control()
        assert server.process.poll() is None, f"oned is gone:\n{server.said()}"

"""A cloud with two users: `mallory` attacks, `victim` and oneadmin own what is attacked. At its end all is in order."""
import pytest
from api.server import Server


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("one")).start()
    assert server.host("h1") == 0
    yield server
    server.stop()
    checked = server.command("--check")
    server.clean_up()
    assert "in order" in checked.stdout, checked.stdout


@pytest.fixture(scope="module")
def mallory(one):
    return one.user("mallory")


@pytest.fixture(scope="module")
def victim(one):
    return one.user("victim")


@pytest.fixture
def unchanged(one):
    """What an attack must leave as it is: `unchanged(read)` remembers what `read` gives, and compares at the end."""
    looks = []

    def watch(read):
        looks.append((read, read()))
    yield watch
    for read, before in looks:
        assert read() == before

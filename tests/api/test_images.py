"""Images: made, copied, changed and removed by a datastore driver that is a script (drivers/one_store)."""
import pytest
from api.schemas import checked
from api.server import Server
from api.states import NO_EXISTS

STORE = """
DATASTORE_MAD = [ NAME = "store", EXECUTABLE = "one_store" ]
TM_MAD_CONF = [ NAME = "dummy", CLONE_TARGET = "SYSTEM", LN_TARGET = "NONE", SHARED = "YES" ]
"""
STATES = ["INIT", "READY", "USED", "DISABLED", "LOCKED", "ERROR", "CLONE", "DELETE", "USED_PERS", "LOCKED_USED", "LOCKED_USED_PERS"]
GONE = "gone"


class Images:
    """An oned with a datastore of images (100) and one of files (101), and what tests do with them."""

    def __init__(self, one):
        self.one, self.store = one, one.var / "store"
        self.store.mkdir(exist_ok=True)
        self.images = self.datastore("images")
        self.files = self.datastore("files2", "FILE_DS")
        for identity in (self.images, self.files):
            one.until(lambda wanted=identity: self.figure(wanted, "TOTAL_MB") == 1000, "the figures of a datastore")

    def datastore(self, name, kind="IMAGE_DS", more=""):
        return self.one.ok("one.datastore.allocate", f"NAME={name}\nTYPE={kind}\nDS_MAD=store\nTM_MAD=dummy\n{more}", -1)

    def figure(self, datastore, name):
        return int(self.one.xml("one.datastore.info", datastore).findtext(name))

    def tell(self, what, action, text=""):
        (self.store / f"{what}-{action}").write_text(text)

    def untell(self, what, action):
        (self.store / f"{what}-{action}").unlink()

    def told(self, action=None):
        path = self.store / "log"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if action in (None, line[0])]

    def made(self):
        """What the driver made, and never anything twice."""
        path = self.store / "made"
        lines = path.read_text().splitlines() if path.exists() else []
        assert len(lines) == len(set(lines)), lines
        return lines

    def there(self):
        return {int(path.name.split("-")[0]) for path in (self.store / "images").iterdir()}

    def info(self, identity, client=None):
        return (client or self.one).xml("one.image.info", identity)

    def state(self, identity):
        reply = self.one.call("one.image.info", identity)
        return STATES[int(checked(reply[1]).findtext("STATE"))] if reply[0] else GONE

    def wait(self, identity, state):
        return self.one.until(lambda: self.state(identity) == state, lambda: f"image {identity} to be {state}; it is {self.state(identity)}")

    def allocate(self, name, text="SIZE=10", datastore=None, client=None, kind="DATABLOCK", wait="READY", **options):
        template = f'NAME="{name}"\nTYPE={kind}\n{text}'
        identity = (client or self.one).ok("one.image.allocate", template, self.images if datastore is None else datastore, *options.values())
        if wait:
            self.wait(identity, wait)
        return identity

    def delete(self, identity, *force):
        assert self.one.ok("one.image.delete", identity, *force) == identity
        self.wait(identity, GONE)

    def listed(self, datastore=None):
        return [int(i.text) for i in self.one.xml("one.datastore.info", self.images if datastore is None else datastore).findall("IMAGES/ID")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("images"), STORE).start()
    yield Images(server)
    assert server.command("--check").returncode == 0
    server.clean_up()


@pytest.fixture
def images(shared):
    """One that is sound before and after: the driver does as usual."""
    yield shared
    for path in shared.store.glob("*-*"):
        path.unlink()


@pytest.fixture
def own(fresh):
    return lambda more="": Images(fresh(STORE + more))


def test_made_listed_and_removed(images):
    identity = images.allocate("first", "SIZE=10\nCOLOUR=red")
    image = images.info(identity)
    told = {name: image.findtext(name) for name in ("NAME", "TYPE", "PERSISTENT", "SIZE", "STATE", "RUNNING_VMS", "DATASTORE", "FORMAT", "PATH")}
    assert told == {"NAME": "first", "TYPE": "2", "PERSISTENT": "0", "SIZE": "10", "STATE": "1", "RUNNING_VMS": "0",
                    "DATASTORE": "images", "FORMAT": "raw", "PATH": ""}
    assert image.findtext("SOURCE").startswith(str(images.store)) and image.findtext("TEMPLATE/COLOUR") == "red"
    assert image.findtext("TEMPLATE/DEV_PREFIX") == "sd" and image.find("TEMPLATE/SIZE") is None
    assert images.listed() == [identity]
    pool = images.one.xml("one.imagepool.info", -2, -1, -1)
    assert [i.findtext("ID") for i in pool] == [str(identity)]
    images.delete(identity)
    assert images.listed() == [] and images.there() == set()
    images.one.fails("one.image.info", identity, code=NO_EXISTS, text=f"Error getting image [{identity}].")
    assert [line[0] for line in images.told() if line[1] == str(identity)][-2:] == ["MKFS", "RM"]

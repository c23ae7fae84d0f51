"""Images: made, copied, changed and removed by a datastore driver that is a script (drivers/one_store)."""
import threading

import pytest
from api.schemas import checked
from api.server import Server
from api.states import ACTION, ALLOCATE, AUTHORIZATION, INTERNAL, NO_EXISTS

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
        self.private = self.datastore("private")
        one.ok("one.vdc.delgroup", 0, 1)  # by which every user may use every datastore
        for identity in (self.images, self.files):
            one.ok("one.datastore.chmod", identity, -1, -1, -1, -1, -1, -1, 1, -1, -1)
        for identity in (self.images, self.files, self.private):
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

    def empty(self):
        """Nothing is there, and that was measured."""
        assert self.listed() == [] and self.there() == set()
        self.one.until(lambda: self.figure(self.images, "FREE_MB") == 1000, "the room to be free again")

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
    for identity in shared.listed() + shared.listed(shared.files) + shared.listed(shared.private):  # of a test that failed
        shared.one.call("one.image.delete", identity, True)
        shared.wait(identity, GONE)


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


# ---- what a template may say ----

@pytest.mark.parametrize("name, text, code, said", [
    ("", "SIZE=1", ALLOCATE, "No NAME in template for the image."),
    ("a;b", "SIZE=1", ALLOCATE, "Invalid NAME, char ';' is not allowed"),
    ("x", "", ALLOCATE, "no PATH to be copied from, and no SIZE"),
    ("x", "SIZE=0", ALLOCATE, 'SIZE "0" is no number of MiB'),
    ("x", "SIZE=-1", ALLOCATE, "SIZE"),
    ("x", "SIZE=many", ALLOCATE, 'SIZE "many"'),
    ("x", "SIZE=99999999999999999999", ALLOCATE, "SIZE"),
    ("x", "SIZE=1\nTYPE=FLOPPY", ALLOCATE, 'TYPE "FLOPPY" is not known'),
    ("x", "TYPE=CDROM\nSIZE=1", ALLOCATE, "An image of type CDROM needs a PATH."),
    ("x", "TYPE=KERNEL\nPATH=/var/tmp/k", ALLOCATE, "for a datastore of type FILE_DS; datastore 100 is of type IMAGE_DS"),
    ("x", "TYPE=BACKUP\nPATH=/var/tmp/k", ALLOCATE, "made by a backup only"),
    ("x", "PATH=/var/tmp/x\nSOURCE=y", ALLOCATE, "a PATH and a SOURCE"),
    ("x", "SOURCE=\"a b\"", ALLOCATE, "SOURCE has a blank"),
    ("x", "PATH=/etc/shadow", ALLOCATE, "is in a restricted directory"),
    ("x", "PATH=/var/tmp/../../etc/shadow", ALLOCATE, "give the plain path"),
    ("x", "PATH=//etc/shadow", ALLOCATE, "give the plain path"),
    ("x", "PATH=/var/tmpfile", ALLOCATE, "is in a restricted directory"),
    ("x", "PATH=etc/shadow", ALLOCATE, "neither an absolute path nor an address"),
    ("x", "PATH=\"file:///etc/shadow\"", ALLOCATE, "neither an absolute path nor an address"),
    ("x", "PATH=\"http://host/a b\"", ALLOCATE, "PATH has a blank"),
    ("x", "SIZE=1\nFORMAT=\"raw -o x\"", ALLOCATE, "FORMAT"),
    ("x", "SIZE=1\nFS=\"ext4;rm\"", ALLOCATE, "FS"),
    ("x", "SIZE=1\nDEV_PREFIX=\"a/b\"", ALLOCATE, "DEV_PREFIX"),
    ("x", "SIZE=2000", ACTION, "Not enough space in datastore 100: 2000 MiB are wanted"),
    ("x", "NAME=[A=1", INTERNAL, "Parse error"),
])
def test_wrong_templates(images, name, text, code, said):
    kind = "" if "TYPE=" in text else "TYPE=DATABLOCK\n"
    line = f'NAME="{name}"\n' if name else ""
    images.one.fails("one.image.allocate", line + kind + text, images.images, code=code, text=said)
    assert images.listed() == []


def test_wrong_datastores(images):
    images.one.fails("one.image.allocate", "NAME=x\nSIZE=1", 4711, code=NO_EXISTS, text="Error getting datastore [4711].")
    images.one.fails("one.image.allocate", "NAME=x\nSIZE=1", 0, code=ALLOCATE, text="New images cannot be allocated in a system datastore.")
    images.one.fails("one.image.allocate", "NAME=x\nSIZE=1", images.files, code=ALLOCATE, text="for a datastore of type IMAGE_DS")


def test_every_type_in_its_place(images):
    made = []
    for kind, number, disk in (("OS", "0", "0"), ("CDROM", "1", "1"), ("DATABLOCK", "2", "0"), ("FILESYSTEM", "7", "0")):
        made.append(images.allocate(kind, "PATH=/var/tmp/x", kind=kind))
        image = images.info(made[-1])
        assert (image.findtext("TYPE"), image.findtext("DISK_TYPE")) == (number, disk)
        assert image.findtext("TEMPLATE/DEV_PREFIX") == ("hd" if kind == "CDROM" else "sd")
    for kind, number in (("KERNEL", "3"), ("RAMDISK", "4"), ("CONTEXT", "5")):
        made.append(images.allocate(kind, "PATH=/var/tmp/x", datastore=images.files, kind=kind))
        assert images.info(made[-1]).findtext("TYPE") == number
        assert images.info(made[-1]).find("TEMPLATE/DEV_PREFIX") is None
        images.one.fails("one.image.persistent", made[-1], True, code=ACTION, text="cannot be persistent")
        images.one.fails("one.image.clone", made[-1], "y", -1, code=ACTION, text="cannot be cloned")
    for identity in made:
        images.delete(identity)


def test_type_and_persistence_change(images):
    identity = images.allocate("changing")
    one = images.one
    for word, number in (("OS", "0"), ("cdrom", "1"), ("DATABLOCK", "2")):
        one.ok("one.image.chtype", identity, word)
        assert images.info(identity).findtext("TYPE") == number
    one.fails("one.image.chtype", identity, "KERNEL", code=ACTION, text="Cannot change image type to KERNEL from DATABLOCK")
    one.fails("one.image.chtype", identity, "BACKUP", code=ACTION, text="Cannot change image type")
    one.fails("one.image.chtype", identity, "TAPE", code=ACTION, text='Unknown type "TAPE"')
    one.ok("one.image.persistent", identity, True)
    assert images.info(identity).findtext("PERSISTENT") == "1"
    one.ok("one.image.persistent", identity, False)
    one.ok("one.image.enable", identity, False)
    assert images.state(identity) == "DISABLED" and images.info(identity).findtext("PREV_STATE") == "1"
    one.fails("one.image.clone", identity, "copy", -1, code=ACTION, text=f"Cannot clone image {identity} in state DISABLED")
    one.ok("one.image.enable", identity, True)
    assert images.state(identity) == "READY"
    images.delete(identity)


def test_names(images):
    first, second = images.allocate("one name"), images.allocate("other")
    one = images.one
    one.fails("one.image.allocate", 'NAME="one name"\nSIZE=1', images.images, code=ALLOCATE, text=f"NAME is already taken by IMAGE {first}.")
    one.fails("one.image.rename", second, "one name", code=ACTION, text=f"collides with image {first}")
    one.fails("one.image.clone", first, "other", -1, code=ALLOCATE, text="NAME is already taken")
    one.ok("one.image.rename", second, "third")
    user = one.user("names")
    one.ok("one.image.chown", second, user.uid, -1)
    one.ok("one.image.rename", second, "one name")  # another owner's
    one.fails("one.image.chown", second, 0, -1, code=INTERNAL, text="has an image with the name one name already")
    for identity in (first, second):
        images.delete(identity)


def test_update(images):
    identity = images.allocate("updated", "SIZE=10\nA=1")
    one = images.one
    one.ok("one.image.update", identity, "B=2", 1)
    assert [images.info(identity).findtext(f"TEMPLATE/{name}") for name in "AB"] == ["1", "2"]
    one.ok("one.image.update", identity, "C=3", 0)
    assert images.info(identity).find("TEMPLATE/A") is None
    one.fails("one.image.update", identity, "C=3", 2, code=0x1000, text="Wrong update type")
    for line in ("SIZE=1", "PATH=/etc/shadow", "SOURCE=/etc/shadow", "STATE=1", "TYPE=OS", "NAME=x", "TOKEN=../x"):
        one.fails("one.image.update", identity, line, 1, code=ACTION, text=f"{line.split('=')[0]} of an image cannot be changed")
    images.delete(identity)


# ---- the driver ----

def test_states_on_the_way(images):
    images.tell("hold", "MKFS")
    images.tell("say", "MKFS", "progress 43 %")
    identity = images.allocate("slow", wait="LOCKED")
    images.one.until(lambda: images.info(identity).findtext("TEMPLATE/PROGRESS") == "progress 43 %", "the progress")
    one = images.one
    one.fails("one.image.clone", identity, "copy", -1, code=ACTION, text="in state LOCKED")
    one.fails("one.image.enable", identity, False, code=ACTION, text="in state LOCKED")
    one.fails("one.image.chtype", identity, "OS", code=ACTION, text="in state LOCKED")
    images.untell("hold", "MKFS")
    images.wait(identity, "READY")
    assert f"Image {identity}: progress 43 %" in one.log() and images.info(identity).find("TEMPLATE/PROGRESS") is None
    images.tell("hold", "RM")
    one.ok("one.image.delete", identity)
    assert images.state(identity) == "DELETE"
    one.fails("one.image.delete", identity, code=ACTION, text="It is being deleted.")
    one.fails("one.image.enable", identity, True, code=ACTION, text="in state DELETE")
    images.untell("hold", "RM")
    images.wait(identity, GONE)


def test_reason_of_a_failure(images):
    images.tell("fail", "CP", "no such file: /var/tmp/x")
    identity = images.allocate("failing", "PATH=/var/tmp/x", wait="ERROR")
    assert images.info(identity).findtext("TEMPLATE/ERROR") == "CP failed: no such file: /var/tmp/x"
    images.one.fails("one.image.enable", identity, True, code=ACTION, text="so it is not whole; delete it")
    images.delete(identity)
    assert images.listed() == []


@pytest.mark.parametrize("answer, said", [("-", 'answered ""'), ("source raw;x", 'answered "source raw;x"')])
def test_answer_without_sense(images, answer, said):
    images.tell("answer", "MKFS", answer)
    identity = images.allocate("odd", wait="ERROR")
    assert said in images.info(identity).findtext("TEMPLATE/ERROR")
    images.delete(identity)


def test_removal_that_fails(images):
    identity = images.allocate("sticky")
    images.tell("fail", "RM", "busy")
    images.one.ok("one.image.delete", identity)
    images.wait(identity, "ERROR")
    assert images.info(identity).findtext("TEMPLATE/ERROR") == "RM failed: busy" and images.listed() == [identity]
    images.one.fails("one.image.enable", identity, True, code=ACTION, text="so it is not whole; delete it")
    images.delete(identity, True)  # by force it is forgotten
    images.untell("fail", "RM")
    for left in (images.store / "images").iterdir():  # as the administrator would
        left.unlink()


def test_given_up_while_it_is_made(images):
    images.tell("hold", "CP")
    identity = images.allocate("given up", "PATH=/var/tmp/x", wait="LOCKED")
    images.delete(identity)
    assert ["DRIVER_CANCEL", str(identity)] in images.told()
    assert identity not in images.there()


def test_copies(images):
    source = images.allocate("source", "SIZE=10\nCOLOUR=red")
    images.tell("hold", "CLONE")
    copy = images.one.ok("one.image.clone", source, "copy", -1)
    image = images.info(source)
    assert (images.state(source), images.state(copy)) == ("CLONE", "LOCKED")
    assert image.findtext("CLONING_OPS") == "1" and image.findtext("CLONES/ID") == str(copy)
    assert images.info(copy).findtext("CLONING_ID") == str(source) and images.info(copy).findtext("PATH") == image.findtext("SOURCE")
    images.one.fails("one.image.delete", source, code=ACTION, text="1 images are being copied from it")
    images.one.fails("one.image.delete", source, True, code=ACTION, text="1 images are being copied from it")
    images.untell("hold", "CLONE")
    images.wait(copy, "READY")
    assert images.state(source) == "READY" and images.info(source).find("CLONES/ID") is None
    image = images.info(copy)
    assert image.findtext("CLONING_ID") == "-1" and image.findtext("TEMPLATE/COLOUR") == "red" and image.findtext("SIZE") == "10"
    images.tell("fail", "CLONE", "no")
    broken = images.one.ok("one.image.clone", source, "broken", -1)
    images.wait(broken, "ERROR")
    assert images.state(source) == "READY"
    images.one.fails("one.image.clone", source, "x", images.files, code=ACTION, text="must be of type IMAGE_DS")
    for identity in (source, copy, broken):
        images.delete(identity)


def test_snapshots_there_are_none(images):
    identity = images.allocate("plain")
    for method in ("snapshotdelete", "snapshotrevert", "snapshotflatten"):
        images.one.fails(f"one.image.{method}", identity, 0, code=ACTION, text=f"Image {identity} has no snapshot 0")
    images.one.fails("one.image.restore", identity, images.images, "", code=ACTION, text="Can only restore from backup images")
    images.delete(identity)


# ---- room ----

def test_size_is_looked_at_before(images):
    """STAT, then room, then CP; what SIZE says beside it only makes it larger."""
    images.empty()
    identity = images.allocate("measured", "PATH=/var/tmp/x\nWEIGHT=700")
    assert images.info(identity).findtext("SIZE") == "700"
    before = len(images.told("CP"))
    images.one.fails("one.image.allocate", "NAME=more\nPATH=/var/tmp/x\nWEIGHT=400\nSIZE=1", images.images, code=ACTION,
                     text="400 MiB are wanted, 300 MiB are free")
    assert len(images.told("CP")) == before
    images.tell("fail", "STAT", "no such file")
    images.one.fails("one.image.allocate", "NAME=more\nPATH=/var/tmp/x", images.images, code=ACTION, text="Cannot determine Image SIZE. no such file")
    images.untell("fail", "STAT")
    images.tell("answer", "STAT", "much")
    images.one.fails("one.image.allocate", "NAME=more\nPATH=/var/tmp/x", images.images, code=ACTION, text='answered "much"')
    images.untell("answer", "STAT")
    large = images.allocate("large", "PATH=/var/tmp/x\nWEIGHT=5\nSIZE=20")
    assert images.info(large).findtext("SIZE") == "20"
    for one in (identity, large):
        images.delete(one)


def test_what_is_being_made_holds_its_room(images):
    images.empty()
    images.tell("hold", "MKFS")
    made = [images.allocate(f"part{n}", "SIZE=300", wait=None) for n in range(3)]
    images.one.fails("one.image.allocate", "NAME=fourth\nTYPE=DATABLOCK\nSIZE=300", images.images, code=ACTION, text="100 MiB are free")
    images.untell("hold", "MKFS")
    for identity in made:
        images.wait(identity, "READY")
    images.one.fails("one.image.allocate", "NAME=fourth\nTYPE=DATABLOCK\nSIZE=300", images.images, code=ACTION, text="100 MiB are free")
    images.one.until(lambda: images.figure(images.images, "FREE_MB") == 100, "the datastore to be measured again")
    images.one.fails("one.image.allocate", "NAME=fourth\nTYPE=DATABLOCK\nSIZE=300", images.images, code=ACTION, text="100 MiB are free")
    for identity in made:
        images.delete(identity)


def test_limit_and_no_check(images):
    images.empty()
    small = images.datastore("small", more="LIMIT_MB=50")
    images.one.until(lambda: images.figure(small, "TOTAL_MB") == 1000, "its figures")
    used = images.figure(small, "USED_MB")
    images.one.fails("one.image.allocate", f"NAME=x\nTYPE=DATABLOCK\nSIZE={51 - used}", small, code=ACTION, text=f"{50 - used} MiB are free")
    identity = images.one.ok("one.image.allocate", "NAME=x\nTYPE=DATABLOCK\nSIZE=60", small, True)
    images.wait(identity, "READY")
    images.one.fails("one.datastore.delete", small, code=ACTION, text=f"it has 1 images, such as {identity}.")
    images.delete(identity)
    images.one.ok("one.datastore.delete", small)
    unwatched = images.datastore("unwatched", more='DATASTORE_CAPACITY_CHECK="NO"')
    identity = images.allocate("huge", "SIZE=5000", datastore=unwatched)
    images.delete(identity)
    images.one.ok("one.datastore.delete", unwatched)


# ---- rights ----

def test_others_images(images):
    one, bob = images.one, images.one.user("bob")
    mine = images.allocate("private")
    for method, *arguments in (("info",), ("update", "A=1"), ("rename", "x"), ("delete",), ("delete", True), ("persistent", True), ("clone", "x"),
                               ("enable", False), ("chtype", "OS"), ("snapshotdelete", 0), ("snapshotrevert", 0), ("snapshotflatten", 0),
                               ("chown", bob.uid, -1), ("lock", 1), ("unlock",), ("restore", images.images, "")):
        bob.fails(f"one.image.{method}", mine, *arguments, code=AUTHORIZATION, text=f"IMAGE [{mine}]")
    assert len(bob.xml("one.imagepool.info", -2, -1, -1)) == 0
    bob.fails("one.image.allocate", "NAME=x\nTYPE=DATABLOCK\nSIZE=1", images.private, code=AUTHORIZATION,
              text=f"Not authorized to perform USE DATASTORE [{images.private}]")
    own = images.allocate("own", client=bob)
    assert images.info(own, bob).findtext("UNAME") == "bob" and images.info(own).findtext("PERMISSIONS/OTHER_U") == "0"
    bob.fails("one.image.delete", own, True, code=AUTHORIZATION, text=f"Not authorized to perform ADMIN IMAGE [{own}]")
    bob.fails("one.image.allocate", "NAME=y\nTYPE=DATABLOCK\nSIZE=1", images.images, True, code=AUTHORIZATION, text="without looking at the free space")
    bob.fails("one.image.allocate", "NAME=y\nSOURCE=/etc/shadow\nSIZE=1", images.images, code=AUTHORIZATION, text="restricted attribute SOURCE")
    bob.fails("one.image.update", own, "SOURCE=/etc/shadow", 1, code=AUTHORIZATION, text="restricted attribute SOURCE")
    one.ok("one.image.chmod", mine, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    copy = bob.ok("one.image.clone", mine, "copy", -1)
    images.wait(copy, "READY")
    assert images.info(copy, bob).findtext("UID") == str(bob.uid)
    bob.fails("one.image.rename", mine, "x", code=AUTHORIZATION)
    bob.fails("one.image.clone", mine, "second", images.private, code=AUTHORIZATION, text="DATASTORE")
    for identity in (mine, own, copy):
        images.delete(identity)


def test_locks(images):
    one = images.one
    identity = images.allocate("locked")
    one.ok("one.image.lock", identity, 1)
    assert images.info(identity).findtext("LOCK/LOCKED") == "1"
    for method, *arguments in (("update", "A=1"), ("delete",), ("clone", "x"), ("persistent", True), ("rename", "x")):
        one.fails(f"one.image.{method}", identity, *arguments, code=AUTHORIZATION, text=f"IMAGE is locked. [{identity}]")
    one.ok("one.image.unlock", identity)
    images.delete(identity)


def test_permissions_of_new_images(images):
    ann = images.one.user("ann")
    ann.ok("one.user.update", ann.uid, "UMASK=137\nDEFAULT_IMAGE_PERSISTENT_NEW=YES", 1)
    identity = images.allocate("masked", client=ann)
    image = images.info(identity, ann)
    assert "".join(bit.text for bit in image.find("PERMISSIONS")) == "110100000"
    assert image.findtext("PERSISTENT") == "1"
    images.delete(identity)


# ---- restarts ----

@pytest.mark.parametrize("clean", [True, False])
def test_work_goes_on_after_a_restart(own, clean):
    images = own()
    source = images.allocate("source")
    for action in ("CP", "MKFS", "CLONE", "RM"):
        images.tell("hold", action)
    gone = images.allocate("gone", wait=None)
    images.untell("hold", "MKFS")
    images.wait(gone, "READY")
    images.tell("hold", "MKFS")
    made = [images.allocate("empty", wait="LOCKED"), images.allocate("copied", "PATH=/var/tmp/x", wait="LOCKED"),
            images.one.ok("one.image.clone", source, "cloned", -1)]
    images.one.ok("one.image.delete", gone)
    tokens = {line[1]: line[2] for line in images.told() if line[0] in ("CP", "MKFS", "CLONE")}
    images.one.restart(clean)
    for identity in made:
        assert images.state(identity) == "LOCKED"
    assert images.state(gone) == "DELETE" and images.state(source) == "CLONE"
    for action in ("CP", "MKFS", "CLONE", "RM"):
        images.untell("hold", action)
    for identity in made:
        images.wait(identity, "READY")
    images.wait(gone, GONE)
    assert images.state(source) == "READY"
    for line in images.told():
        if line[0] in ("CP", "MKFS", "CLONE", "RM"):
            assert tokens.get(line[1], line[2]) == line[2], line
    assert len(images.made()) == 5 and images.there() == {source, *made}
    images.one.stop()
    check = images.one.command("--check")
    assert check.returncode == 0, check.stdout
    images.one.start()


def test_driver_that_dies(own):
    images = own()
    images.tell("die", "MKFS", "once\ntwice")
    identity = images.allocate("survivor")
    assert len([line for line in images.told("MKFS") if line[1] == str(identity)]) == 3 and len(images.made()) == 1
    images.tell("die", "STAT", "once")
    images.one.fails("one.image.allocate", "NAME=x\nPATH=/var/tmp/x", images.images, code=ACTION, text="ended before it answered STAT")


def test_driver_that_never_answers(own):
    images = own("ACTION_TIMEOUTS = [ IMAGE = 1, STAT = 1 ]")
    images.tell("hold", "MKFS")
    images.tell("hold", "STAT")
    identity = images.allocate("hanging", wait="ERROR")
    assert "did not answer MKFS within" in images.info(identity).findtext("TEMPLATE/ERROR")
    assert ["DRIVER_CANCEL", str(identity)] in images.told()
    images.one.fails("one.image.allocate", "NAME=x\nPATH=/var/tmp/x", images.images, code=ACTION, text="did not answer STAT within")


def test_datastore_of_an_unknown_driver(images):
    images.one.fails("one.datastore.allocate", "NAME=x\nDS_MAD=nobody\nTM_MAD=dummy", -1, code=INTERNAL, text='DS_MAD "nobody" is not known')
    images.one.fails("one.datastore.allocate", "NAME=x\nDS_MAD=store\nTM_MAD=nobody", -1, code=INTERNAL, text='TM_MAD "nobody" is not known')
    images.one.fails("one.datastore.allocate", "NAME=x\nTYPE=TAPE_DS\nDS_MAD=store\nTM_MAD=dummy", -1, code=INTERNAL, text="TYPE TAPE_DS is not known")
    images.one.fails("one.datastore.allocate", "NAME=x\nTM_MAD=dummy", -1, code=INTERNAL, text="No DS_MAD")
    backup = images.datastore("backups", "BACKUP_DS")
    assert images.one.xml("one.datastore.info", backup).findtext("TYPE") == "3"
    images.one.ok("one.datastore.rename", images.images, "renamed")
    identity = images.allocate("renamed one")
    assert images.info(identity).findtext("DATASTORE") == "renamed"
    images.one.ok("one.datastore.rename", images.images, "images")
    assert images.info(identity).findtext("DATASTORE") == "images"
    images.one.ok("one.datastore.update", images.images, "TYPE=SYSTEM_DS", 1)
    assert images.one.xml("one.datastore.info", images.images).findtext("TEMPLATE/TYPE") == "IMAGE_DS"
    images.delete(identity)
    images.one.ok("one.datastore.delete", backup)


def test_size_of_a_thing_that_takes_long_does_not_hold_others(images):
    """STAT is answered later; meanwhile the core goes on, the user has a limit, and rights are looked at anew."""
    images.tell("hold", "STAT")
    carl = images.one.user("carl")
    images.one.ok("one.datastore.chmod", images.private, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    answers = []
    threads = [threading.Thread(target=lambda n=n: answers.append(carl.call("one.image.allocate", f"NAME=s{n}\nPATH=/var/tmp/x", images.private))) for n in range(16)]
    before = len(images.told("STAT"))
    for thread in threads:
        thread.start()
    images.one.until(lambda: len(images.told("STAT")) == before + 16, "all to be asked")
    carl.fails("one.image.allocate", "NAME=s17\nPATH=/var/tmp/x", images.private, code=ACTION, text="sizes of 16 images")
    identity = images.allocate("meanwhile")
    images.one.ok("one.datastore.chmod", images.private, -1, -1, -1, -1, -1, -1, 0, -1, -1)
    images.untell("hold", "STAT")
    for thread in threads:
        thread.join()
    assert len(answers) == 16 and all(answer[0] is False and answer[2] == AUTHORIZATION for answer in answers), answers
    assert images.listed() == [identity] and images.listed(images.private) == []
    images.delete(identity)

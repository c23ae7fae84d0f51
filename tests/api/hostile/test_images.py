"""Attacks by images, with the real driver `fs`: files of the front-end, other people's images, what only administrators
may say, names, and what a driver is told."""
import pytest
from api.states import ACTION, ALLOCATE, AUTHORIZATION, NO_EXISTS

SECRET = "a secret of the front-end"


@pytest.fixture(scope="module")
def store(one, tmp_path_factory):
    """A datastore that reads from one directory; a secret lies beside it. Everybody may use it."""
    top = tmp_path_factory.mktemp("paths")
    (top / "safe").mkdir()
    (top / "safe" / "good").write_bytes(b"x" * 4096)
    (top / "secret").write_text(SECRET)
    (top / "safe" / "link").symlink_to(top / "secret")
    (top / "safe" / "way").symlink_to(top)
    identity = one.ok("one.datastore.allocate", f"NAME=attacked\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=shared\nSAFE_DIRS={top}/safe", -1)
    one.until(lambda: int(one.xml("one.datastore.info", identity).findtext("TOTAL_MB")) > 0, "its figures")
    one.top = top
    return identity


def settled(one, identity):
    def state():
        number = int(one.xml("one.image.info", identity).findtext("STATE"))
        return number if number != 4 else None
    return one.until(state, "the image to be made or not")


def gone(one, identity):
    one.until(lambda: one.call("one.image.info", identity)[0] is False, "the image to be gone")


def kept(one, store):
    """What is in the directory of the datastore."""
    directory = one.var / "datastores" / str(store)
    return b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file()) if directory.exists() else b""


@pytest.mark.parametrize("path, code", [
    ("/etc/shadow", ALLOCATE), ("{top}/secret", ALLOCATE), ("{top}/safe/../secret", ALLOCATE), ("{top}//safe/../secret", ALLOCATE),
    ("{top}/safe/link", ACTION), ("{top}/safe/way/secret", ACTION), ("{top}/safe", ACTION), ("{top}/safe2", ALLOCATE),
    ("{var}/one.db", ALLOCATE), ("{home}/.one/one_auth", ALLOCATE), ("/proc/self/environ", ALLOCATE), ("/dev/zero", ALLOCATE),
    ("file://{top}/secret", ALLOCATE), ("ssh://localhost/etc/shadow", ALLOCATE), ("http://127.0.0.1:1/x", ACTION), ("|cat /etc/shadow", ALLOCATE),
    ("{top}/safe/good\n/etc/shadow", ALLOCATE)])
def test_files_of_the_front_end(one, mallory, store, path, code):
    path = path.format(top=one.top, var=one.var, home=one.directory)
    for client in (mallory, one):  # an administrator has commands for that, and should not be tricked
        client.fails("one.image.allocate", f'NAME=stolen\nTYPE=DATABLOCK\nPATH="{path}"', store, code=code)
    assert SECRET.encode() not in kept(one, store)


def test_the_file_is_another_one_when_it_is_copied(one, mallory, store):
    """Between STAT and CP the path becomes a link to a secret."""
    path = one.top / "safe" / "changing"
    path.write_bytes(b"x" * 100)
    identity = mallory.ok("one.image.allocate", f'NAME=race\nTYPE=DATABLOCK\nPATH="{path}"', store)
    path.unlink()
    path.symlink_to(one.top / "secret")
    assert settled(one, identity) in (1, 5)
    assert SECRET.encode() not in kept(one, store)
    one.ok("one.image.delete", identity)
    gone(one, identity)


def test_what_only_administrators_may_say(one, mallory, store):
    for source in ("/etc/shadow", f"{one.var}/one.db", "x"):
        mallory.fails("one.image.allocate", f"NAME=x\nSIZE=1\nSOURCE={source}", store, code=AUTHORIZATION, text="restricted attribute SOURCE")
        mallory.fails("one.image.allocate", f"<T><NAME>x</NAME><SIZE>1</SIZE><SOURCE>{source}</SOURCE></T>", store, code=AUTHORIZATION)
    mallory.fails("one.image.allocate", "NAME=x\nSIZE=1\nTYPE=DATABLOCK", store, True, code=AUTHORIZATION)
    mallory.fails("one.datastore.allocate", "NAME=x\nDS_MAD=fs\nTM_MAD=shared\nSAFE_DIRS=/", -1, code=AUTHORIZATION)
    mallory.fails("one.datastore.update", store, "SAFE_DIRS=/\nRESTRICTED_DIRS=", 1, code=AUTHORIZATION)
    mallory.fails("one.datastore.update", store, "LIMIT_MB=999999999", 1, code=AUTHORIZATION)
    mallory.fails("one.datastore.delete", store, code=AUTHORIZATION)


def test_a_token_of_ones_own(one, mallory, store):
    """What drivers read of an image is not taken from its template."""
    identity = mallory.ok("one.image.allocate", "NAME=own\nTYPE=DATABLOCK\nSIZE=1\nTOKEN=../../x\nTARGET_SNAPSHOT=0\nID=0\nSTATE=1\nDATASTORE_ID=0", store)
    assert settled(one, identity) == 1
    image = one.xml("one.image.info", identity)
    assert ".." not in image.findtext("SOURCE") and image.findtext("SOURCE").startswith(str(one.var / "datastores" / str(store)))
    for name in ("TOKEN", "TARGET_SNAPSHOT", "ID", "STATE", "DATASTORE_ID"):
        assert image.find(f"TEMPLATE/{name}") is None
        mallory.fails("one.image.update", identity, f"{name}=7", 1, code=ACTION, text="cannot be changed by an update")
    for line in ("PATH=/etc/shadow", "SIZE=1", "FORMAT=qcow2", "<T><PATH>/etc/shadow</PATH></T>"):
        mallory.fails("one.image.update", identity, line, 1, code=ACTION)
    mallory.fails("one.image.chown", identity, 0, -1, code=AUTHORIZATION)
    mallory.fails("one.image.chmod", identity, 1, 1, 1, 0, 0, 0, 0, 0, 0, code=AUTHORIZATION)
    mallory.ok("one.image.delete", identity)
    gone(one, identity)


def test_other_peoples_images(one, mallory, victim, store, unchanged):
    identity = victim.ok("one.image.allocate", "NAME=mine\nTYPE=DATABLOCK\nSIZE=1", store)
    assert settled(one, identity) == 1
    unchanged(lambda: one.ok("one.image.info", identity))
    for method, *arguments in (("info",), ("update", "A=1", 1), ("rename", "x"), ("delete",), ("delete", True), ("persistent", True), ("clone", "x", -1),
                               ("enable", False), ("chtype", "OS"), ("chown", mallory.uid, -1), ("chmod", *[1] * 9), ("lock", 1), ("unlock",),
                               ("snapshotdelete", 0), ("snapshotrevert", 0), ("snapshotflatten", 0), ("restore", store, "")):
        mallory.fails(f"one.image.{method}", identity, *arguments, code=AUTHORIZATION)
    for disk in (f"IMAGE_ID={identity}", "IMAGE=mine,IMAGE_UNAME=victim", f"IMAGE=mine,IMAGE_UID={victim.uid}"):
        mallory.fails("one.vm.allocate", f"CPU=1\nMEMORY=64\nDISK=[{disk}]")
    assert str(identity) not in [i.findtext("ID") for i in mallory.xml("one.imagepool.info", -2, -1, -1)]
    assert len(mallory.xml("one.imagepool.info", victim.uid, -1, -1)) == 0


@pytest.mark.parametrize("identity", [-1, -2147483648, 2147483647, 4711])
def test_ids_of_nothing(mallory, identity):
    for method, *arguments in (("info",), ("delete",), ("update", "A=1"), ("clone", "x")):
        mallory.fails(f"one.image.{method}", identity, *arguments, code=NO_EXISTS)


@pytest.mark.parametrize("name", ["a/b", "../x", "a\tb", "<b>", "a;b", "x" * 129, "a'b", "$HOME", "a|b", "#"])
def test_names(mallory, store, name):
    mallory.fails("one.image.allocate", f'NAME="{name}"\nTYPE=DATABLOCK\nSIZE=1', store, code=ALLOCATE, text="Invalid NAME")


def test_the_format_is_what_was_found(one, mallory, store):
    """An owner who calls raw bytes qcow2 or vmdk would have QEMU open the files that they name."""
    identity = mallory.ok("one.image.allocate", f'NAME=format\nTYPE=DATABLOCK\nPATH="{one.top}/safe/good"\nDRIVER=vmdk\nFORMAT=vmdk', store)
    assert settled(one, identity) == 1
    for word in ("vmdk", "QCOW2", "qcow2"):
        mallory.ok("one.image.update", identity, f"DRIVER={word}", 1)
        vm = mallory.ok("one.vm.allocate", f"CPU=0.1\nMEMORY=64\nDISK=[ IMAGE_ID={identity}, DRIVER={word}, FORMAT={word} ]", True)
        disk = one.vm(vm).find("TEMPLATE/DISK")
        assert disk.findtext("DRIVER") == disk.findtext("FORMAT") == "raw"
        one.ok("one.vm.recover", vm, 3)
    one.until(lambda: one.xml("one.image.info", identity).findtext("STATE") == "1", "the image to be free")
    one.ok("one.image.delete", identity)
    gone(one, identity)

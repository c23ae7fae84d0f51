"""Marketplaces and apps: put there from images, made images again, and catalogues that others keep."""
import base64
import hashlib
import json
import os
import re
import sqlite3
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from api.server import Server
from api.states import ACTION, ALLOCATE, AUTHORIZATION

STATES = ["INIT", "READY", "LOCKED", "ERROR", "DISABLED"]
GONE = "gone"
MIB = 1024 * 1024
CATALOGUE = {"appliances": [
    {"_id": {"$oid": "a1"}, "name": "Alma: 9 / small", "publisher": "people", "short_description": "A system\nof lines", "version": "1.0",
     "format": "qcow2", "creation_time": 1700000000, "tags": ["alma", "rhel"], "type": "IMAGE",
     "files": [{"name": "a", "size": str(3 * MIB + 1), "md5": "0" * 32, "dev_prefix": "vd", "driver": "qcow2", "type": "OS"}],
     "opennebula_template": json.dumps({"CPU": "1", "MEMORY": "768", "GRAPHICS": {"TYPE": "VNC"}, "NIC": [{"NETWORK": "a"}, {"NETWORK": "b"}]})},
    {"_id": "b2", "name": "Service", "type": "SERVICE_TEMPLATE", "version": "2", "files": []},
    {"name": "no id"}, {"_id": {"$oid": "c3"}}, 7, None,
]}
INDEX = """debian;bookworm;amd64;default;20240131_05:24;/images/debian/bookworm/amd64/default/20240131_05:24/
debian;bookworm;arm64;cloud;20240131_05:24;/images/debian/bookworm/arm64/cloud/20240131_05:24/

bad line
;;;;;
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def address_string(self):
        return "test"


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    """A web server, and the directory that it publishes."""
    directory = tmp_path_factory.mktemp("web")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=directory))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield directory, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Markets:
    """An oned with a real datastore (100) and a marketplace of files (100) that a web server publishes."""

    def __init__(self, one, web):
        self.one, (directory, self.url) = one, web
        self.public = directory / "apps"
        self.public.mkdir(exist_ok=True)
        self.store = one.ok("one.datastore.allocate", "NAME=disks\nTYPE=IMAGE_DS\nDS_MAD=fs\nTM_MAD=dummy\nSAFE_DIRS=/", -1)
        one.until(lambda: int(one.xml("one.datastore.info", self.store).findtext("FREE_MB")) > 0, "the room of the datastore to be known")
        self.market = self.add("files", f"MARKET_MAD=http\nBASE_URL={self.url}/apps/\nPUBLIC_DIR={self.public}")
        one.ok("one.market.chmod", self.market, -1, -1, -1, -1, -1, -1, 1, -1, -1)

    def add(self, name, text, client=None):
        return (client or self.one).ok("one.market.allocate", f"NAME={name}\n{text}")

    def info(self, app):
        return self.one.xml("one.marketapp.info", app)

    def state(self, app):
        reply = self.one.call("one.marketapp.info", app)
        return STATES[int(re.search(r"<STATE>(\d)</STATE>", reply[1]).group(1))] if reply[0] else GONE

    def wait(self, app, state):
        self.one.until(lambda: self.state(app) == state, lambda: f"app {app} to be {state}; it is {self.state(app)}: {self.one.log()[-1500:]}")
        return app

    def image(self, name, content):
        path = self.one.directory / f"{name}.img"
        path.write_bytes(content)
        identity = self.one.ok("one.image.allocate", f'NAME={name}\nTYPE=DATABLOCK\nPATH="{path}"', self.store)
        self.ready(identity)
        return identity

    def ready(self, image, state="1"):
        self.one.until(lambda: self.one.xml("one.image.info", image).findtext("STATE") == state,
                       lambda: f"image {image} to be in {state}: {self.one.ok('one.image.info', image)}")

    def put(self, name, image, more="", state="READY", client=None):
        app = (client or self.one).ok("one.marketapp.allocate", f"NAME={name}\nORIGIN_ID={image}\nTYPE=IMAGE\n{more}", self.market)
        return self.wait(app, state) if state else app

    def listed(self, market):
        return [int(i.text) for i in self.one.xml("one.market.info", market).findall("MARKETPLACEAPPS/ID")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory, web):
    one = Server(tmp_path_factory.mktemp("markets")).start()
    yield Markets(one, web)
    one.clean_up()


def publish(directory, text):
    """The catalogue, at once: what is being looked at stays as it was."""
    (directory / "new").write_text(text)
    (directory / "new").rename(directory / "appliance")


def decoded(text):
    return base64.b64decode(text).decode()


def encoded(content):
    return base64.b64encode(content).decode()


def test_a_new_installation_has_two_that_are_disabled(shared):
    pool = shared.one.xml("one.marketpool.info")
    first = [(m.findtext("ID"), m.findtext("NAME"), m.findtext("STATE"), m.findtext("MARKET_MAD"))
             for m in pool.findall("MARKETPLACE") if int(m.findtext("ID")) < 100]
    assert first == [("1", "Linux Containers", "1", "linuxcontainers"), ("0", "OpenNebula Public", "1", "one")]
    assert "could not be looked at" not in shared.one.log()


def test_an_image_goes_there_and_comes_back(shared):
    content = os.urandom(2 * MIB)
    image = shared.image("web", content)
    more = encoded(b"DEV_PREFIX=sd\nTYPE=OS")
    app = shared.put("web-app", image, f'DESCRIPTION="for all"\nVERSION=1.2\nAPPTEMPLATE64="{more}"')
    info = shared.info(app)
    digest = hashlib.md5(content).hexdigest()
    assert (info.findtext("MD5"), info.findtext("SIZE"), info.findtext("FORMAT")) == (digest, "2", "raw")
    assert (info.findtext("DESCRIPTION"), info.findtext("VERSION"), info.findtext("ORIGIN_ID")) == ("for all", "1.2", str(image))
    source = info.findtext("SOURCE")
    assert source.startswith(f"{shared.url}/apps/app-{app}-")
    assert (shared.public / source.rsplit("/", 1)[1]).read_bytes() == content
    assert shared.listed(shared.market) == [app]
    # A user makes an image of it, from a server on this very computer: an administrator vouches for it.
    ann = shared.one.user("ann")
    shared.one.ok("one.datastore.chmod", shared.store, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    shared.one.ok("one.marketapp.chmod", app, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    copy = ann.ok("one.image.allocate", f"NAME=mine\nFROM_APP={app}", shared.store)
    shared.ready(copy)
    made = ann.xml("one.image.info", copy)
    assert open(made.findtext("SOURCE"), "rb").read() == content
    assert (made.findtext("TYPE"), made.findtext("TEMPLATE/DEV_PREFIX"), made.findtext("TEMPLATE/FROM_APP_NAME")) == ("0", "sd", "web-app")
    # The same address in their own words is not vouched for.
    ann.fails("one.image.allocate", f"NAME=again\nFROM_APP=4711\nPATH={source}", shared.store)
    ann.fails("one.image.allocate", f"NAME=again\nPATH={source}", shared.store, text="leads to the front-end itself")
    # What was changed behind our back is not taken.
    (shared.public / source.rsplit("/", 1)[1]).write_bytes(os.urandom(2 * MIB))
    spoiled = shared.one.ok("one.image.allocate", f"NAME=spoiled\nFROM_APP={app}", shared.store)
    shared.ready(spoiled, "5")
    assert "MD5" in shared.one.xml("one.image.info", spoiled).findtext("TEMPLATE/ERROR")
    shared.one.ok("one.marketapp.delete", app)
    shared.wait(app, GONE)
    assert list(shared.public.iterdir()) == [] and shared.listed(shared.market) == []


def test_states(shared):
    image = shared.image("states", b"x" * MIB)
    app = shared.put("states", image)
    shared.one.ok("one.marketapp.enable", app, False)
    assert shared.state(app) == "DISABLED"
    shared.one.fails("one.image.allocate", f"NAME=no\nFROM_APP={app}", shared.store, code=ACTION, text="in state DISABLED")
    shared.one.ok("one.marketapp.enable", app, True)
    shared.one.ok("one.marketapp.lock", app, 3)
    assert shared.info(app).findtext("LOCK/LOCKED") == "3"
    shared.one.ok("one.marketapp.unlock", app)
    shared.one.ok("one.marketapp.update", app, "VERSION=9\nSOURCE=http://evil/\nMD5=x\nNOTE=n", 1)
    info = shared.info(app)
    assert (info.findtext("VERSION"), info.findtext("TEMPLATE/NOTE")) == ("9", "n")
    assert info.findtext("SOURCE").startswith(shared.url) and info.find("TEMPLATE/SOURCE") is None and len(info.findtext("MD5")) == 32
    shared.one.ok("one.marketapp.rename", app, "other")
    shared.one.ok("one.market.rename", shared.market, "files2")
    assert (shared.info(app).findtext("NAME"), shared.info(app).findtext("MARKETPLACE")) == ("other", "files2")
    shared.one.fails("one.market.delete", shared.market, code=ACTION, text="is not empty")
    shared.one.ok("one.marketapp.delete", app)
    shared.wait(app, GONE)


def test_what_is_refused(shared):
    one, image = shared.one, shared.image("refused", b"x" * MIB)
    one.fails("one.market.allocate", "NAME=x", code=ALLOCATE, text="No MARKET_MAD")
    one.fails("one.market.allocate", "NAME=x\nMARKET_MAD=s3", code=ALLOCATE, text='MARKET_MAD "s3" is not known')
    one.fails("one.market.allocate", "NAME=x\nMARKET_MAD=http\nBASE_URL=u", code=ALLOCATE, text="needs PUBLIC_DIR")
    one.fails("one.marketapp.allocate", f"ORIGIN_ID={image}", shared.market, code=ALLOCATE, text="No NAME")
    one.fails("one.marketapp.allocate", "NAME=x", shared.market, code=ALLOCATE, text="Missing ORIGIN_ID")
    one.fails("one.marketapp.allocate", "NAME=x\nORIGIN_ID=4711", shared.market, text="Error getting image [4711]")
    one.fails("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}\nTYPE=ISO", shared.market, code=ALLOCATE, text='TYPE "ISO"')
    one.fails("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}", 0, code=ALLOCATE, text="Marketplace 0 is disabled")
    one.ok("one.image.enable", image, False)
    one.fails("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}", shared.market, code=ALLOCATE, text="in state DISABLED")
    bob = one.user("bob")
    bob.fails("one.market.allocate", "NAME=x\nMARKET_MAD=dummy", code=AUTHORIZATION, text="CREATE MARKETPLACE")
    bob.fails("one.marketapp.allocate", "NAME=x\nTYPE=VMTEMPLATE", shared.market, code=AUTHORIZATION, text="CREATE MARKETPLACEAPP")


def test_room_of_a_marketplace(shared, tmp_path):
    small = shared.add("small", f"MARKET_MAD=http\nBASE_URL={shared.url}/none\nPUBLIC_DIR={tmp_path}\nTOTAL_MB=1")
    shared.one.until(lambda: shared.one.xml("one.market.info", small).findtext("TOTAL_MB") == "1", "the room to be known")
    image = shared.image("large", b"x" * 2 * MIB)
    shared.one.fails("one.marketapp.allocate", f"NAME=large\nORIGIN_ID={image}", small, code=ALLOCATE, text="has 1 MB left")
    shared.one.ok("one.market.delete", small)


def test_images_on_their_way_take_room_and_stay(shared):
    one = shared.one
    market = shared.add("room", "MARKET_MAD=dummy")
    one.until(lambda: int(one.xml("one.market.info", market).findtext("FREE_MB")) > 0, "the room to be known")
    free = int(one.xml("one.market.info", market).findtext("FREE_MB"))
    one.control(f"IMPORT market-{market} hold=1")
    large, small = (one.ok("one.image.allocate", f"NAME=room{size}\nSOURCE=there{size}\nSIZE={size}", 1, True) for size in (free, 1))
    app = one.ok("one.marketapp.allocate", f"NAME=first\nORIGIN_ID={large}", market)
    one.fails("one.marketapp.allocate", f"NAME=second\nORIGIN_ID={small}", market, code=ALLOCATE, text="has 0 MB left")
    image = one.xml("one.image.info", large)
    assert (image.findtext("STATE"), image.findtext("CLONING_OPS"), image.findtext("APP_CLONES/ID")) == ("6", "1", str(app))
    one.fails("one.image.delete", large, code=ACTION, text=f"as app {app}")
    assert one.command("--check").returncode == 0
    one.control()
    shared.wait(app, "READY")
    image = one.xml("one.image.info", large)
    assert (image.findtext("STATE"), image.findtext("CLONING_OPS"), image.find("APP_CLONES/ID")) == ("1", "0", None)
    # Whoever deletes the app meanwhile sets the image free, too.
    one.control(f"IMPORT market-{market} hold=1")
    app2 = one.ok("one.marketapp.allocate", f"NAME=second\nORIGIN_ID={small}", market)
    one.ok("one.marketapp.dropdb", app2)
    assert one.xml("one.image.info", small).findtext("STATE") == "1"
    source = one.xml("one.marketapp.info", app).findtext("SOURCE")
    assert source
    one.control(f"DELETE market-{market} fail=1")
    one.ok("one.marketapp.delete", app)
    shared.wait(app, "ERROR")
    assert one.xml("one.marketapp.info", app).findtext("SOURCE") == source  # by which drivers delete
    for enable in (True, False):
        one.fails("one.marketapp.enable", app, enable, code=ACTION, text="delete it again")  # who knows what is left
    one.control()
    one.ok("one.marketapp.delete", app)
    shared.wait(app, GONE)
    one.ok("one.market.delete", market)
    for image in (large, small):
        one.ok("one.image.delete", image)


def test_directories_are_for_administrators(shared, tmp_path):
    """Whom a rule lets make marketplaces does not say where oned writes."""
    cat = shared.one.user("cat")
    for bit in (51, 52):
        shared.one.ok("one.acl.addrule", f"{1 << 32 | cat.uid:x}", f"{1 << bit | 4 << 32:x}", "8", f"{4 << 32:x}")
    market = shared.add("cats", f"MARKET_MAD=http\nBASE_URL=http://x\nPUBLIC_DIR={tmp_path}", cat)
    image = shared.image("of-cat", b"x" * MIB)
    shared.one.ok("one.image.chown", image, cat.uid, -1)
    app = cat.ok("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}", market)
    shared.wait(app, "ERROR")
    assert "administrator" in shared.info(app).findtext("TEMPLATE/ERROR") and list(tmp_path.iterdir()) == []
    shared.one.ok("one.marketapp.dropdb", app)
    shared.one.ok("one.market.delete", market)
    for path in ("/etc", str(shared.one.var)):
        market = shared.add("bad", f"MARKET_MAD=http\nBASE_URL=http://x\nPUBLIC_DIR={path}")
        app = shared.one.ok("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}", market)
        shared.wait(app, "ERROR")
        assert "take another" in shared.info(app).findtext("TEMPLATE/ERROR")
        shared.one.fails("one.marketapp.enable", app, True, code=ACTION, text="nothing behind it")
        shared.one.ok("one.marketapp.enable", app, False)  # no way round it
        shared.one.fails("one.marketapp.enable", app, True, code=ACTION, text="nothing behind it")
        shared.one.ok("one.marketapp.dropdb", app)
        shared.one.ok("one.market.delete", market)


def test_a_catalogue_of_opennebula(shared, web):
    directory, url = web
    publish(directory, json.dumps(CATALOGUE))
    market = shared.add("public", f"MARKET_MAD=one\nENDPOINT={url}/")
    shared.one.until(lambda: len(shared.listed(market)) == 2, "two apps to be there")
    shown = [shared.info(i) for i in shared.listed(market)]
    apps = {app.findtext("NAME"): app for app in shown}
    alma = apps["Alma_ 9 _ small"]
    assert (alma.findtext("STATE"), alma.findtext("TYPE"), alma.findtext("SIZE"), alma.findtext("FORMAT")) == ("1", "1", "4", "qcow2")
    assert alma.findtext("SOURCE") == f"{url}/appliance/a1/download/0" and alma.findtext("REGTIME") == "1700000000"
    assert 'DEV_PREFIX="vd"' in decoded(alma.findtext("APPTEMPLATE64")).replace(" = ", "=")
    machine = decoded(alma.findtext("TEMPLATE/VMTEMPLATE64"))
    assert "768" in machine and machine.count("NETWORK") == 2
    assert apps["Service"].findtext("TYPE") == "3"
    # Nothing can be put there or taken away; who looks again sees what changed.
    image = shared.image("for-public", b"x" * MIB)
    shared.one.fails("one.marketapp.allocate", f"NAME=x\nORIGIN_ID={image}", market, code=ALLOCATE, text="Create disabled")
    shared.one.fails("one.marketapp.delete", int(alma.findtext("ID")), code=ACTION, text="Delete disabled")
    CATALOGUE["appliances"][0]["version"] = "1.1"
    publish(directory, json.dumps({"appliances": CATALOGUE["appliances"][:1]}))
    shared.one.ok("one.market.enable", market, True)
    shared.one.until(lambda: len(shared.listed(market)) == 1, "one of them to be gone")
    again = shared.info(int(alma.findtext("ID")))
    assert again.findtext("VERSION") == "1.1"
    publish(directory, "<html>not found</html>")
    shared.one.ok("one.market.enable", market, True)
    shared.one.until(lambda: f"Marketplace public ({market}) could not be looked at" in shared.one.log(), "the reason in the log")
    assert len(shared.listed(market)) == 1
    # A catalogue that is empty all of a sudden is no reason to drop what is known of it.
    publish(directory, json.dumps({"appliances": []}))
    shared.one.ok("one.market.enable", market, True)
    shared.one.until(lambda: "its catalogue is empty now" in shared.one.log(), "the reason in the log")
    assert len(shared.listed(market)) == 1
    shared.one.ok("one.market.delete", market)
    shared.wait(int(alma.findtext("ID")), GONE)


def test_a_catalogue_of_containers(shared, web):
    directory, url = web
    (directory / "meta" / "1.0").mkdir(parents=True)
    (directory / "meta" / "1.0" / "index-user").write_text(INDEX)
    market = shared.add("boxes", f"MARKET_MAD=linuxcontainers\nENDPOINT={url}")
    shared.one.until(lambda: len(shared.listed(market)) == 2, "two apps to be there")
    app = shared.info(shared.listed(market)[1])
    assert app.findtext("NAME") == "debian bookworm cloud arm64 - LXD" and app.findtext("TYPE") == "2"
    assert "debian/bookworm/cloud/arm64" in decoded(app.findtext("APPTEMPLATE64")) and app.findtext("REGTIME") == "1706678640"
    shared.one.ok("one.market.delete", market)


def test_no_network_is_a_reason(shared):
    market = shared.add("nowhere", "MARKET_MAD=one\nENDPOINT=http://127.0.0.1:1")
    shared.one.until(lambda: "Marketplace nowhere" in shared.one.log() and "cannot be fetched" in shared.one.log(), "the reason in the log")
    shared.one.ok("one.market.delete", market)


def test_apps_of_templates_need_no_driver(shared):
    text = encoded(b"CPU=1\nMEMORY=64")
    app = shared.one.ok("one.marketapp.allocate", f"NAME=tmpl\nTYPE=vmtemplate\nAPPTEMPLATE64=\"{text}\"", shared.market)
    assert shared.state(app) == "READY" and shared.info(app).findtext("APPTEMPLATE64") == text
    shared.one.fails("one.image.allocate", f"NAME=no\nFROM_APP={app}", shared.store, code=ACTION, text="no app of type IMAGE")
    shared.one.ok("one.marketapp.delete", app)
    assert shared.state(app) == GONE


def test_other_zones_write_the_database(shared):
    market = shared.one.ok("one.market.allocatedb", -1, "<MARKETPLACE><NAME>far</NAME><MARKET_MAD>http</MARKET_MAD><STATE>1</STATE><ZONE_ID>3</ZONE_ID>"
                           "<TEMPLATE><BASE_URL>http://x</BASE_URL></TEMPLATE></MARKETPLACE>")
    info = shared.one.xml("one.market.info", market)
    assert (info.findtext("NAME"), info.findtext("STATE"), info.findtext("ZONE_ID"), info.findtext("TEMPLATE/BASE_URL")) == ("far", "1", "3", "http://x")
    app = shared.one.ok("one.marketapp.allocatedb", -1, f"<MARKETPLACEAPP><NAME>a</NAME><MARKETPLACE_ID>{market}</MARKETPLACE_ID><SIZE>5</SIZE>"
                        "<STATE>1</STATE><TYPE>1</TYPE><SOURCE>http://x/y</SOURCE><PERMISSIONS><OTHER_U>1</OTHER_U></PERMISSIONS></MARKETPLACEAPP>")
    info = shared.info(app)
    assert [info.findtext(n) for n in ("STATE", "SIZE", "SOURCE", "ZONE_ID", "PERMISSIONS/OTHER_U")] == ["1", "5", "http://x/y", "3", "1"]
    assert shared.one.ok("one.marketapp.updatedb", app, "<MARKETPLACEAPP><NAME>b</NAME><STATE>4</STATE></MARKETPLACEAPP>") == app
    assert (shared.info(app).findtext("NAME"), shared.state(app)) == ("b", "DISABLED")
    assert shared.one.ok("one.market.updatedb", market, "<MARKETPLACE><NAME>nearer</NAME></MARKETPLACE>") == market
    assert shared.info(app).findtext("MARKETPLACE") == "nearer"
    shared.one.fails("one.marketapp.allocatedb", -1, "<MARKETPLACEAPP><NAME>a</NAME></MARKETPLACEAPP>", text="Error getting marketplace")
    shared.one.fails("one.market.allocatedb", -1, "<VM/>", text="it is a VM, not a MARKETPLACE")
    shared.one.fails("one.market.allocatedb", -1, "no XML", text="Cannot update object body")
    shared.one.ok("one.marketapp.dropdb", app)
    shared.one.ok("one.market.delete", market)


def test_a_restart_takes_up_what_was_under_way(fresh, tmp_path, web):
    one = fresh()
    market = one.ok("one.market.allocate", "NAME=slow\nMARKET_MAD=dummy")
    one.control(f"IMPORT market-{market} hold=1")
    image = one.ok("one.image.allocate", "NAME=there\nSOURCE=there\nSIZE=1", 1)
    app = one.ok("one.marketapp.allocate", f"NAME=slow\nORIGIN_ID={image}", market)
    one.kill()
    one.control()
    one.start()
    one.until(lambda: one.xml("one.marketapp.info", app).findtext("STATE") == "1", "the app to be ready")
    one.stop()
    assert "sound" in one.command("--check").stdout or one.command("--check").returncode == 0


def change_database(one, sql):
    one.stop()
    database = sqlite3.connect(one.var / "one.db")
    database.executescript(sql)
    database.close()
    one.start()


def test_an_image_that_is_gone_after_a_restart_is_the_reason(fresh):
    one = fresh()
    market = one.ok("one.market.allocate", "NAME=slow\nMARKET_MAD=dummy")
    one.control(f"IMPORT market-{market} hold=1")
    image = one.ok("one.image.allocate", "NAME=there\nSOURCE=there\nSIZE=1", 1)
    app = one.ok("one.marketapp.allocate", f"NAME=slow\nORIGIN_ID={image}", market)
    change_database(one, f"DELETE FROM image WHERE id = {image}")
    one.until(lambda: one.xml("one.marketapp.info", app).findtext("STATE") == "3", "the app to be in ERROR")
    assert f"image {image} is gone" in one.xml("one.marketapp.info", app).findtext("TEMPLATE/ERROR")


def test_a_database_of_before_gets_the_two_once(fresh):
    def ids():
        return sorted(int(m.text) for m in one.xml("one.marketpool.info").findall("MARKETPLACE/ID"))
    one = fresh()
    change_database(one, "DELETE FROM marketplace; DELETE FROM counter WHERE name = 'MARKETPLACE'")
    assert ids() == [0, 1]
    for market in ids():
        one.ok("one.market.delete", market)
    one.restart()
    assert ids() == []
    assert one.ok("one.market.allocate", "NAME=own\nMARKET_MAD=dummy") == 100

"""The Docker flavour of both drivers, against a service that speaks the Engine API."""
import hashlib
import io
import json
import os
import re
import socket
import tarfile

import pytest
from api.driver_process import DriverProcess, checks, commanded, decoded, machine, polled, ran
from api.fake_docker import FakeDocker
from api.fake_rest import dying, status, wait_for
from api.states import AUTHORIZATION

WEB = ("<CPU>0.5</CPU><MEMORY>64</MEMORY><CONTAINER><IMAGE>nginx:1.25</IMAGE><COMMAND>sh -c \"sleep 9\"</COMMAND>"
       "<PORTS>8080:80, 127.0.0.1:5353:53/udp</PORTS><VOLUMES>data:/srv /etc/motd:/motd:ro</VOLUMES>"
       "<ENVIRONMENT>A=1 \"B=two words\"</ENVIRONMENT><NETWORK>bridge</NETWORK><USER>www</USER></CONTAINER>")


CONFIG = '{"architecture":"amd64"}'
DIGEST = hashlib.sha256(CONFIG.encode()).hexdigest()


def archive_of(tags=None, count=1, config=DIGEST + ".json", **more):
    """The files of an archive of docker save."""
    return {config: CONFIG, "manifest.json": json.dumps([{"Config": config, "RepoTags": tags, **more}] * count)}


def saved(path, files):
    with tarfile.open(path, "w") as archive:
        for name, text in files.items() if isinstance(files, dict) else files:
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


@pytest.fixture
def docker(tmp_path):
    daemon = FakeDocker(tmp_path / "h1.sock")
    yield daemon
    daemon.stop()


@pytest.fixture
def vmm(docker, tmp_path):
    driver = DriverProcess("one_vmm", "docker", "-u", f"unix:{tmp_path}/%h.sock", directory=tmp_path)
    assert "LACKS=MIGRATE,RESET,CARRY HAS=FREEZE,COLDCHECK,FALLBACK" in driver.ready
    yield driver
    driver.end()


@pytest.fixture
def im(docker, tmp_path):
    driver = DriverProcess("one_im", "docker", "-u", f"unix:{tmp_path}/%h.sock", directory=tmp_path)
    yield driver
    driver.end()


def test_life(vmm, docker):
    web = machine("h1", template=WEB)
    assert vmm.ok("POLL", 12, web) == "STATE=d"
    assert vmm.ok("DEPLOY", 12, web) == "one-12"
    assert vmm.ok("DEPLOY", 12, web) == "one-12", "again is harmless"
    assert vmm.ok("POLL", 12, web) == "STATE=a"
    vmm.ok("REBOOT", 12, web)
    vmm.ok("SHUTDOWN", 12, web)
    vmm.ok("SHUTDOWN", 12, web)
    assert vmm.ok("POLL", 12, web) == "STATE=d REASON=one-12 ended with code 137; it said: sh: nothing: not found"
    assert docker.containers["one-12"]["status"] == "exited"
    vmm.ok("DEPLOY", 12, web)
    assert len(docker.told("POST", "/containers/create")) == 1, "one that is off is started, not made anew"
    docker.containers["one-12"]["status"] = "paused"
    assert vmm.ok("POLL", 12, web) == "STATE=p"
    vmm.ok("DEPLOY", 12, web)
    assert vmm.ok("POLL", 12, web) == "STATE=a"
    for again in range(2):
        vmm.ok("FREEZE", 12, web)
        assert vmm.ok("POLL", 12, web) == "STATE=p"
    for again in range(2):
        assert vmm.ok("THAW", 12, web) == "one-12"
        assert vmm.ok("POLL", 12, web) == "STATE=a"
    vmm.ok("RESIZE", 12, machine("h1", template="<CPU>2</CPU><MEMORY>128</MEMORY>"))
    assert docker.containers["one-12"]["limits"] == {"Memory": 128 << 20, "MemorySwap": 128 << 20, "NanoCpus": 2_000_000_000}
    assert len(docker.told("POST", ".*/update")) == 1, "the engine is asked only for what is not so already"
    docker.spoil("POST .*/update", status(404, b"Not Found", "text/plain"))
    vmm.fails("RESIZE", 12, machine("h1", template="<CPU>1</CPU><MEMORY>128</MEMORY>"), "cannot change CPU and MEMORY")
    vmm.fails("ATTACHDISK", 12, web, "have no ATTACHDISK")
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CLEANUP", 12, web)
    vmm.ok("CLEANUP", 12, web)
    assert not docker.containers


def test_what_docker_is_told(vmm, docker):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    told = docker.told("POST", "/containers/create")[0]
    assert told["Image"] == "nginx:1.25" and told["Cmd"] == ["sh", "-c", "sleep 9"] and told["Env"] == ["A=1", "B=two words"]
    assert told["User"] == "www" and told["Tty"] is True and "Entrypoint" not in told
    assert told["ExposedPorts"] == {"80/tcp": {}, "53/udp": {}}
    assert told["Labels"]["one.vid"] == "12" and told["Labels"]["one.name"] == "web" and len(told["Labels"]["one.uuid"]) == 36
    host = told["HostConfig"]
    assert host["PortBindings"] == {"80/tcp": [{"HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}]}
    assert host["Binds"] == ["data:/srv", "/etc/motd:/motd:ro"] and host["NetworkMode"] == "bridge" and host["Privileged"] is False
    assert host["Memory"] == 64 << 20 and host["NanoCpus"] == 500_000_000


@pytest.mark.parametrize("podman", [False, True], ids=["docker", "podman"])
def test_memory_is_saved(vmm, docker, podman):
    """By the engine's checkpoint; what the engine says decides, not what was done before."""
    docker.podman, docker.experimental = podman, not podman
    web = machine("h1", template=WEB)
    vmm.fails("SAVE", 12, web, "one-12 is not there on h1")
    vmm.ok("DEPLOY", 12, web)
    mine = docker.containers["one-12"]
    for again in range(2):
        mine.update(memory=f"work {again}")
        vmm.ok("SAVE", 12, web)
        vmm.ok("SAVE", 12, web)
        assert mine["status"] == "exited" and vmm.ok("POLL", 12, web).startswith("STATE=d")
        docker.unready = 0 if podman else 2
        assert vmm.ok("THAW" if again else "RESTORE", 12, web) == "one-12"
        assert vmm.ok("RESTORE", 12, web) == "one-12" and mine["status"] == "running" and mine["memory"] == f"work {again}"
        assert podman or not mine["checkpoints"], "one that has served goes"
    mine["status"] = "paused"
    assert vmm.ok("RESTORE", 12, web) == "one-12" and mine["status"] == "running", "it was suspended the other way"
    mine["status"] = "paused"
    vmm.ok("SAVE", 12, web)
    vmm.ok("DEPLOY", 12, web)
    assert mine["memory"] == "new"
    mine["status"] = "exited"
    for action in ("RESTORE", "THAW"):
        vmm.fails(action, 12, web, "one-12 is off on h1, so it has lost what was in its memory")
    vmm.fails("SAVE", 12, web, "its memory was not saved")
    vmm.ok("DEPLOY", 12, web)
    docker.spoil("POST .*/checkpoints?", status(500, {"message": "criu failed: type NOTIFY errno 0"}))
    vmm.fails("SAVE", 12, web, "criu failed: type NOTIFY errno 0; one-12 goes on on h1")
    assert mine["status"] == "running"
    vmm.ok("SAVE", 12, web)
    docker.spoil("POST .*/(start|restore)", status(500, {"message": "criu failed: restore"}))
    vmm.fails("RESTORE", 12, web, "criu failed: restore; one-12 does not run on h1, which keeps its memory")
    assert vmm.ok("RESTORE", 12, web) == "one-12"


def container(pairs):
    return f"<MEMORY>64</MEMORY><CONTAINER>{pairs}</CONTAINER>"


@pytest.mark.parametrize("template, text", [
    ("<MEMORY>64</MEMORY>", "names no image"),
    (container("<IMAGE>nginx:1.25</IMAGE>") + "<NIC><NIC_ID>0</NIC_ID></NIC>", "have no NIC"),
    (container("<IMAGE>nginx:1.25</IMAGE><PORTS>80</PORTS>"), 'PORTS="80" is not'),
    (container("<IMAGE>nginx:1.25</IMAGE><PORTS>70000:80</PORTS>"), "is not [ADDRESS:]PORT"),
    (container("<IMAGE>nginx:1.25</IMAGE><PORTS>80:80/icmp</PORTS>"), "is not [ADDRESS:]PORT"),
    (container("<IMAGE>nginx:1.25</IMAGE><VOLUMES>data</VOLUMES>"), 'VOLUMES="data" is not'),
    (container("<IMAGE>nginx:1.25</IMAGE><COMMAND>sh -c 'open</COMMAND>"), "COMMAND="),
    (container("<IMAGE>nowhere:1</IMAGE>"), "manifest unknown"),
    (container("<IMAGE>file:1</IMAGE><ARCHIVE>/nowhere.tar</ARCHIVE>"), "cannot be read on the front-end"),
])
def test_what_cannot_be_deployed(vmm, docker, template, text):
    vmm.fails("DEPLOY", 12, machine("h1", template=template), text)
    assert not docker.containers


def test_images(vmm, docker, tmp_path):
    vmm.ok("DEPLOY", 12, machine("h1", template=container("<IMAGE>web</IMAGE>")))
    vmm.ok("DEPLOY", 13, machine("h1", vid=13, template=container("<IMAGE>web:2</IMAGE>")))
    saved(tmp_path / "saved.tar", archive_of(["brought:1"]))
    vmm.ok("DEPLOY", 14, machine("h1", vid=14, template=container(f"<IMAGE>brought:1</IMAGE><ARCHIVE>{tmp_path}/saved.tar</ARCHIVE>")))
    assert len(docker.told("POST", "/images/create")) == 2 and len(docker.told("POST", "/images/load")) == 1
    assert docker.containers["one-14"]["wanted"]["Image"] == "brought:1"


def test_images_of_datastores(vmm, docker, tmp_path):
    """A disk that is an archive of docker save, or of the files of a root."""
    disk = "<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>7</IMAGE_ID><SOURCE>{}</SOURCE>{}</DISK>"
    saved(tmp_path / "ds.1", archive_of())
    saved(tmp_path / "ds.2", {"./bin/sh": "#!", "./etc/manifest.json": "[]"})
    for vid in (12, 13):
        vmm.ok("DEPLOY", vid, machine("h1", vid=vid, template=disk.format(tmp_path / "ds.1", "")))
    for vid in (14, 15):
        vmm.ok("DEPLOY", vid, machine("h1", vid=vid, template=disk.format(tmp_path / "ds.2", "") + "<CONTAINER><COMMAND>/bin/sh</COMMAND></CONTAINER>"))
    assert docker.containers["one-12"]["wanted"]["Image"] == "sha256:" + DIGEST
    assert re.fullmatch("one-image:[0-9a-f]{24}", docker.containers["one-15"]["wanted"]["Image"])
    assert len(docker.told("POST", "/images/load")) == 1 and len(docker.told("POST", "/images/create")) == 1, "what is there is not sent again"
    (tmp_path / "ds.3").write_text("no archive" * 1000)
    for template, text in ((disk.format(tmp_path / "ds.3", ""), "is no tar archive"), (disk.format("/nowhere", ""), "cannot be read on the front-end"),
                           (disk.format(tmp_path / "ds.1", "<PERSISTENT>YES</PERSISTENT>"), "make it non-persistent"),
                           (disk.format("", "<TYPE>swap</TYPE>"), "disk 0 is empty space"), (disk.format(tmp_path / "ds.1", "") * 2, "is a second image"),
                           (disk.format(tmp_path / "ds.1", "") + container("<IMAGE>web</IMAGE>"), "both name an image")):
        vmm.fails("DEPLOY", 16, machine("h1", vid=16, template=template), text)


HOSTILE = [
    ("a name", archive_of(["nginx:latest"]), 'the name "nginx:latest"'),
    ("a name in another case", archive_of(repotags=["nginx:latest"]), 'has "repotags", which is not known'),
    ("names that are no list", archive_of("nginx:latest"), "RepoTags are no list"),
    ("two images", archive_of(count=2), "must name one image, and names 2"),
    ("no image", {"manifest.json": "[]"}, "must name one image, and names 0"),
    ("no JSON", {"manifest.json": "{"}, "must name one image, and names 0"),
    ("another's image", {"manifest.json": archive_of(config="e" * 64 + ".json")["manifest.json"]}, "e.json is missing"),
    ("another content", archive_of(config="e" * 64 + ".json"), "has another content than its name says"),
    ("a configuration elsewhere", archive_of(config="../etc/passwd"), 'Config is "../etc/passwd"'),
    ("a second manifest", [*archive_of().items(), ("manifest.json", archive_of(["nginx:latest"])["manifest.json"])], "must name one image"),
    ("a second layer", [*archive_of().items(), *[("f" * 64 + "/layer.tar", "")] * 2], "twice"),
    ("another way to a manifest", {**archive_of(), "x/../manifest.json": "[]"}, "writes no file"),
    ("a name in the index", {**archive_of(), "index.json": json.dumps({"manifests": [{"annotations": {"io.containerd.image.name": "nginx"}}]})},
     "gives its image a name (io.containerd.image.name)"),
    ("two in the index", {**archive_of(), "index.json": json.dumps({"manifests": [{}, {}]})}, "index.json must name one image"),
    ("an index in another case", {**archive_of(), "index.json": json.dumps({"Manifests": []})}, "has \"Manifests\", which is not known"),
]


@pytest.mark.parametrize("files, text", [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_archives_that_would_touch_others(vmm, docker, tmp_path, files, text):
    """The image of another tenant stays what it is, and is not started by its number."""
    docker.images |= {"nginx:latest", "sha256:" + "e" * 64}
    saved(tmp_path / "ds.1", files)
    disk = f"<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>7</IMAGE_ID><SOURCE>{tmp_path}/ds.1</SOURCE></DISK>"
    vmm.fails("DEPLOY", 12, machine("h1", template=disk), "ds.1", text, "docker save")
    assert not docker.containers and not docker.told("POST", "/images/load")


def test_archive_of_a_newer_engine(vmm, docker, tmp_path):
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
             "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + "a" * 64, "size": 2,
                            "annotations": {"org.opencontainers.image.created": "2026-01-01T00:00:00Z"}}]}
    saved(tmp_path / "ds.1", {**archive_of(config="blobs/sha256/" + DIGEST), "blobs/sha256/" + "a" * 64: "{}", "index.json": json.dumps(index), "oci-layout": "{}"})
    vmm.ok("DEPLOY", 12, machine("h1", template=f"<DISK><DISK_ID>0</DISK_ID><IMAGE_ID>7</IMAGE_ID><SOURCE>{tmp_path}/ds.1</SOURCE></DISK>"))
    assert docker.containers["one-12"]["wanted"]["Image"] == "sha256:" + DIGEST


def test_one_that_ends_at_once(vmm, docker):
    docker.short_lived = True
    vmm.fails("DEPLOY", 12, machine("h1", template=WEB), "it does not stay up: one-12 ended with code 127; it said: sh: nothing: not found")
    assert not docker.containers, "nothing stays of it"


def test_first_start_asks_for_no_more_than_it_needs(vmm, docker):
    """The engine itself says that a name is taken or an image missing; only then it is asked more."""
    first = machine("h1", template=WEB, lcm=2)
    assert vmm.ok("DEPLOY", 12, first) == "one-12"
    calls = [(method, path) for method, path, *_ in docker.calls]
    assert calls == [("POST", "/containers/create"), ("POST", "/containers/one-12/start"), ("GET", "/containers/one-12/json")]
    assert vmm.ok("DEPLOY", 12, first) == "one-12", "the answer was lost"
    docker.containers["one-12"]["status"] = "paused"
    assert vmm.ok("DEPLOY", 12, first) == "one-12" and vmm.ok("POLL", 12, first) == "STATE=a"
    docker.containers["one-13"] = {"status": "running", "labels": {"one.uuid": "another"}, "code": 0}
    vmm.fails("DEPLOY", 13, machine("h1", vid=13, template=WEB, lcm=2), "is another container")
    vmm.ok("DEPLOY", 14, machine("h1", vid=14, template=container("<IMAGE>web</IMAGE>"), lcm=2))
    assert len(docker.told("POST", "/images/create")) == 1, "one that is not there is fetched"
    docker.short_lived = True
    vmm.fails("DEPLOY", 15, machine("h1", vid=15, template=WEB, lcm=2), "one-15 ended with code 127")
    assert "one-15" not in docker.containers
    vmm.fails("DEPLOY", 15, machine("h1", vid=15, template=container("<IMAGE>nowhere:1</IMAGE>"), lcm=2), "manifest unknown")


def test_why_one_is_off(vmm, docker):
    web = machine("h1", template=WEB)
    vmm.ok("DEPLOY", 12, web)
    docker.containers["one-12"].update(status="exited", code=3)
    docker.said = b"x" * 600 + b"\x1b[31mno \xff disk\x00\r\n\xc2\x9bgood bye\r\n"
    told = vmm.ok("POLL", 12, web)
    assert told.startswith("STATE=d REASON=one-12 ended with code 3; it said: xxx") and told.endswith("[31mno \ufffd disk\ufffd    good bye") and len(told) < 600
    docker.containers["one-12"].update(code=137, oom=True)
    docker.said = b""
    assert vmm.ok("POLL", 12, web) == "STATE=d REASON=one-12 ended with code 137, out of memory; it said: nothing"
    docker.containers["one-12"].update(status="created")
    assert vmm.ok("POLL", 12, web) == "STATE=d"


def test_another_of_that_name_is_left_alone(vmm, docker):
    docker.containers["one-12"] = {"status": "running", "labels": {"one.uuid": "another"}, "code": 0}
    web = machine("h1", template=WEB)
    for action in ("DEPLOY", "SHUTDOWN", "REBOOT", "CONSOLE"):
        vmm.fails(action, 12, web, "is another container")
    vmm.ok("CANCEL", 12, web)
    vmm.ok("CLEANUP", 12, web)
    assert docker.containers["one-12"]["status"] == "running"


def test_one_that_does_not_obey(docker, tmp_path):
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "vmm_exec_docker.conf").write_text("SHUTDOWN_TIMEOUT = 1\n")
    vmm = DriverProcess("one_vmm", "docker", "-u", f"unix:{tmp_path}/%h.sock", directory=tmp_path, etc=etc)
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    docker.stubborn = True
    vmm.fails("SHUTDOWN", 12, machine("h1", template=WEB), "did not end within 1 seconds and runs; poweroff --hard ends it")
    assert docker.containers["one-12"]["status"] == "running"
    vmm.end()


def test_start_on_another_host(vmm, docker, tmp_path):
    second = FakeDocker(tmp_path / "h2.sock", "docker2")
    there = machine("h2", template=WEB, history=[("h1", "docker", 0), ("h2", "docker", 0)])
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    vmm.fails("DEPLOY", 12, there, "one-12 runs on h1")
    assert not second.containers
    vmm.ok("SHUTDOWN", 12, machine("h1", template=WEB))
    vmm.ok("DEPLOY", 12, there)
    assert not docker.containers and second.containers["one-12"]["status"] == "running"
    docker.stop()
    vmm.ok("CLEANUP", 12, there)
    assert not second.containers and any("an earlier host of it is not asked" in line for line in vmm.log)
    second.stop()


def test_what_a_move_would_find(vmm, docker, tmp_path):
    second = FakeDocker(tmp_path / "h2.sock", "docker2")
    web = machine("h1", template=WEB, destination="h2")
    assert checks(vmm, 12, web)[0]["machine"][0] == "no"
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    docker.experimental = True
    found, figures = checks(vmm, 12, web)
    assert found["engine"] == ("ok", "docker 20.10.24 on h1, 20.10.24 on h2") and found["kernel"] == ("ok", "Linux 6.1.0 (x86_64) on both")
    assert found["storage"][0] == "ok" and "overlay2; what it wrote outside of volumes is lost" in found["storage"][1]
    assert found["bound"][0] == "warning" and "the volume data is another one" in found["bound"][1] and "the path /etc/motd" in found["bound"][1]
    assert "has not its image nginx:1.25" not in found["bound"][1]
    assert "h1: " in found["criu"][1] and "offers checkpoints; h2: " in found["criu"][1] and found["criu"][1].endswith("offers no checkpoints")
    assert found["way"][0] == "warning" and found["way"][1].startswith("stopped: onevm migrate, with --poff or --live, ends it") and "about 1500 ms" in found["way"][1]
    assert figures["DOWNTIME_MS"] == "1500" and figures["STORAGE"] == "mirrored"
    second.images.clear()
    docker.containers["one-12"]["wanted"]["HostConfig"]["NetworkMode"] = "lan"
    second.networks.discard("lan")
    second.containers["one-12"] = {"status": "exited", "labels": {}, "code": 0}
    found, figures = checks(vmm, 12, web)
    assert found["networks"] == ("no", "h2 has no network lan") and "h2 has not its image nginx:1.25 yet" in found["bound"][1]
    assert found["name"][0] == "no" and found["way"][0] == "no" and "DOWNTIME_MS" not in figures
    # Its own one is in the way only while it runs.
    for status, result in (("exited", "warning"), ("running", "no"), ("paused", "no")):
        second.containers["one-12"] = {"status": status, "labels": dict(docker.containers["one-12"]["labels"]), "code": 0}
        found = checks(vmm, 12, web)[0]
        assert found["name"][0] == result and ("an earlier attempt left one-12 on h2, off" in found["name"][1]) == (status == "exited")
    second.stop()
    found, figures = checks(vmm, 12, web)
    assert found["destination"][0] == "no" and "h2" in found["destination"][1] and set(found) == {"destination", "machine", "way"}
    docker.stop()
    vmm.fails("MIGRATECHECK", 12, web, "host h1")
    assert not docker.told("DELETE") and len(docker.told("POST", ".*/start")) == 1, "nothing was changed"


def test_check_with_oned(fresh, docker, tmp_path):
    """What the driver knows is told for a move by power as for a live one, which is one by power, unless that is forbidden."""
    second = FakeDocker(tmp_path / "h2.sock", "docker2")
    one = fresh(DOCKER.format(tmp_path))
    first, other = one.host("h1", "docker"), one.host("h2", "docker")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "web" ]')
    for order, ability in (("LIVE = YES", "warning"), ('LIVE = YES\nMIGRATE = [ LIVE_ONLY = "YES" ]', "no"), ("LIVE = NO\nTYPE = 1", "ok")):
        found = one.xml("globule.vm.migratecheck", identity, other, order)
        rows = {check.findtext("NAME"): check.findtext("RESULT") for check in found.iter("CHECK")}
        assert found.findtext("POSSIBLE") == ("NO" if ability == "no" else "YES") and rows["ability"] == ability, rows
        assert rows["way"] == "warning" and rows["engine"] == "ok" and int(found.findtext("DOWNTIME_MS")) == 1500
    second.stop()


def test_live_falls_back_with_oned(fresh, docker, tmp_path):
    second = FakeDocker(tmp_path / "h2.sock", "docker2")
    one = fresh(DOCKER.format(tmp_path))
    first, other = one.host("h1", "docker"), one.host("h2", "docker")
    one.until(lambda: one.xml("one.host.info", first).findtext("TEMPLATE/VMM_LACKS"), "its report")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "web" ]')
    name = f"one-{identity}"
    one.fails("globule.vm.migrate", identity, other, 'LIVE = YES\nMIGRATE = [ LIVE_ONLY = "YES" ]',
              text="host h1 cannot give away what runs: ")
    assert docker.containers[name]["status"] == "running" and not one.xml("globule.vm.migrations", identity).findall("MIGRATION")
    one.ok("one.vm.migrate", identity, other, True)
    one.until(lambda: name in second.containers and one.state(identity) == "RUNNING", "the move")
    assert second.containers[name]["status"] == "running" and name not in docker.containers
    record, = one.xml("globule.vm.migrations", identity)
    assert [record.findtext(word) for word in ("KIND", "MODE", "RESULT")] == ["poweroff", "stopped", "success"]
    assert record.findtext("REASON").startswith("stopped, not live: host h1 cannot give away what runs: ")
    second.stop()


# ---- information ----

def report(im):
    return decoded(im.ok("MONITOR", 3, "h1 /nowhere 1"))


def test_report(im, vmm, docker):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    docker.containers["wild"] = {"status": "exited", "labels": {}, "code": 0}
    text = report(im)
    for line in ('HYPERVISOR="docker"', 'HOSTNAME="docker1"', 'VERSION="20.10.24"', 'TOTALCPU="400"', 'TOTALMEMORY="8388608"',
                 f'USEDMEMORY="{20 * 1024}"', 'CGROUPS_VERSION="2"', 'SYNC_STATE="yes"'):
        assert line in text.split("\n"), f"{line} is not in {text}"
    machines = {name: line for line in text.split("\n") if line.startswith("VM=[") for name in re.findall('DEPLOY_ID="(.*?)"', line)}
    assert 'ID="12"' in machines["one-12"] and 'STATE="RUNNING"' in machines["one-12"]
    monitor = decoded(re.search('MONITOR="(.*?)"', machines["one-12"]).group(1))
    for figure in (f'MEMORY="{20 * 1024}"', 'NETRX="12"', 'NETTX="24"', 'DISKRDBYTES="5"', 'DISKWRBYTES="6"'):
        assert figure in monitor, monitor
    assert 'ID="-1"' in machines["wild"] and 'STATE="POWEROFF"' in machines["wild"] and 'UUID="id of wild"' in machines["wild"]


def test_events(im, vmm, docker):
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    report(im)
    wait_for(lambda: docker.listeners, "the listener")
    docker.happens("one-12", "exec_create")
    docker.happens("one-12", "start")
    assert 'STATE="RUNNING"' in decoded(im.line().split()[3])
    docker.containers["one-12"]["status"] = "exited"
    docker.happens("one-12", "die", parts=2)
    words = im.line().split()
    text = decoded(words[3])
    assert words[:3] == ["STATE_VM", "SUCCESS", "3"] and 'ID="12"' in text and 'STATE="POWEROFF"' in text
    docker.hang_up()
    assert im.line().startswith("MONITOR_HOST FAILURE 3 host h1: Docker closed the connection")
    im.ok("STOPMONITOR", 3, "h1")


@pytest.fixture
def criu(tmp_path, monkeypatch):
    """A program of that name for the hosts of these tests."""
    if os.path.exists("/usr/local/sbin/criu"):
        pytest.skip("/usr/local/sbin/criu is there, which the driver takes before any other")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/criu"
    program.write_text("#!/bin/sh\n[ $1 = check ] || echo 'Version: 4.1.1'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return program


def lacks(im):
    text = report(im)
    return tuple(re.search(f'(?m)^{name}="(.*)"$', text).group(1) for name in ("VMM_LACKS", "VMM_LACKS_WHY"))


def test_what_an_engine_lacks(criu, im, docker):
    assert lacks(im)[0] == "SAVE,RESTORE,MIGRATE" and "in /etc/docker/daemon.json" in lacks(im)[1]
    docker.experimental = True
    assert lacks(im)[0] == "MIGRATE"
    docker.podman, docker.runtime = True, {"name": "crun", "version": "crun version 1.8.1\n+SYSTEMD +YAJL"}
    assert lacks(im)[0] == "SAVE,RESTORE,MIGRATE" and "crun was built without CRIU: install runc" in lacks(im)[1]
    docker.runtime = {"name": "crun", "version": "crun version 1.14\n+SYSTEMD +CRIU +YAJL"}
    assert "SAVE" not in lacks(im)[0]
    criu.write_text("#!/bin/sh\n[ $1 = check ] || { echo 'Version: 3.17.1'; exit 0; }\necho 'vdso: Unexpected rt vDSO area bounds'; exit 1\n")
    assert "SAVE" not in lacks(im)[0], "CRIU is asked seldom"
    im.ok("STOPMONITOR", 3, "h1")
    assert lacks(im)[0] == "SAVE,RESTORE,MIGRATE" and "CRIU 3.17.1, which does not work: vdso: Unexpected" in lacks(im)[1]


# ---- what goes wrong ----

GARBAGE = [
    ("dies in its answer", dying, "gave no whole answer"),
    ("no JSON", status(200, b"<html>I am a proxy</html>", "text/html"), "no JSON document"),
    ("another kind", status(200, b"7"), "no"),
    ("refused", status(500, {"message": "out of order"}), "Docker says: out of order"),
    ("refused without a reason", status(502, b"bad gateway", "text/plain"), "Docker says: status 502"),
]


@pytest.mark.parametrize("how, text", [row[1:] for row in GARBAGE], ids=[row[0] for row in GARBAGE])
def test_garbage(vmm, im, docker, how, text):
    web = machine("h1", template=WEB)
    vmm.ok("DEPLOY", 12, web)
    docker.spoil("GET /containers.*", how, times=2)
    vmm.fails("POLL", 12, web, "host h1", text)
    im.fails("MONITOR", 3, "h1 /nowhere 1", "host h1", text)
    assert vmm.ok("POLL", 12, web) == "STATE=a"
    docker.spoil("GET /containers/one-12/stats", how)
    assert 'STATE="RUNNING"' in report(im), "a figure that is missing is no reason to doubt the rest"


def test_no_engine(vmm, im, docker):
    docker.stop()
    vmm.fails("POLL", 12, machine("h1", template=WEB), "host h1: Docker at unix:", "is not reached")
    im.fails("MONITOR", 3, "h1 /nowhere 1", "is not reached")


def test_console(vmm, docker):
    web = machine("h1", template=WEB)
    vmm.fails("CONSOLE", 12, web, "so it has no console")
    vmm.ok("DEPLOY", 12, web)
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(120)
        line.connect(decoded(vmm.ok("CONSOLE", 12, web)))
        assert line.recv(2, socket.MSG_WAITALL) == b"# "
        line.sendall(b"ls\r")
        assert line.recv(5, socket.MSG_WAITALL) == b"<ls\r>"


# ---- commands ----

def test_commands(vmm, docker):
    web = machine("h1", template=WEB)
    vmm.fails("EXEC", 12, commanded("h1", "true"), "so it cannot run commands")
    vmm.ok("DEPLOY", 12, web)
    found = ran(vmm, 12, "h1", "echo out; echo err >&2; exit 3")
    assert found == {"STATUS": "DONE", "RETURN_CODE": "3", "STDOUT": "out\n", "STDERR": "err\n"}
    assert ran(vmm, 12, "h1", "cat; echo 'two  words'", "in 'put'")["STDOUT"] == "in 'put'\ntwo  words\n"
    found = ran(vmm, 12, "h1", "head -c 100000 /dev/zero | tr '\\0' x; cat")
    assert found["STDOUT"] == "x" * 65536 and found["TRUNCATED"] == "YES"
    assert "started anew" in polled(vmm, 12, "h1", "x0000")["ERROR"]
    word = vmm.ok("EXEC", 12, commanded("h1", "sleep 600"))
    assert polled(vmm, 12, "h1", word) == {"STATUS": "EXECUTING"}
    vmm.ok("EXEC_CANCEL", 12, commanded("h1", "", word=word))
    wait_for(lambda: polled(vmm, 12, "h1", word).get("RETURN_CODE") == "137", "its end")
    vmm.ok("EXEC_CANCEL", 12, commanded("h1", "", word="x0000"))


# ---- with oned ----

DOCKER = """
IM_MAD = [ NAME = "docker", EXECUTABLE = "one_im", ARGUMENTS = "docker -u unix:{0}/%h.sock" ]
VM_MAD = [ NAME = "docker", EXECUTABLE = "one_vmm", ARGUMENTS = "docker -u unix:{0}/%h.sock", KEEP_MACHINES = "yes" ]
"""


def test_whole_life_with_oned(fresh, docker, tmp_path):
    one = fresh(DOCKER.format(tmp_path))
    first = one.host("h1", "docker")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "web", PORTS = "8080:80" ]')
    name = f"one-{identity}"
    assert docker.containers[name]["wanted"]["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostPort": "8080"}]}
    wait_for(lambda: docker.listeners, "the listener")
    docker.containers[name].update(status="exited", code=3)
    docker.happens(name, "die")
    one.wait(identity, "POWEROFF")
    assert "ended with code 3; it said: sh: nothing: not found" in one.vm(identity).findtext("USER_TEMPLATE/ERROR")
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    assert one.vm(identity).find("USER_TEMPLATE/ERROR") is None
    assert one.xml("one.host.info", first).findtext("TEMPLATE/VMM_LACKS") == "SAVE,RESTORE,MIGRATE"
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")
    assert docker.containers[name]["status"] == "paused"
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    assert docker.containers[name]["status"] == "running"
    one.fails("one.vm.action", "stop", identity, text="has no SAVE")
    one.action("terminate", identity)
    one.wait(identity, "DONE")
    assert not docker.containers


def test_suspended_by_a_checkpoint_with_oned(criu, fresh, docker, tmp_path):
    docker.experimental = True
    one = fresh(DOCKER.format(tmp_path))
    first = one.host("h1", "docker")
    identity = one.running(first, 'CONTAINER = [ IMAGE = "web" ]')
    name = f"one-{identity}"
    docker.containers[name]["memory"] = "work"
    one.action("suspend", identity)
    one.wait(identity, "SUSPENDED")
    assert docker.containers[name]["status"] == "exited"
    one.fails("one.vm.action", "stop", identity, text="keeps the memory that it saves to itself")
    docker.experimental = False
    one.until(lambda: "SAVE" in one.xml("one.host.info", first).findtext("TEMPLATE/VMM_LACKS"), "that the engine lost it")
    before = len(docker.told("GET", "/containers/json"))
    one.until(lambda: len(docker.told("GET", "/containers/json")) > before + 2, "more reports")
    assert one.state(identity) == "SUSPENDED", "its memory is in a file, so it is not off"
    docker.experimental = True
    one.action("resume", identity)
    one.wait(identity, "RUNNING")
    assert docker.containers[name]["memory"] == "work"


@pytest.mark.parametrize("pattern, code", [("GET .*/checkpoints", 501), ("GET .*/checkpoints", 404), ("GET .*/checkpoints", 500), ("GET /info", 500)])
def test_memory_that_nobody_tells_of_is_not_lost(vmm, docker, pattern, code):
    suspended = machine("h1", template=WEB, vm="<STATE>5</STATE>")
    docker.experimental = True
    vmm.ok("DEPLOY", 12, machine("h1", template=WEB))
    vmm.ok("SAVE", 12, machine("h1", template=WEB))
    docker.spoil(pattern, status(code, {"message": "not now"}), times=2)
    vmm.fails("POLL", 12, suspended, "not now")
    vmm.fails("THAW", 12, suspended, "not now")
    assert vmm.ok("POLL", 12, suspended).startswith("STATE=-")
    docker.containers["one-12"]["checkpoints"].clear()
    assert vmm.ok("POLL", 12, suspended).startswith("STATE=d"), "once the engine says that there is none"


def test_what_only_administrators_may_ask_for(fresh, docker, tmp_path):
    one = fresh(DOCKER.format(tmp_path))
    user = one.user("mallory")
    for pair in ('PRIVILEGED = "YES"', 'VOLUMES = "/:/host"', 'NETWORK = "host"', 'ARCHIVE = "/etc/shadow"'):
        template = f'CPU = 1\nMEMORY = 64\nCONTAINER = [ IMAGE = "web", {pair} ]'
        user.fails("one.vm.allocate", template, False, code=AUTHORIZATION, text="CONTAINER/")
    identity = user.ok("one.vm.allocate", 'CPU = 1\nMEMORY = 64\nCONTAINER = [ IMAGE = "web" ]', False)
    user.fails("one.vm.update", identity, 'CONTAINER = [ IMAGE = "web", PRIVILEGED = "YES" ]', 1, code=AUTHORIZATION)

"""Real engines of Docker and Podman on the lab's hosts, reached by ssh."""
import re
import xml.etree.ElementTree as ET

import pytest
from lab import daemons
from lab.containers import bring_criu
from lab.cloud import DONE, POWEROFF, RUNNING, SUSPENDED, Cloud, Failed, wait_for

PROGRAM = "trap 'exit 0' TERM; echo up; while :; do n=x$n; if read -t 1 line; then echo heard: $line; fi; echo $n >/n; done"
TEMPLATE = f"""NAME = "box"
CPU = 0.5
MEMORY = 32
CONTAINER = [ IMAGE = "box:1", NETWORK = "none", COMMAND = "/bin/sh -c \\"{PROGRAM}\\"" ]
"""


def engine(lab, host, method, path, *more):
    return lab.engine.ask(lab, host, method, path, *more)


@pytest.fixture(scope="module", params=["docker", "podman"])
def engines(lab, request):
    lab.engine = daemons.ENGINES[request.param]
    lab.engine.require()
    lab.no_criu = bring_criu(lab)
    daemons.make_root(lab)
    for host in lab.hosts:
        try:
            lab.engine.start(lab, host)
        except AssertionError:
            pytest.skip(f"{lab.engine.name} does not start in a namespace of this machine: {lab.engine.said(lab, host)}")
        lab.engine.bring(lab, host)
    yield
    for host in lab.hosts:
        lab.engine.stop(lab, host)


@pytest.fixture(scope="module")
def cloud(lab, engines):
    cloud = Cloud(lab, lab.engine.name, "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 5")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "docker", "-v", "docker")
    for host in lab.hosts:
        try:
            cloud.wait_host(host, "on")
        except AssertionError:
            raise AssertionError(cloud.log()) from None
    yield cloud
    cloud.stop()


def state_on(lab, host):
    return engine(lab, host, "GET", "/containers/one-0/json")


def worked(lab, host):
    """How far its program is, which it holds in its memory."""
    pid = re.search('"Pid":([0-9]+)', state_on(lab, host)).group(1)
    return len(lab.on(host, "cat", f"/proc/{pid}/cwd/n").strip())


class TestContainer:
    story = True  # each step stands on those before

    def test_host_tells_what_it_is(self, cloud):
        host = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        assert host.findtext("TEMPLATE/HYPERVISOR") == "docker" and host.findtext("TEMPLATE/VERSION")
        assert int(host.findtext("HOST_SHARE/MAX_MEM")) > 0 and int(host.findtext("HOST_SHARE/MAX_CPU")) > 0

    def test_it_starts(self, lab, cloud):
        (lab.shared / "box.one").write_text(TEMPLATE)
        cloud.cli("onevm", "create", "--hold", "/var/lib/one/datastores/box.one")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING, 60)
        shown = state_on(lab, "node01")
        assert '"Running":true' in shown and f'"Memory":{32 << 20}' in shown and '"NanoCpus":500000000' in shown

    def test_figures(self, cloud):
        wait_for("its memory", 30, lambda: int(cloud.vm("box").findtext("MONITORING/MEMORY") or 0) > 0)

    def test_console(self, lab, cloud):
        said = lab.front("sh", "-c", f"(sleep 1; printf 'hello\\n'; sleep 3) | {' '.join(cloud.environment())} timeout 20 onevm console box", check=False)
        assert "heard: hello" in said, said

    def test_suspend_and_resume(self, lab, cloud):
        """Where the engine has checkpoints its memory is kept by one; twice, since the second must not meet the first."""
        lacks = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01")).findtext("TEMPLATE/VMM_LACKS")
        assert ("SAVE" in lacks.split(",")) == bool(lab.no_criu), (lacks, lab.no_criu)
        for again in range(2):
            before = worked(lab, "node01")
            cloud.cli("onevm", "suspend", "box")
            cloud.wait("box", SUSPENDED, 60)
            assert ('"Status":"paused"' if lab.no_criu else '"Status":"exited"') in state_on(lab, "node01")
            cloud.cli("onevm", "resume", "box")
            cloud.wait("box", RUNNING, 60)
            assert '"Status":"running"' in state_on(lab, "node01")
            wait_for("its work to go on", 30, lambda: worked(lab, "node01") > before)

    def test_off_and_on(self, lab, cloud):
        cloud.cli("onevm", "poweroff", "box")
        cloud.wait("box", POWEROFF, 60)
        assert '"Status":"exited"' in state_on(lab, "node01")
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)

    def test_it_dies_by_itself(self, lab, cloud):
        engine(lab, "node01", "POST", "/containers/one-0/kill")
        cloud.wait("box", POWEROFF, 30)
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)

    def test_one_that_ends_soon_says_why(self, lab, cloud):
        """Whether its end is seen before its start is answered or after."""
        for code, pause in ((3, 0), (4, 0.5)):
            text = TEMPLATE.replace('"box"', f'"short{code}"').replace(PROGRAM, f"sleep {pause}; echo no such luck; exit {code}")
            (lab.shared / "short.one").write_text(text)
            cloud.cli("onevm", "create", "--hold", "/var/lib/one/datastores/short.one")
            cloud.cli("onevm", "deploy", f"short{code}", "node01")
            wait_for("its end", 60, lambda name=f"short{code}": "no such luck" in (cloud.vm(name).findtext("USER_TEMPLATE/ERROR") or ""))
            assert f"ended with code {code}; it said: no such luck" in cloud.vm(f"short{code}").findtext("USER_TEMPLATE/ERROR")
            cloud.cli("onevm", "terminate", "--hard", f"short{code}")

    def test_it_starts_on_the_other_host(self, lab, cloud):
        with pytest.raises(Failed, match="Cannot migrate live.*LIVE_ONLY forbids"):
            cloud.cli("onevm", "migrate", "--live", "--live-only", "box", "node02")
        said = cloud.cli("onevm", "migrate", "--check", "box", "node02")
        assert "to node02: possible" in said and "stopped: onevm migrate, with" in said and f"{lab.engine.name} " in said and "CRIU" in said, said
        assert "stopped, not live: host node01 cannot give away what runs: " in said and "ms without the machine" in said, said
        cloud.cli("onevm", "migrate", "--live", "box", "node02")
        wait_for("the move", 60, lambda: cloud.host_of("box") == "node02")
        cloud.wait("box", RUNNING, 60)
        assert '"Running":true' in state_on(lab, "node02") and "no such container" in state_on(lab, "node01").lower()
        assert "stopped, not live: host node01 cannot give away" in cloud.cli("onevm", "migrations", "box", "--csv")

    def test_wild_ones_are_listed(self, lab, cloud):
        engine(lab, "node01", "POST", "/containers/create?name=wild", "-H", "Content-Type: application/json",
               "-d", '{"Image":"box:1","Cmd":["/bin/sleep","99"],"HostConfig":{"NetworkMode":"none"}}')
        wait_for("the wild one", 30, lambda: "wild" in cloud.cli("onehost", "show", "node01"))

    def test_it_ends(self, lab, cloud):
        cloud.cli("onevm", "terminate", "--hard", "box")
        wait_for("the end", 60, lambda: cloud.vm("0").findtext("STATE") == str(DONE[0]))
        assert "no such container" in state_on(lab, "node02").lower()

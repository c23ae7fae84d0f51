"""Containers by liblxc on the lab's hosts, reached by ssh: from a template to the move by power."""
import base64
import re
import shutil
import xml.etree.ElementTree as ET

from xml.sax.saxutils import escape

import pytest
from lab.cloud import DONE, POWEROFF, RUNNING, Cloud, wait_for
from lab.driver import Driver, Machine
from lab.containers import FIRST, TEMPLATE, end_all, group_has, lxc, make_image, make_qcow2, need_lxc, starts, users_are_its_own


@pytest.fixture(scope="module")
def cloud(lab):
    need_lxc(lab)
    make_image(lab)
    cloud = Cloud(lab, "lxc", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2\nMONITORING_INTERVAL_VM = 2")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "lxc", "-v", "lxc")
    for host in lab.hosts:
        try:
            cloud.wait_host(host, "on")
        except AssertionError:
            raise AssertionError(cloud.log()) from None
    yield cloud
    end_all(lab)
    cloud.stop()


@pytest.fixture(autouse=True)
def told(cloud):
    """What the machine's log says when a step fails."""
    yield
    print(cloud.logs()[-5000:])


class TestContainer:
    story = True  # each step stands on those before

    def test_host_tells_what_it_is(self, cloud):
        host = ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        assert host.findtext("TEMPLATE/HYPERVISOR") == "lxc"
        assert re.fullmatch(r"\d+\.\d+\.\d+", host.findtext("TEMPLATE/VERSION"))
        assert int(host.findtext("HOST_SHARE/MAX_MEM")) > 0 and int(host.findtext("HOST_SHARE/MAX_CPU")) > 0

    def test_it_starts_from_an_archive(self, lab, cloud):
        cloud.create("box", TEMPLATE + 'LXC_UNPRIVILEGED = "YES"\n', "--hold")
        cloud.cli("onevm", "deploy", "box", "node01")
        cloud.wait("box", RUNNING, 60)
        assert lxc(lab, "node01", "lxc-info", "-n", "one-0", "-sH").strip() == "RUNNING"
        wait_for("its start", 20, lambda: starts(lab, "node01") == 1)
        assert group_has(lab, "node01", "one-0", ("memory", "memory.limit_in_bytes"), "memory.max") == str(64 << 20)
        assert group_has(lab, "node01", "one-0", ("cpu", "cpu.shares"), "cpu.weight") in ("512", "50")
        address = lxc(lab, "node01", "lxc-attach", "-n", "one-0", "--", "/bin/busybox", "ifconfig", "eth0")
        assert "02:00:0A:00:00:07" in address.upper()

    def test_its_root_is_nobody_on_the_host(self, lab, cloud):
        users_are_its_own(lab, "node01")
        assert f"root:{FIRST}:65536" in lab.on("node01", "cat", "/etc/subuid").splitlines()
        refused = lxc(lab, "node01", "lxc-attach", "-n", "one-0", "--", "/bin/busybox", "mknod", "/disk", "b", "8", "0", check=False)
        assert "not permitted" in refused

    def test_figures(self, cloud):
        wait_for("its memory", 30, lambda: int(cloud.vm("box").findtext("MONITORING/MEMORY") or 0) > 0)

    def test_resize(self, lab, cloud):
        cloud.cli("onevm", "resize", "box", "--cpu", "2")
        wait_for("its weight", 30, lambda: group_has(lab, "node01", "one-0", ("cpu", "cpu.shares"), "cpu.weight") in ("2048", "200"))
        wait_for("its time", 30, lambda: group_has(lab, "node01", "one-0", ("cpu", "cpu.cfs_quota_us"), "cpu.max").split()[0] == "200000")

    def test_console(self, lab, cloud):
        said = lab.front("sh", "-c", f"(sleep 1; printf 'cat /starts; echo so-$((40+2))\\nexit\\n'; sleep 3) | {' '.join(cloud.environment())} timeout 20 onevm console box", check=False)
        assert "so-42" in said, said

    def test_commands_inside(self, lab, cloud):
        """EXEC, EXECPOLL and EXEC_CANCEL, by the driver alone: it finds the container by its name."""
        driver = Driver(lab, "lxc")
        try:
            machine = Machine(lab, "node01")
            machine.vid = machine.name = None
            document = machine.document().encode()
            text = base64.b64decode(document).decode()

            def ask(action, **order):
                pairs = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in order.items())
                uuid = re.search("one.uuid = (.*)", (lab.root("node01") / "var/lib/lxc/one-0/config").read_text()).group(1)
                whole = text.replace("<ID>None</ID>", "<ID>0</ID>").replace(
                    "<DEPLOY_ID>None</DEPLOY_ID>", "<DEPLOY_ID>one-0</DEPLOY_ID>").replace(
                    "<TEMPLATE>", f"<TEMPLATE><OS><UUID>{uuid}</UUID></OS><QEMU_GA_EXEC>{pairs}</QEMU_GA_EXEC>", 1)
                driver.send(f"{action} 0 {base64.b64encode(whole.encode()).decode()}")
                return driver.result(action, 0)

            good, word = ask("EXEC", COMMAND="cat; echo oh >&2; exit 3", STDIN="it's here")
            assert good, word

            def told():
                return base64.b64decode(ask("EXECPOLL", PID=word)[1]).decode()
            wait_for("its end", 20, lambda: "DONE" in told())
            said = told()
            coded = base64.b64encode
            assert 'RETURN_CODE="3"' in said and coded(b"it's here").decode() in said and coded(b"oh\n").decode() in said, said
            good, word = ask("EXEC", COMMAND="sleep 100", STDIN="")
            assert good and "EXECUTING" in told()
            assert ask("EXEC_CANCEL", PID=word)[0]
            wait_for("nothing of it", 20, lambda: "sleep 100" not in lxc(lab, "node01", "lxc-attach", "-n", "one-0", "--", "/bin/busybox", "ps"))
            assert "EXECUTING" not in told()
            for command in ("exec /bin/busybox yes", "trap '' PIPE; while :; do /bin/busybox yes; done 2>/dev/null"):
                good, word = ask("EXEC", COMMAND=command, STDIN="")
                assert good, word
                wait_for("its end", 60, lambda: "DONE" in told())
                said = told()
                assert 'TRUNCATED="ENDED"' in said and 'RETURN_CODE="137"' in said and coded(b"y\n" * 32768).decode() in said, said[:300]
                place = lab.root("node01") / "run/globule-lxc-exec" / word
                assert sum(path.stat().st_size for path in place.iterdir()) < 80000
            good, word = ask("EXEC", COMMAND="/bin/busybox sleep 40 & echo left", STDIN="")
            wait_for("its end", 20, lambda: "DONE" in told())
            assert coded(b"left\n").decode() in told() and "TRUNCATED" not in told()
            assert not ask("EXECPOLL", PID="../../etc")[0]
        finally:
            driver.stop()

    def test_freeze(self, lab, cloud):
        lxc(lab, "node01", "lxc-freeze", "-n", "one-0")
        cloud.cli("onevm", "poweroff", "box")
        cloud.wait("box", POWEROFF, 60)
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == 2)

    def test_off_and_on(self, lab, cloud):
        cloud.cli("onevm", "poweroff", "box")
        cloud.wait("box", POWEROFF, 60)
        assert "one-0" not in lxc(lab, "node01", "lxc-ls", "-1")
        assert not [line for line in lab.on("node01", "cat", "/proc/mounts").splitlines() if "one-0" in line]
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01") == 3)

    def test_reboot_and_reset(self, lab, cloud):
        cloud.cli("onevm", "reboot", "box")
        wait_for("its start", 30, lambda: starts(lab, "node01") == 4)
        cloud.cli("onevm", "reboot", "--hard", "box")
        wait_for("its start", 30, lambda: starts(lab, "node01") == 5)
        cloud.wait("box", RUNNING, 30)

    def test_it_dies_by_itself(self, lab, cloud):
        lxc(lab, "node01", "lxc-stop", "-n", "one-0", "-k")
        cloud.wait("box", POWEROFF, 30)
        assert not [line for line in lab.on("node01", "cat", "/proc/mounts").splitlines() if "one-0" in line]
        cloud.cli("onevm", "resume", "box")
        cloud.wait("box", RUNNING, 60)

    def test_it_moves_by_power(self, lab, cloud):
        before = wait_for("its start", 20, lambda: starts(lab, "node01"))
        cloud.cli("onevm", "migrate", "--poff", "box", "node02")
        wait_for("the move", 60, lambda: cloud.host_of("box") == "node02")
        cloud.wait("box", RUNNING, 60)
        assert "one-0" not in lxc(lab, "node01", "lxc-ls", "-1")
        wait_for("its start with the same disk", 20, lambda: starts(lab, "node02") == before + 1)
        users_are_its_own(lab, "node02")

    def test_another_container_of_that_name(self, lab, cloud):
        """It is left alone, and the machine does not start in its place."""
        place = lab.root("node01") / "var/lib/lxc/one-1"
        place.mkdir()
        (place / "config").write_text("lxc.uts.name = mine\n")
        cloud.create("late", TEMPLATE.replace('"box"', '"late"', 1), "--hold")
        cloud.cli("onevm", "deploy", "late", "node01")
        wait_for("the refusal", 30, lambda: "is another container" in cloud.vm_log("late"))
        assert (place / "config").read_text() == "lxc.uts.name = mine\n"
        shutil.rmtree(place)
        cloud.cli("onevm", "terminate", "--hard", "late")

    def test_its_image_is_qcow2(self, lab, cloud):
        """It is made raw by its first start, which the machine learns."""
        make_qcow2(lab)
        disk = 'DISK = [ SOURCE = "/var/lib/one/datastores/box.qcow2", CLONE = "YES", DRIVER = "qcow2", FORMAT = "qcow2" ]'
        cloud.create("packed", re.sub("(?m)^DISK = .*$", disk, re.sub("NIC = .*", "", TEMPLATE)).replace('"box"', '"packed"', 1), "--hold")
        number = cloud.vm("packed").findtext("ID")
        cloud.cli("onevm", "deploy", "packed", "node01")
        cloud.wait("packed", RUNNING, 60)
        wait_for("its start", 20, lambda: starts(lab, "node01", f"one-{number}") == 1)
        assert cloud.vm("packed").findtext("TEMPLATE/DISK/DRIVER") == "raw"
        image = lab.shared / "0" / number / "disk.0"
        assert image.read_bytes()[:4] != b"QFI\xfb" and (lab.shared / "box.qcow2").read_bytes()[:4] == b"QFI\xfb"
        cloud.cli("onevm", "migrate", "--poff", "packed", "node02")
        wait_for("the move", 60, lambda: cloud.host_of("packed") == "node02")
        cloud.wait("packed", RUNNING, 60)
        wait_for("its second start", 20, lambda: starts(lab, "node02", f"one-{number}") == 2)
        cloud.cli("onevm", "terminate", "--hard", "packed")

    def test_wild_ones_are_listed(self, lab, cloud):
        place = lab.root("node02") / "var/lib/lxc/wild"
        shutil.copytree(lab.dir / "lxc-root", place / "rootfs", symlinks=True)
        (place / "config").write_text("lxc.rootfs.path = dir:/var/lib/lxc/wild/rootfs\nlxc.net.0.type = empty\nlxc.console.path = none\n")
        lxc(lab, "node02", "lxc-start", "-n", "wild")
        wait_for("the wild one", 30, lambda: "wild" in cloud.cli("onehost", "show", "node02"))
        lxc(lab, "node02", "lxc-stop", "-n", "wild", "-k")

    def test_it_ends(self, lab, cloud):
        cloud.cli("onevm", "terminate", "--hard", "box")
        wait_for("the end", 60, lambda: cloud.vm("0").findtext("STATE") == str(DONE[0]))
        assert "one-0" not in lxc(lab, "node02", "lxc-ls", "-1")
        assert not (lab.shared / "0/0").exists()

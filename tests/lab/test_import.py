"""A real machine that libvirt ran before the cloud came: listed, taken over, watched, moved, started again, ended."""
import xml.etree.ElementTree as ET

import pytest
from lab.cloud import DONE, POWEROFF, RUNNING, Cloud, wait_for

DOMAIN = """<domain type='qemu'><name>legacy</name><memory unit='MiB'>100</memory><vcpu>1</vcpu>
<os><type arch='x86_64'>hvm</type><kernel>{boot}/vmlinuz</kernel><initrd>{boot}/initrd.gz</initrd>
<cmdline>console=ttyS0 quiet panic=-1</cmdline></os>
<devices><serial type='null'/><console type='null'/></devices></domain>"""


@pytest.fixture(scope="module")
def cloud(lab, guest):
    cloud = Cloud(lab, "import", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2\nMONITORING_INTERVAL_VM = 2")
    cloud.start()
    for host in lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "qemu", "-v", "qemu")
    (lab.shared / "legacy.xml").write_text(DOMAIN.format(boot=guest))
    lab.on("node01", "virsh", "-q", "define", "/var/lib/one/datastores/legacy.xml")
    lab.on("node01", "virsh", "-q", "start", "legacy")
    yield cloud
    for host in lab.hosts:
        lab.on(host, "virsh", "-q", "destroy", "legacy", check=False)
        lab.on(host, "virsh", "-q", "undefine", "legacy", check=False)
    cloud.stop()


class TestImport:
    story = True

    def test_the_host_tells_of_it(self, lab, cloud):
        def host():
            return ET.fromstring(cloud.cli("onehost", "show", "-x", "node01"))
        wait_for("the wild machine", 30, lambda: host().findtext("TEMPLATE/WILDS") == "legacy")
        told = host()
        assert told.findtext("TEMPLATE/KVM_MACHINES") and told.findtext("TEMPLATE/KVM_CPU_FEATURES")
        assert told.findall("HOST_SHARE/NUMA_NODES/NODE/CORE") and told.findtext("TEMPLATE/CGROUPS_VERSION")
        assert int(told.findtext("MONITORING/SYSTEM/NETRX")) > 0, "read by ssh, since libvirt does not tell"
        assert "WILD VIRTUAL MACHINES" in cloud.cli("onehost", "show", "node01")

    def test_it_is_taken_over_as_it_runs(self, lab, cloud):
        before = lab.on("node01", "virsh", "-q", "domid", "legacy")
        assert "ID: " in cloud.cli("onehost", "importvm", "node01", "legacy")
        cloud.wait("legacy", RUNNING)
        assert lab.on("node01", "virsh", "-q", "domid", "legacy") == before
        vm = cloud.vm("legacy")
        assert vm.findtext("DEPLOY_ID") == "legacy" and vm.findtext("TEMPLATE/MEMORY") == "100"
        wait_for("its figures", 20, lambda: cloud.vm("legacy").find("MONITORING/MEMORY") is not None)

    def test_its_end_is_seen_and_it_starts_again(self, lab, cloud):
        lab.on("node01", "virsh", "-q", "destroy", "legacy")
        cloud.wait("legacy", POWEROFF)
        cloud.cli("onevm", "resume", "legacy")
        cloud.wait("legacy", RUNNING)
        assert lab.domains("node01") == ["legacy"]

    def test_it_moves(self, lab, cloud):
        cloud.cli("onevm", "migrate", "--live", "legacy", "node02")
        cloud.wait("legacy", RUNNING)
        wait_for("legacy on node02 alone", 30, lambda: lab.domains("node02") == ["legacy"] and not lab.domains("node01"))
        assert cloud.host_of("legacy") == "node02"

    def test_it_ends(self, lab, cloud):
        identity = cloud.vm("legacy").findtext("ID")
        cloud.cli("onevm", "terminate", "--hard", "legacy")
        cloud.wait(identity, DONE)
        assert lab.domains("node02") == []
        everything = lab.on("node02", "virsh", "-q", "list", "--all", "--name")
        assert "legacy" in everything, "its definition, which moved with it, is not ours to remove"

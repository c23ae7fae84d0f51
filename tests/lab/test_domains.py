"""The documents of tests/unit/data/domain as libvirt's own drivers read them, and the console of a real guest."""
import re
import subprocess

import pytest
from lab.cloud import LAB, ROOT, RUNNING, Cloud, wait_for

DATA = ROOT / "tests/unit/data/domain"
DOCUMENTS = sorted(path.name for path in DATA.glob("*.*.xml") if not path.name.endswith(".xen.xml"))
# What this computer has no emulator or processor for: the document was understood all the same.
LACKING = {"arm.kvm.xml": "No emulator found for arch 'aarch64'",
           "encrypted.kvm.xml": "SEV launch security is not supported",
           "uefi.kvm.xml": "TPM version '2.0' is not supported"}
TEMPLATE = """NAME = "talker"
CPU = 0.5
MEMORY = 100
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
GRAPHICS = [ TYPE = "vnc", RANDOM_PASSWD = "YES" ]
"""


@pytest.mark.parametrize("name", DOCUMENTS)
def test_libvirt_takes_the_document(lab, name):
    text = (DATA / name).read_text().replace('<domain type="kvm"', '<domain type="qemu"')
    uri = "lxc:///system" if ".lxc_libvirt." in name else "qemu:///system"
    if ".lxc_libvirt." in name and "libvirt_driver_lxc" not in lab.on("node01", "ls", "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver"):
        pytest.skip("install libvirt-daemon-driver-lxc")
    document = lab.shared / "document.xml"
    document.write_text(text)
    said = lab.on("node01", "virsh", "-q", "-c", uri, "define", "--validate", "/var/lib/one/datastores/document.xml", check=False)
    domain = re.search(r"<name>(.*)</name>", text).group(1)
    lab.on("node01", "virsh", "-q", "-c", uri, "undefine", domain, *["--nvram"] * (uri[0] == "q"), check=False)
    document.unlink()
    if name in LACKING and "error:" in said:
        assert LACKING[name] in said, said
    else:
        assert "defined from" in said or not said.strip(), said


@pytest.fixture(scope="module")
def cloud(lab, guest):
    cloud = Cloud(lab, "console", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2")
    cloud.start()
    cloud.cli("onehost", "create", "node01", "-i", "qemu", "-v", "qemu")
    cloud.wait_host("node01", "on")
    yield cloud
    lab.clean()
    cloud.stop()


def test_console_of_a_guest(cloud, guest):
    """Its heartbeat is heard, what is typed reaches its line, and a second one is told who listens."""
    cloud.create("talker", TEMPLATE.format(boot=guest), "--hold")
    cloud.cli("onevm", "deploy", "talker", "node01")
    cloud.wait("talker", RUNNING)
    words = [LAB, "fe", *cloud.environment(), "onevm", "console", "talker"]
    process = subprocess.Popen(words, env=cloud.lab.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, errors="replace")
    heard = []
    try:
        def beats(more):
            while (line := process.stdout.readline()) and len(heard) < 400:
                heard.append(line)
                if sum(" HB " in f" {text}" for text in heard) >= more:
                    return True
            return False
        assert beats(5), heard
        assert "oneadmin from 127.0.0.1 since" in cloud.cli("onevm", "console", "talker", check=False)
        process.stdin.write("typed-here")  # the line of the guest echoes it
        process.stdin.flush()
        before = len(heard)
        assert beats(15) and "typed-here" in "".join(heard[before:]).replace("\n", ""), heard[before:]
        cloud.cli("onevm", "poweroff", "talker", "--hard")
        assert "The console was closed" in process.stdout.read()[-400:]
        assert process.wait(20) == 1
    finally:
        process.kill()
        process.wait()
    assert not list((cloud.home / "var/consoles").iterdir())


def test_screen_of_a_guest(cloud):
    """The port and the password that the machine's document told are those of QEMU."""
    cloud.cli("onevm", "resume", "talker")
    cloud.wait("talker", RUNNING)
    vm = cloud.vm("talker")
    port, password = (vm.findtext(f"TEMPLATE/GRAPHICS/{name}") for name in ("PORT", "PASSWD"))
    xml = cloud.lab.on("node01", "virsh", "-q", "dumpxml", "--security-info", vm.findtext("DEPLOY_ID"))
    assert f"port='{port}'" in xml and f"passwd='{password}'" in xml and "listen='127.0.0.1'" in xml
    assert f"vnc://127.0.0.1:{port}" in cloud.cli("onevm", "vnc", "talker")
    banner = cloud.lab.on("node01", "timeout", "60", "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}; head -c 12 <&3")
    assert banner.startswith("RFB 003")
    kept = list((cloud.home / "var/vms" / vm.findtext("ID")).glob("deployment.*"))
    assert kept and all(path.stat().st_mode & 0o077 == 0 for path in kept), "they hold the password"
    wait_for("it to be gone", 40, lambda: cloud.cli("onevm", "terminate", "--hard", "talker", check=False) is not None
             and not cloud.lab.domains("node01"))

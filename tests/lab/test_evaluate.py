"""`onevm evaluate` on two hosts with real libvirt and QEMU, on small sizes: what a user gets to see."""
import csv

import pytest
from lab.cloud import NET, Cloud, card_of, wait_for

TEMPLATE = """NAME = eve
CPU = 1
MEMORY = 100
OS = [ KERNEL = "{boot}/vmlinuz", INITRD = "{boot}/initrd.gz", KERNEL_CMD = "console=ttyS0 quiet panic=-1" ]
DISK = [ SOURCE = "{boot}/disk.img", CLONE = "YES", TARGET = "vda" ]
NIC = [ BRIDGE = "br0", MAC = "{mac}" ]
"""
GUEST, SPARE = f"{NET}.100", f"{NET}.101"  # the first as the card's address says


@pytest.fixture
def cloud(lab, guest):
    cloud = Cloud(lab, "evaluate", "/var/lib/one/datastores", "MONITORING_INTERVAL_HOST = 2",
                  "NEW_MACHINE_DELAY = 30")
    try:
        cloud.start()
        yield cloud
    finally:
        lab.clean()
        cloud.stop()


def rows(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def test_evaluate(cloud, guest):
    for host in cloud.lab.hosts:
        cloud.cli("onehost", "create", host, "-i", "qemu", "-v", "qemu")
    for host in cloud.lab.hosts:
        cloud.wait_host(host, "on")
    cloud.create("eve", TEMPLATE.format(boot=guest, mac=card_of(GUEST)))
    cloud.cli("onevm", "deploy", "eve", "node01")
    cloud.runs_on("eve", "node01", 60)
    wait_for("the guest's answer", 90, lambda: "1 received" in cloud.lab.front(
        "ping", "-q", "-c1", "-W1", GUEST, check=False))
    out = cloud.home / "evaluation"
    said = cloud.cli("onevm", "evaluate", "eve", "--to", "node02", "--ping", "--repeat", "2", "--download", "2M",
                     "--sizes", "96M", "--spare", SPARE, "--max-downtime", "800ms", "--output", out, "--yes", timeout=300)
    assert f"{out}/report.html" in said
    cloud.runs_on("eve", "node01")
    assert len([name for host in cloud.lab.hosts for name in cloud.lab.domains(host)]) == 1
    moves = rows(out / "moves.csv")
    assert [(row["kind"], row["destination"], row["result"]) for row in moves] == [
        ("again", "node02", "success"), ("again", "node01", "success"), ("download", "node02", "success"),
        ("home", "node01", "success")]
    for row in [*moves, *rows(out / "sizes.csv")]:  # the hypervisor's own figures
        assert 0 < int(row["total_ms"]) <= int(row["elapsed_ms"]) + 1000, row
        assert 0 <= int(row["downtime_ms"]) <= int(row["total_ms"]) and int(row["bytes"]) > 1 << 20, row
        assert row["storage"] == "shared" and row["mode"] == "precopy", row
    assert [row["kind"] for row in rows(out / "sizes.csv")] == ["size", "back"]
    fast = [row for row in rows(out / "ping.csv") if row["trace"] == "fast"]
    answered = [row for row in fast if row["trip_ms"]]
    # The guest answers before, between and after the moves, whatever is lost while it switches.
    assert len(answered) > len(fast) / 2 and all(row["trip_ms"] for row in fast[:5])
    downloads = rows(out / "download.csv")
    for run in ("without", "with"):
        assert [int(row["bytes"]) for row in downloads if row["run"] == run][-1] == 2 << 20
    page = (out / "report.html").read_text()
    assert "MAX_DOWNTIME=" in page and ">intact<" in page and "DAMAGED" not in page and ">not measured<" not in page

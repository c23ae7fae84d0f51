"""`onehost prepare`: servers as an installer leaves them become hosts, and twice changes nothing."""
import json

import pytest

from lab.cloud import ROOT, Cloud, Lab, wait_for

ITEMS = ("hostkey login system cpu packages user key libvirt owner mount datastores bridge network clock rootkey names "
         "trust peers access").split()
WISH = ["--hypervisor", "qemu", "--nfs", "fe:/srv/ds", "--bridge", "br1", "--nic", "spare0"]


@pytest.fixture(scope="module")
def bare():
    lab = Lab(2, bare=True)
    lab.down()
    lab.up()
    for host in lab.hosts:
        lab.on(host, "ip", "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    yield lab
    lab.down()


def prepare(lab, *words, code=None):
    """{host: {item: (result, text)}}, and what was said on the way."""
    said = lab.front("sh", "-c", '"$0" onehost prepare "$@" -j 2>/tmp/said; echo $? >/tmp/code; cat /tmp/said >&2',
                     ROOT / "build/bin/onecli", *words, check=False)
    report, progress = said[said.index("{\n"):said.rindex("}") + 1], said[said.rindex("}") + 1:]
    if code is not None:
        assert lab.front("cat", "/tmp/code").strip() == str(code), said
    hosts = json.loads(report)["PREPARATION"]["HOST"]
    return {host["NAME"]: {item["NAME"]: (item["RESULT"], item["TEXT"]) for item in as_list(host["ITEM"])}
            for host in as_list(hosts)}, progress


def as_list(one):
    return one if isinstance(one, list) else [one]


def results(items):
    return {name: result for name, (result, _) in items.items()}


class TestPrepare:
    story = True

    def test_an_unknown_host_key_is_shown_and_not_trusted(self, bare):
        hosts, said = prepare(bare, "node[01-02]", "--check", code=1)
        key = bare.on("node01", "ssh-keygen", "-lf", bare.dir / "keys/node01").split()[1]
        assert hosts["node01"]["hostkey"][0] == "missing" and key in hosts["node01"]["hostkey"][1]
        assert f"node01 shows a new host key: ssh-ed25519 {key}" in said
        assert list(hosts["node02"]) == ["hostkey"]
        assert (bare.dir / "fe/root/.ssh/known_hosts").read_text() == ""

    def test_check_tells_what_is_missing_and_changes_nothing(self, bare):
        known = bare.dir / "fe/root/.ssh/known_hosts"
        known.write_text((bare.dir / "keys/known_hosts").read_text())
        hosts, _ = prepare(bare, "node01", "node02", "--check", *WISH, code=1)
        known.write_text("")
        for items in hosts.values():
            assert list(items) == ITEMS
            found = results(items)
            for item in "packages user key libvirt mount datastores bridge network rootkey names trust".split():
                assert found[item] == "missing", items[item]
            for item in "hostkey login system cpu clock".split():
                assert found[item] == "ok", items[item]
            assert found["access"] == found["peers"] == "failed"
            assert "qemu-system-x86" in items["packages"][1] and "nfs-common" in items["packages"][1]
        assert "oneadmin" not in bare.on("node01", "cat", "/etc/passwd")
        assert bare.on("node01", "ls", "/root/.ssh").split() == ["authorized_keys", "known_hosts"]

    def test_it_sets_them_up(self, bare):
        hosts, said = prepare(bare, "node[01-02]", "--accept-new", *WISH, code=0)
        for items in hosts.values():
            found = results(items)
            assert set(found.values()) == {"ok", "changed"}, items
            assert found["user"] == found["libvirt"] == found["mount"] == found["trust"] == "changed"
        assert "[proof 2/2]" in said
        assert bare.on("node01", "stat", "-c", "%U", "/var/lib/one/datastores").strip() == "oneadmin"
        assert bare.on("node01", "findmnt", "-rn", "-M", "/var/lib/one/datastores", "-o", "SOURCE").strip() == "fe:/srv/ds"
        # No client of NFS is in the kernels of test machines: this is what the real mount(8) and mount.nfs(8) would be given.
        assert [line for line in bare.on("node01", "cat", "/etc/fstab").splitlines() if "/var/lib/one" in line] == \
            ["fe:/srv/ds /var/lib/one/datastores nfs rw,hard,_netdev,nofail 0 0"]
        assert "spare0" in bare.on("node02", "ls", "/sys/class/net/br1/brif")
        assert bare.on("node01", "ssh", "-o", "BatchMode=yes", "node02", "id", "-un").strip() == "oneadmin"
        assert bare.on("node01", "virsh", "-c", "qemu+ssh://node02/system", "hostname").strip() == "node02"

    def test_twice_changes_nothing(self, bare):
        files = ["/etc/passwd", "/etc/group", "/etc/fstab", "/etc/hosts", "/etc/libvirt/qemu.conf", "/root/.ssh/config",
                 "/etc/ssh/ssh_known_hosts", "/var/lib/one/.ssh/authorized_keys", "/etc/network/interfaces.d/br1"]
        before = [bare.on(host, "md5sum", *files, check=False) for host in bare.hosts]
        hosts, _ = prepare(bare, "node[01-02]", *WISH, code=0)
        for items in hosts.values():
            assert set(results(items).values()) == {"ok"}, items
        assert [bare.on(host, "md5sum", *files, check=False) for host in bare.hosts] == before

    def test_a_bridge_gets_an_address_of_its_own(self, bare):
        """Else it would take that of the card that libvirt makes for a machine, the same on two hosts."""
        high = "fe:ff:00:00:00:01"
        for words in (f"add high0 address {high} type veth peer name high1", "add br3 type bridge", "set high0 master br3"):
            bare.on("node02", "ip", "link", *words.split())
        for options, result in ((["--check"], "missing"), ([], "changed"), (["--check"], "ok")):
            hosts, _ = prepare(bare, "node02", "--only", "bridge", "--bridge", "br3", *options)
            assert hosts["node02"]["bridge"][0] == result, hosts
        bare.on("node02", "ip", "link", "set", "spare1", "master", "br3")
        assert high in bare.on("node02", "ip", "-br", "link", "show", "br3")
        for name in ("br3", "high0"):
            bare.on("node02", "ip", "link", "delete", name)

    def test_a_bridge_that_would_cut_the_connection_is_refused(self, bare):
        hosts, _ = prepare(bare, "node01", "--only", "bridge", "--bridge", "br2", "--nic", "br0", code=1)
        assert hosts["node01"]["bridge"][0] == "failed"
        assert "this connection comes in through br0" in hosts["node01"]["bridge"][1]
        assert "br2" not in bare.on("node01", "ip", "-o", "link")

    def test_hosts_that_cannot_be_prepared_do_not_stop_the_others(self, bare):
        bare.on("node02", "touch", "/run/hold.sshd")
        bare.on("node02", "sh", "-c", "kill $(pidof sshd)")
        (bare.dir / "fe/local/list").write_text("node01 # the first\nnode02\n")
        hosts, _ = prepare(bare, "--file", "/srv/local/list", "--hypervisor", "qemu", code=1)
        bare.on("node02", "rm", "/run/hold.sshd")
        assert results(hosts["node02"]) == {"hostkey": "failed"}
        assert "cannot be reached" in hosts["node02"]["hostkey"][1]
        assert hosts["node01"]["packages"][0] == "ok"

    def test_a_login_that_is_nobody(self, bare):
        hosts, _ = prepare(bare, "node01", "--login", "somebody", "--check", code=1)
        assert hosts["node01"]["login"][0] == "failed"
        assert "accepts none of the keys of user somebody" in hosts["node01"]["login"][1]

    def test_a_user_with_sudo(self, bare):
        """As images for clouds have one, and no root that may log in."""
        bare.on("node02", "sh", "-ec", """
            echo 'debian:x:1999:1999::/srv/local/debian:/bin/sh' >>/etc/passwd
            echo 'debian:*:20000:0:99999:7:::' >>/etc/shadow
            install -d -m 700 -o 1999 -g 1999 /srv/local/debian /srv/local/debian/.ssh
            install -m 600 -o 1999 -g 1999 /root/.ssh/authorized_keys /srv/local/debian/.ssh/
            mv /root/.ssh/authorized_keys /root/.ssh/kept
            ip link delete br1""")
        options = ["node02", "--login", "debian", "--skip", "peers,rootkey,trust", *WISH]
        hosts, _ = prepare(bare, *options, code=1)
        assert hosts["node02"]["login"][0] == "failed"
        assert "debian cannot become root there by sudo without a password" in hosts["node02"]["login"][1]
        bare.on("node02", "sh", "-c", "printf '%s\\n' 'Defaults !secure_path' 'Defaults env_keep += \"PATH BARE_HOST\"' "
                "'debian ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/90-debian; chmod 440 /etc/sudoers.d/90-debian")
        for result in ("changed", "ok"):
            hosts, _ = prepare(bare, *options, code=0)
            assert hosts["node02"]["bridge"][0] == result
            assert set(results(hosts["node02"]).values()) == {"ok", result}, hosts
        bare.on("node02", "mv", "/root/.ssh/kept", "/root/.ssh/authorized_keys")

    def test_add_makes_hosts_that_answer(self, bare):
        """The drivers then come as the service user, not as root."""
        driver = '"qemu -u qemu+ssh://oneadmin@%h/system?no_tty=1"'
        cloud = Cloud(bare, "prepared", "/var/lib/one/datastores",
                      f'IM_MAD = [ NAME = "qemu", EXECUTABLE = "one_im", ARGUMENTS = {driver} ]')
        cloud.start()
        try:
            words = [*cloud.environment(), "onehost", "prepare", "node[01-02]", *WISH, "--add"]
            said = bare.front(*words)
            assert "node01                   changed" in said and "node02                   changed" in said
            for host in bare.hosts:
                cloud.wait_host(host, "on")
            again = bare.front(*words)
            assert "node01                   ok" in again
            assert len(cloud.cli("onehost", "list", "--csv", "--no-header").splitlines()) == 2
        finally:
            cloud.stop()


def test_the_lab_keeps_sshd(bare):
    """For the tests above: a host whose sshd was held comes back."""
    wait_for("sshd back", 10, lambda: bare.front("ssh", "node02", "hostname", check=False).strip() == "node02")

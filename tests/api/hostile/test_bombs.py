"""Short requests that want much: refused, or done in little time, and oned starts again with what came of them.

A request holds up all others while it is worked on. With the loops in loops that were here once each of these
took from seconds to minutes of processor time; the limit is far above what they take now, and far below that."""
import pytest

SMALL = "CPU = 0.1\nMEMORY = 64\n"
RULE = "RULE = [ PROTOCOL = TCP, RULE_TYPE = INBOUND ]\n"
BOMBS = {
    "disks": ("one.vm.allocate", SMALL + "DISK = [ A = 1 ]\n" * 9990, False),
    "cards": ("one.vm.allocate", SMALL + "NIC = [ A = 1 ]\n" * 9990, False),
    "vectors kept": ("one.template.allocate", "NAME = bomb\n" + "DISK = [ A = 1 ]\n" * 9990, True),
    "attributes": ("one.template.allocate", "NAME = more\n" + "".join(f"A{n} = 1\n" for n in range(20001)), False),
    "aliases": ("one.vm.allocate", SMALL + "NIC = [ NAME = a ]\n" * 255 + "NIC = [ NAME = b ]\n" + "NIC_ALIAS = [ PARENT = b ]\n" * 256, True),
    "more aliases": ("one.vm.allocate", SMALL + "NIC = [ NAME = a ]\n" + "NIC_ALIAS = [ PARENT = a ]\n" * 257, False),
    "rules": ("one.secgroup.allocate", "NAME = bomb\n" + RULE * 257, False),
    "groups": ("one.vm.allocate", SMALL + 'NIC = [ SECURITY_GROUPS = "%s" ]' % ",".join(map(str, range(50000))), False),
    "one group often": ("one.vm.allocate", SMALL + 'NIC = [ SECURITY_GROUPS = "%s" ]' % ",".join(["0"] * 100000), True),
    "long variable": ("one.vm.allocate", SMALL + 'CPU_MODEL = [ X = "%s" ]\nCONTEXT = [ X = "%s" ]' % ("z" * 100000, "$TEMPLATE" * 2000), True),
    "slow variable": ("one.vm.allocate", SMALL + "A = [ B = 1 ]\n" * 4000 + 'CONTEXT = [ X = "%s" ]' % ("$A[B,C=9]" * 2000), True),
    "open brackets": ("one.vm.allocate", SMALL + 'CONTEXT = [ X = "%s" ]' % ("$A[" * 100000), True),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb(one, mallory, name):
    method, text, accepted = BOMBS[name]
    begun = one.cpu()
    reply = mallory.call(method, text)
    assert reply[0] is accepted, str(reply)[:500]
    assert one.cpu() - begun < 20


def test_replaced_by_as_much(one, mallory):
    machine = mallory.allocate(hold=True)
    begun = one.cpu()
    for append in (1, 0, 0):
        mallory.ok("one.vm.update", machine, "DISK = [ A = 1 ]\n" * 9990, append)
    assert one.cpu() - begun < 30


def test_many_groups_of_many_rules(one, mallory):
    groups = [mallory.ok("one.secgroup.allocate", f"NAME = many{n}\n" + RULE * 256) for n in range(33)]
    listed = [",".join(map(str, part)) for part in (groups[:16], groups[16:32], groups[32:], groups)]
    machine = mallory.allocate("".join(f'NIC = [ SECURITY_GROUPS = "{part}" ]\n' for part in listed[:2]), hold=True)
    assert len(one.vm(machine).findall("TEMPLATE/SECURITY_GROUP_RULE")) == 32 * 256
    mallory.fails("one.vm.allocate", SMALL + f'NIC = [ SECURITY_GROUPS = "{listed[3]}" ]', text="33 groups")
    mallory.fails("one.vm.allocate", SMALL + "".join(f'NIC = [ SECURITY_GROUPS = "{part}" ]\n' for part in listed[:3]), text="33 security groups")
    mallory.fails("one.vm.attachnic", machine, f'NIC = [ SECURITY_GROUPS = "{listed[2]}" ]', text="33 security groups")
    mallory.fails("one.secgroup.update", groups[0], RULE * 257, 0, text="at most 256 of RULE")
    mallory.ok("one.secgroup.update", groups[0], RULE * 256, 1)
    assert len(one.vm(machine).findall("TEMPLATE/SECURITY_GROUP_RULE")) == 32 * 256


def test_it_starts_again(one, mallory):
    one.restart()
    assert one.ok("one.vmpool.info", -2, -1, -1, -1)

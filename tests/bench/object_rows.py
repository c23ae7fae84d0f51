"""Rows about the cloud's objects: machines made from templates, addresses, what users may see."""
import statistics
import time

import cloud
import load
from table import Result

# One name for as many as the run needs: a /16.
NETWORK = 'NAME = "{name}"\nVN_MAD = dummy\nBRIDGE = br0\nAR = [ TYPE = IP4, IP = {ip}, SIZE = 65534 ]\n'
MACHINE = 'NAME = "{name}"\nCPU = 0.1\nMEMORY = 64\nNIC = [ NETWORK_ID = {network} ]\n'


def add_network(connection, session, name, ip):
    return connection.call("one.vn.allocate", session, NETWORK.format(name=name, ip=ip), -1)


def add_template(connection, session, name, network, more=""):
    return connection.call("one.template.allocate", session, MACHINE.format(name=name, network=network) + more)


def add_image(connection, session):
    """An image of a simulated datastore, ready to be used."""
    store = connection.call("one.datastore.allocate", session, 'NAME = "store"\nDS_MAD = dummy\nTM_MAD = dummy\n', -1)
    image = connection.call("one.image.allocate", session, 'NAME = "image"\nTYPE = DATABLOCK\nSIZE = 16\n', store, True)
    start = time.perf_counter()
    while "<STATE>1</STATE>" not in connection.call("one.image.info", session, image):
        if time.perf_counter() - start > 60:
            raise RuntimeError("the image is not ready")
        time.sleep(0.05)
    return image


def instantiate(bench):
    """Machines with an image and an address each, durable; each run with a network of its own."""
    with bench.another() as server:
        connection, rates, plain = server.connect(), [], []
        image = add_image(connection, server.session)
        allocate = [load.body("one.vm.allocate", server.session, cloud.TEMPLATE, True)]
        for number in range(2 if bench.quick else 5):
            network = add_network(connection, server.session, f"net{number}", f"10.{number}.0.1")
            template = add_template(connection, server.session, f"template{number}", network,
                                    f"DISK = [ IMAGE_ID = {image} ]")
            text = [load.body("one.template.instantiate", server.session, template, "", True)]
            run = load.wrk(server.address, text, 8, 1)
            used = connection.call("one.vn.info", server.session, network, False).count("<LEASE>")
            if used < run["requests"]:
                raise RuntimeError(f"{run['requests']} answers and only {used} addresses given")
            rates.append(run["rate"])
            plain.append(load.wrk(server.address, allocate, 8, 1)["rate"])
        connection.close()
        yield Result("one.template.instantiate, image, network, durable, 8 at once", statistics.median(rates), "calls/s",
                     "vm.allocate", statistics.median(plain), at_least=1500, on_value=True, theirs="below 70")


def used_addresses(bench):
    """Many machines a call, so that the disk and the way to the server weigh little; full and empty in turns."""
    calls, rounds = 250, 4 if bench.quick else 8
    with bench.another() as server:
        connection = server.connect()
        full, empty = (add_network(connection, server.session, name, ip)
                       for name, ip in (("full", "10.1.0.1"), ("empty", "10.2.0.1")))
        connection.call("one.vn.reserve", server.session, full, 'NAME = "large"\nSIZE = 60000\n')
        templates = [add_template(connection, server.session, f"of{network}", network) for network in (full, empty)]
        texts = [load.body("system.multicall", [{"methodName": "one.template.instantiate",
                                                 "params": [server.session, template, "", True]}] * calls)
                 for template in templates]
        times = [[], []]
        for number in range(2 * rounds):
            start = time.perf_counter()
            reply = bytes(connection.ask(texts[number % 2]))
            times[number % 2].append((time.perf_counter() - start) * 1e6 / calls)
            if reply.count(b"<boolean>1</boolean>") != calls:
                raise RuntimeError(f"not all machines were made: {reply[:400]!r}")
        connection.close()
        yield Result("a machine with an address, 60,000 used in a /16", statistics.median(times[0]), "us",
                     "in an empty one", statistics.median(times[1]), at_most=1.1)


def whole_network(bench):
    """A network of many addresses, shown whole after each change."""
    with bench.another() as server:
        connection, times = server.connect(), []
        network = add_network(connection, server.session, "full", "10.1.0.1")
        connection.call("one.vn.reserve", server.session, network, 'NAME = "large"\nSIZE = 60000\n')
        text = load.body("one.vn.info", server.session, network, False)
        for number in range(5):
            connection.call("one.vn.hold", server.session, network, f'LEASES = [ IP = 10.1.250.{number + 1} ]')
            start = time.perf_counter()
            size = len(connection.ask(text))
            times.append((time.perf_counter() - start) * 1000)
        connection.close()
        with load.Bare(bench.build, size) as bare:
            reference = load.median_ms(bare.address, text, 7)
        yield Result(f"one.vn.info after a change, 60,000 leases ({size / 1e6:.1f} MB)", statistics.median(times),
                     "ms", "bare", reference, at_most=100, on_value=True)


def group_update(bench):
    """New rules for a security group of a hundred machines, with many others beside it or none, in turns."""
    others = bench.machines
    with bench.another() as few, bench.another() as many:
        asks = []
        for server in (few, many):
            connection = server.connect()
            network = connection.call("one.vn.allocate", server.session,
                                      NETWORK.format(name="net", ip="10.1.0.1").replace("65534", "16777000"), -1)
            group = connection.call("one.secgroup.allocate", server.session, 'NAME = "group"\n')
            nic = f"NIC = [ NETWORK_ID = {network}%s ]\n"
            cloud.add_machines(connection, server.session, 100,
                               template=cloud.TEMPLATE + nic % f', SECURITY_GROUPS = "{group}"')
            if server is many:
                cloud.add_machines(connection, server.session, others, template=cloud.TEMPLATE + nic % "")
            asks.append((connection, [load.body("one.secgroup.update", server.session, group, "RULE = [ PROTOCOL = TCP, "
                                                f'RULE_TYPE = inbound, RANGE = "{port}" ]') for port in (22, 80)]))
        times = [[], []]
        for number in range(20):
            for which, (connection, texts) in enumerate(asks):
                start = time.perf_counter()
                connection.ask(texts[number % 2])
                times[which].append((time.perf_counter() - start) * 1000)
        for connection, _ in asks:
            connection.close()
        yield Result(f"one.secgroup.update, 100 machines of {others + 100:,}", statistics.median(times[1]), "ms",
                     "of 100", statistics.median(times[0]), at_most=1.5)


def rules(bench):
    """A user with twenty rules, of which the last gives what is asked for, beside oneadmin, in turns."""
    with bench.another() as server:
        connection = server.connect()
        cloud.add_machines(connection, server.session, bench.machines)
        user = connection.call("one.user.allocate", server.session, "bench", "bench-User.1", "core")
        for number in range(19):
            group = connection.call("one.group.allocate", server.session, f"group{number}")
            connection.call("one.acl.addrule", server.session, f"{0x100000000 + user:x}",
                            f"{0x1000000000 + 0x200000000 + group:x}", "1")
        connection.call("one.acl.addrule", server.session, f"{0x100000000 + user:x}",
                        f"{0x1000000000 + 0x200000000:x}", "1")  # machines of the group oneadmin
        connection.close()
        texts = [load.body("one.vmpool.info", session, -2, -1, -1, -1) for session in ("bench:bench-User.1",
                                                                                     server.session)]
        sizes = [load.size_of(server.address, text) for text in texts]
        if sizes[0] != sizes[1]:
            raise RuntimeError(f"the user does not see the same: {sizes[0]} of {sizes[1]} bytes")
        runs = [[load.median_ms(server.address, text, 7) for text in texts] for _ in range(5)]
        yield Result(f"one.vmpool.info, {bench.machines:,} machines, user with 20 rules",
                     statistics.median(run[0] for run in runs), "ms", "oneadmin",
                     statistics.median(run[1] for run in runs), at_most=1.5)


# name, function, needs a server of our own
ROWS = [
    ("instantiate", instantiate, True),
    ("addresses", used_addresses, True),
    ("network", whole_network, True),
    ("groups", group_update, True),
    ("rules", rules, True),
]

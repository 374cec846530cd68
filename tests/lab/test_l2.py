# SPDX-License-Identifier: GPL-2.0-or-later
"""Neighbours that are no routers' affair: macvlan, VXLAN, and who answers for an address."""

import pytest

from netlab import Lab, agree, edge_topology, have_edgepath

BOTH = pytest.mark.parametrize("family", [4, 6])


def addr(n, family):
    return f"2001:db8:1::{n}" if family == 6 else f"198.51.100.{n}"


def nodad(family):
    return " nodad" if family == 6 else ""


class World:
    def __init__(self, lab, family):
        self.lab, self.family = lab, family
        self.edge = edge_topology(lab)
        self.wrong = []

    def macvlan(self, short, n, mode="bridge", parent="eth0", of="host"):
        """A namespace with a macvlan of the host's device, and addr(n)."""
        lab = self.lab
        lab.ns(short)
        lab.ip(of, f"link add link {parent} name m-{short} type macvlan mode {mode}",
               f"link set m-{short} netns {lab.name(short)} name eth0")
        a = addr(n, self.family)
        lab.ip(short, "link set eth0 up",
               f"addr add {a}/{64 if self.family == 6 else 24} dev eth0{nodad(self.family)}")
        lab._fast_neighbours((short, "eth0"))
        lab.listen(short, "::" if self.family == 6 else "0.0.0.0", 443, name=short)
        return a

    def expect(self, kind, sender, dst, port=443, ask="host", iif="eth0", src=None, verdicts=()):
        """kind: what connect() meets ("delivered", "timeout"…); ask: whose namespace; None: sender's."""
        lab = self.lab
        how = ("--origin", "host") if ask is None else ()
        run = lab.path(ask or sender, dst, port, src, None if ask is None else 40001,
                       None if ask is None else iif, *how) if have_edgepath() else None
        real = lab.connect(sender, dst, port, src=src, sport=None if ask is None else 40001,
                           timeout=0.6)
        where = f"{sender} -> {dst}:{port}"
        if real.kind != kind:
            self.wrong.append(f"{where}: expected {kind}, the kernel: {real}")
        if run is None:
            return
        got = [o["verdict"] for o in run.outcomes]
        if verdicts:
            problem = None if got == list(verdicts) else f"edgepath says {got} " + str(
                [o.get("reason") for o in run.outcomes])
        else:
            problem = agree(run, real)
        if problem:
            self.wrong.append(f"{where}: {problem}")

    def end(self):
        if self.wrong:
            pytest.fail("\n".join(self.wrong), pytrace=False)
        if not have_edgepath():
            pytest.skip("edgepath is not built; the kernel does what the test says")


@pytest.fixture
def world(request, family):
    with Lab() as lab:
        yield World(lab, family)


def drop(hook, device, family="netdev", match="tcp dport 443 tcp flags syn / syn,ack", name="x"):
    where = f' device "{device}"' if device else ""
    return f"table {family} {name} {{\nchain c {{\ntype filter hook {hook}{where} priority 0;\n" \
           f"{match} drop\n}}\n}}\n"


@BOTH
def test_macvlan_from_outside(world, family):
    a = world.macvlan("mv", 51)
    world.lab.wait_reachable("cl", a)
    src = world.edge.client(family)
    world.expect("delivered", "cl", a, src=src)
    # The host's rules for IP have no say in it, its device's have.
    world.lab.nft("host", drop("prerouting", None, "inet") + drop("forward", None, "inet", name="y"))
    world.expect("delivered", "cl", a, src=src)
    world.lab.nft("host", drop("ingress", "eth0"))
    world.expect("timeout", "cl", a, src=src)
    world.end()


@BOTH
def test_macvlan_own_rules(world, family):
    a = world.macvlan("mv", 51)
    world.lab.wait_reachable("cl", a)
    world.lab.nft("mv", drop("input", None, "inet"))
    world.expect("timeout", "cl", a, src=world.edge.client(family))
    world.end()


@BOTH
def test_macvlan_siblings(world, family):
    world.macvlan("one", 51)
    two = world.macvlan("two", 52)
    world.lab.wait_reachable("one", two)
    world.expect("delivered", "one", two, ask=None)
    world.lab.nft("host", drop("ingress", "eth0"))  # its side, where siblings pass
    world.expect("timeout", "one", two, ask=None)
    world.lab.run("host", ["nft", "flush", "ruleset"])
    world.lab.nft("host", drop("egress", "eth0"))
    world.expect("delivered", "one", two, ask=None)
    world.end()


@BOTH
@pytest.mark.parametrize("mode", ["private", "vepa"])
def test_macvlan_siblings_apart(world, family, mode):
    world.macvlan("one", 51, mode)
    two = world.macvlan("two", 52, mode)
    world.expect("unreachable", "one", two, ask=None)
    world.end()


@BOTH
def test_macvlan_parent_and_child(world, family):
    a = world.macvlan("mv", 51)
    world.lab.wait_reachable("cl", a)
    world.expect("unreachable", "host", a, ask=None)
    world.lab.listen("host", "::" if family == 6 else "0.0.0.0", 443, name="web")
    world.expect("unreachable", "mv", world.edge.host(family), ask=None)
    world.end()


@BOTH
def test_macvlan_to_the_network(world, family):
    world.macvlan("mv", 51)
    client = world.edge.client(family)
    world.lab.listen("cl", "::" if family == 6 else "0.0.0.0", 443, name="peer")
    world.lab.wait_reachable("mv", client)
    world.expect("delivered", "mv", client, ask=None)
    world.lab.nft("host", drop("egress", "eth0"))
    world.expect("timeout", "mv", client, ask=None)
    world.end()


@BOTH
def test_macvlan_of_a_bridge(world, family):
    """A macvlan on br0: containers behind the bridge reach it, the host does not."""
    lab = world.lab
    lab.ns("mv")
    a = "fd00:18::51" if family == 6 else "172.18.0.51"
    lab.ip("host", "link add link br0 name mb type macvlan mode bridge",
           f"link set mb netns {lab.name('mv')} name eth0")
    lab.ip("mv", "link set eth0 up",
           f"addr add {a}/{64 if family == 6 else 16} dev eth0{nodad(family)}")
    lab.listen("mv", "::" if family == 6 else "0.0.0.0", 443, name="mv")
    lab.wait_reachable("c1", a)
    world.expect("delivered", "c1", a, ask=None)
    world.expect("unreachable", "host", a, ask=None)
    lab.nft("host", drop("input", None, "bridge"))
    world.expect("timeout", "c1", a, ask=None)
    world.end()


@BOTH
def test_permanent_neighbour_elsewhere(world, family):
    """The entry names the other container's MAC: that one gets it, and routes it or not."""
    lab, c1 = world.lab, world.edge.container(1, family)
    mac = lab.run("c2", ["ip", "-br", "link", "show", "dev", "eth0"]).split()[2]
    lab.listen("c1", "::" if family == 6 else "0.0.0.0", 443, name="c1")
    lab.ip("host", f"neigh replace {c1} lladdr {mac} dev br0 nud permanent")
    lab.nft("c2", drop("prerouting", None, "inet"))
    world.expect("timeout", "host", c1, ask=None)
    lab.run("c2", ["nft", "flush", "ruleset"])
    world.expect("delivered", "host", c1, ask=None)  # by way of c2, which is a router here
    lab.sysctl("c2", f"net.ipv{family}.conf.all.forwarding", 0)
    world.expect("timeout", "host", c1, ask=None)
    world.end()


@BOTH
def test_permanent_neighbour_nobody(world, family):
    lab, dead = world.lab, world.edge.dead(family)
    lab.ip("host", f"neigh replace {dead} lladdr 02:00:00:00:00:99 dev br0 nud permanent")
    world.expect("timeout", "host", dead, ask=None)
    world.end()


@BOTH
def test_proxied_neighbour(world, family):
    """c1 answers for an address that it routes on to a namespace of its own."""
    lab = world.lab
    inner = "fd00:18::77" if family == 6 else "172.18.0.77"
    lab.ns("inner")
    lab.veth("c1", "vi", [], "inner", "eth0", [])
    lab.ip("inner", f"addr add {inner}/{128 if family == 6 else 32} dev eth0{nodad(family)}")
    if family == 6:
        lab.ip("c1", "addr add fe80::1/64 dev vi nodad", f"route add {inner}/128 dev vi")
        lab.ip("inner", "route add default via fe80::1 dev eth0")
    else:
        lab.ip("c1", f"route add {inner}/32 dev vi")
        lab.ip("inner", "route add 172.18.0.2 dev eth0", "route add default via 172.18.0.2")
    lab.listen("inner", "::" if family == 6 else "0.0.0.0", 443, name="inner")
    world.expect("unreachable", "host", inner, ask=None)
    if family == 6:
        lab.sysctl("c1", "net.ipv6.conf.eth0.proxy_ndp", 1)
    lab.ip("c1", f"neigh add proxy {inner} dev eth0")
    lab.wait_reachable("host", inner)
    world.expect("delivered", "host", inner, ask=None)
    if family == 4:
        lab.ip("c1", f"neigh del proxy {inner} dev eth0")
        lab.ip("host", "neigh flush dev br0")
        lab.sysctl("c1", "net.ipv4.conf.eth0.proxy_arp", 1)
        lab.wait_reachable("host", inner)
        world.expect("delivered", "host", inner, ask=None)
    world.end()


@BOTH
def test_address_of_another_device(world, family):
    """ARP answers for any address of the host, neighbour discovery for the device's own."""
    lab = world.lab
    other = "fd00:18::55" if family == 6 else "172.18.0.55"
    lab.ip("c1", f"addr add {other}/{128 if family == 6 else 32} dev lo{nodad(family)}")
    lab.listen("c1", "::" if family == 6 else "0.0.0.0", 443, name="c1")
    world.expect("unreachable" if family == 6 else "delivered", "host", other, ask=None)
    if family == 4:
        lab.sysctl("c1", "net.ipv4.conf.all.arp_ignore", 1)
        lab.ip("host", "neigh flush dev br0")
        world.expect("unreachable", "host", other, ask=None)
    world.end()


@BOTH
def test_forwarded_by_ingress(world, family):
    """fwd: the frame leaves by another device, past the host's IP stack."""
    lab = world.lab
    host, client = world.edge.host(family), world.edge.client(family)
    mac = lab.run("c1", ["ip", "-br", "link", "show", "dev", "eth0"]).split()[2]
    lab.ip("c1", f"addr add {host}/{128 if family == 6 else 32} dev lo{nodad(family)}")
    lab.listen("c1", "::" if family == 6 else "0.0.0.0", 443, name="c1")
    ip = "ip6" if family == 6 else "ip"
    lab.nft("host", 'table netdev x {\nchain c {\ntype filter hook ingress device "eth0" priority 0;\n'
            f"{ip} daddr {host} tcp dport 443 ether daddr set {mac} fwd to ve-c1\n"
            f"{ip} daddr {host} tcp dport 444 fwd to ve-c2\n}}\n}}\n")
    # With IPv4 the host takes the answer, which comes from its own address, for a martian.
    world.expect("delivered" if family == 6 else "timeout", "cl", host, src=client,
                 verdicts=("delivered",))
    world.expect("timeout", "cl", host, 444, src=client)
    world.end()

# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions of equal priority run in an order that only the kernel's own list tells."""

import itertools

import pytest

from netlab import agree
from scenario import World, listen

TOOLS = {"native": "nft", "iptables-nft": "iptables-nft", "legacy": "iptables-legacy"}
ORDERS = list(itertools.permutations(TOOLS))


def _names(orders):
    return ["-".join(o) for o in orders]


def _ask(world, verdict):
    edge, family = world.edge, world.family
    said = world.lab.path("host", edge.host(family), 443, edge.client(family), 40001)
    real = world.lab.connect("cl", edge.host(family), 443, edge.client(family), 40001)
    assert real.kind == verdict, str(real)
    assert agree(said, real) is None, agree(said, real)
    return said


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("order", ORDERS, ids=_names(ORDERS))
def test_nat(lab, order, family):
    """Three translations of one port at one priority: which is made first wins."""
    world = World(lab, family)
    ports = {"native": 8001, "iptables-nft": 8002, "legacy": 8003}
    for name, port in ports.items():
        world.listen(listen(name, port))
    for name in order:
        port = ports[name]
        world.load(TOOLS[name], f"table $ip a {{ chain c {{ type nat hook prerouting priority -100; "
                   f"tcp dport 443 redirect to :{port}; }}; }}" if name == "native" else
                   f"*nat\n-A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports {port}\nCOMMIT\n")
    _ask(world, "delivered")


# Each table refuses what the one before it has marked, and marks what it lets pass; the first one to
# see the packet decides which mark there is.
def _native(mark, _):
    return f"table $ip a {{ chain c {{ type filter hook input priority 0; " \
           f"tcp dport 443 meta mark 0 meta mark set {mark}; }}; }}"


def _iptables(mark, _):
    return f"*filter\n-A INPUT -p tcp --dport 443 -m mark --mark 0 -j MARK --set-mark {mark}\nCOMMIT\n"


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("dropped", [1, 2, 3])
@pytest.mark.parametrize("order", ORDERS, ids=_names(ORDERS))
def test_filter(lab, order, dropped, family):
    """The table that comes first sets the mark; the security table drops one of the marks."""
    world = World(lab, family)
    world.listen(listen("web", 443))
    marks = {"native": 1, "iptables-nft": 2, "legacy": 3}
    for name in order:
        world.load(TOOLS[name], (_native if name == "native" else _iptables)(marks[name], dropped))
    world.load("nft", f"table $ip z {{ chain c {{ type filter hook input priority 50; "
               f"meta mark {dropped} drop; }}; }}")
    said = world.lab.path("host", world.edge.host(family), 443, world.edge.client(family), 40001)
    real = world.lab.connect("cl", world.edge.host(family), 443, world.edge.client(family), 40001)
    assert agree(said, real) is None, agree(said, real)


def test_in_the_way_to_a_container(lab):
    """The same in the namespace of a container, which has an order of its own."""
    world = World(lab, 4)
    for name, port in (("one", 8001), ("two", 8002)):
        world.listen(listen(name, port, "c1"))
    world.load("nft", {"host": "table $ip n { chain c { type nat hook prerouting priority -100; "
                       "tcp dport 443 dnat to $C1:8443; }; }"})
    rule = "*nat\n-A PREROUTING -p tcp --dport 8443 -j REDIRECT --to-ports %d\nCOMMIT\n"
    world.load("iptables-nft", {"c1": rule % 8001})
    world.load("iptables-legacy", {"c1": rule % 8002})
    _ask(world, "delivered")


def test_the_finding_says_that_loading_decides(lab):
    """Known, but turned round by whoever loads rules next: order-undefined stays a warning."""
    world = World(lab, 4)
    for name, port in (("one", 8001), ("two", 8002)):
        world.listen(listen(name, port))
    rule = "*nat\n-A PREROUTING -p tcp --dport 443 -j REDIRECT --to-ports %d\nCOMMIT\n"
    world.load("iptables-nft", rule % 8001)
    world.load("iptables-legacy", rule % 8002)
    run = lab.check("host", "443")
    found = [f for f in run.findings if f["id"] == "order-undefined"]
    assert found and found[0]["severity"] == "warning", run.stdout
    assert "loaded" in found[0]["summary"]
    assert all(o["verdict"] != "unknown" for p in run.json["ports"] for o in p["outcomes"])

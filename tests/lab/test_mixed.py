# SPDX-License-Identifier: GPL-2.0-or-later
"""Several backends in one namespace, and packets that start on the host instead of outside."""

import pytest

from netlab import agree, have_edgepath
from scenario import Scenario, World, every, listen, probe, run_scenario

WEB = listen("web", [443, 444])
C1 = listen("c1", 8443, "c1")
C2 = listen("c2", 8443, "c2")


def nft_nat(priority, target="$C2:8443", hook="prerouting"):
    return f"table $ip n {{ chain c {{ type nat hook {hook} priority {priority}; " \
           f"tcp dport 443 dnat to {target}; }}; }}\n"


def nft_drop(hook="input", port=443, priority=0):
    return f"table $ip f {{ chain c {{ type filter hook {hook} priority {priority}; " \
           f"tcp dport {port} drop; }}; }}\n"


XT_DNAT = "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\nCOMMIT\n"
XT_DROP = "*filter\n-A INPUT -p tcp --dport 443 -j DROP\nCOMMIT\n"
XT_ACCEPT = "*filter\n-A INPUT -p tcp --dport 443 -j ACCEPT\nCOMMIT\n"

# (name, rules by tool in the order they are loaded, probe, listeners)
MIXED = [
    ("legacy-nat-before-later-nft-nat", {"legacy": XT_DNAT, "native": nft_nat(-90)},
     probe("c1"), (C1, C2, WEB)),
    ("earlier-nft-nat-before-legacy-nat", {"legacy": XT_DNAT, "native": nft_nat(-110)},
     probe("c2"), (C1, C2, WEB)),
    ("iptables-nft-nat-before-later-nft-nat", {"nft": XT_DNAT, "native": nft_nat(-90)},
     probe("c1"), (C1, C2, WEB)),
    ("earlier-nft-nat-before-iptables-nft-nat", {"nft": XT_DNAT, "native": nft_nat(-110)},
     probe("c2"), (C1, C2, WEB)),
    ("legacy-and-iptables-nft-nat-at-one-priority",
     {"legacy": XT_DNAT, "nft": XT_DNAT.replace("$C1", "$C2")},
     probe(("c1", "c2"), group=True), (C1, C2, WEB)),
    ("iptables-nft-and-legacy-nat-at-one-priority",
     {"nft": XT_DNAT.replace("$C1", "$C2"), "legacy": XT_DNAT},
     probe(("c1", "c2"), group=True), (C1, C2, WEB)),
    ("legacy-and-nft-nat-at-one-priority", {"legacy": XT_DNAT, "native": nft_nat(-100)},
     probe(("c1", "c2"), group=True), (C1, C2, WEB)),
    ("an-empty-nat-chain-between-two-of-one-priority",
     {"native": nft_nat(-100), "nft": "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n", "legacy": XT_DNAT},
     probe(("c1", "c2"), group=True), (C1, C2, WEB)),
    ("legacy-accept-does-not-save-from-nft-drop", {"legacy": XT_ACCEPT, "native": nft_drop()},
     probe("dropped"), (WEB,)),
    ("nft-accept-does-not-save-from-legacy-drop",
     {"legacy": XT_DROP, "nft": XT_ACCEPT}, probe("dropped"), (WEB,)),
    ("iptables-nft-drop-after-legacy-accept", {"legacy": XT_ACCEPT, "nft": XT_DROP},
     probe("dropped"), (WEB,)),
    ("nft-forward-drop-after-legacy-dnat", {"legacy": XT_DNAT,
                                            "native": nft_drop("forward", 8443)},
     probe("dropped"), (C1,)),
    ("legacy-forward-drop-after-nft-dnat",
     {"native": nft_nat(-100, "$C1:8443"),
      "legacy": "*filter\n-A FORWARD -p tcp --dport 8443 -j DROP\nCOMMIT\n"},
     probe("dropped"), (C1,)),
    ("legacy-mark-seen-by-nft-nat",
     {"legacy": "*mangle\n-A PREROUTING -p tcp --dport 443 -j MARK --set-mark 3\nCOMMIT\n",
      "native": "table $ip n { chain c { type nat hook prerouting priority -100; "
      "meta mark 3 tcp dport 443 dnat to $C1:8443; }; }"}, probe("c1"), (C1, WEB)),
    ("nft-mark-seen-by-legacy-nat",
     {"native": "table $ip m { chain c { type filter hook prerouting priority -150; "
      "tcp dport 443 meta mark set 3; }; }",
      "legacy": XT_DNAT.replace("--dport", "-m mark --mark 3 --dport")}, probe("c1"), (C1, WEB)),
    ("all-three", {"legacy": "*raw\n-A PREROUTING -p tcp --dport 444 -j DROP\nCOMMIT\n",
                   "nft": XT_DNAT, "native": nft_drop("forward", 9999)},
     probe("c1"), (C1, WEB)),
]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("name,rules,asked,listeners", MIXED, ids=[m[0] for m in MIXED])
def test_mixed(name, rules, asked, listeners, family):
    tools = {"native": "nft", "nft": "iptables-nft", "legacy": "iptables-legacy"}

    def load(world):
        for tool, text in rules.items():
            world.load(tools[tool], text)
    run_scenario(Scenario(name, (asked,), listeners, setup=load), "norules", family)


ORIGINS = [
    Scenario("prerouting-does-not-see-local-packets", (probe("c1"), probe("web", sender="host")),
             (C1, WEB), xt=XT_DNAT, nft=nft_nat("-100", "$C1:8443")),
    Scenario("output-does-not-see-packets-from-outside", (probe("web"),
                                                          probe("c1", sender="host")),
             (C1, WEB), xt=XT_DNAT.replace("PREROUTING", "OUTPUT"),
             nft=nft_nat("-100", "$C1:8443", "output")),
    Scenario("output-drop", (probe("web"), probe("dropped", sender="host")), (WEB,),
             xt="*filter\n-A OUTPUT -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft=nft_drop("output")),
    Scenario("input-by-device", (probe("dropped"), probe("web", sender="host")), (WEB,),
             xt="*filter\n-A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft="table $ip t { chain c { type filter hook input priority 0; iif lo accept; "
             "tcp dport 443 drop; }; }"),
    Scenario("docker-output-spares-loopback",
             (probe("c1"), probe("c1", sender="host"),
              probe("web", sender="host", dst="$lo", src="$lo", families=(4,))),
             (C1, WEB),
             xt="*nat\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n"
             "-A OUTPUT ! -d $lo/8 -m addrtype --dst-type LOCAL -j DOCKER\n"
             "-A DOCKER ! -i br0 -p tcp --dport 443 -j DNAT --to-destination $C1:8443\nCOMMIT\n",
             nft="table $ip d { chain docker { tcp dport 443 dnat to $C1:8443; }\n"
             "chain pre { type nat hook prerouting priority -100; "
             "fib daddr type local jump docker; }\nchain out { type nat hook output priority -100; $ip daddr != $lo "
             "fib daddr type local jump docker; }\n}", families=(4,)),
    Scenario("local-nobody-listens", (probe("refused", sender="host"),), ()),
    Scenario("local-to-a-container", (probe("c1", 8443, dst="$c1", src="$br", sender="host"),
                                      probe("unreachable", 8443, dst="$dead", src="$br",
                                            sender="host")), (C1,)),
    Scenario("local-redirect", (probe("proxy", sender="host", final=False),),
             (WEB, listen("proxy", 15001)),
             xt="*nat\n-A OUTPUT -p tcp --dport 443 -j REDIRECT --to-ports 15001\nCOMMIT\n",
             nft="table $ip t { chain c { type nat hook output priority -100; "
             "tcp dport 443 redirect to :15001; }; }"),
    Scenario("owner-is-unknown-or-right",
             (probe("proxy", sender="host", uid=1337, loose=True, final=False),
              probe("web", sender="host", loose=True)),
             (WEB, listen("proxy", 15001)),
             xt="*nat\n-A OUTPUT -p tcp --dport 443 -m owner --uid-owner 1337 "
             "-j REDIRECT --to-ports 15001\nCOMMIT\n",
             nft="table $ip t { chain c { type nat hook output priority -100; "
             "meta skuid 1337 tcp dport 443 redirect to :15001; }; }"),
    Scenario("owner-does-not-match-outside", (probe("web"),), (WEB,),
             nft="table $ip t { chain c { type filter hook input priority 0; "
             "meta skuid 1337 tcp dport 443 drop; }; }"),
]


@every(ORIGINS)
def test_origin(scenario, backend, family):
    run_scenario(scenario, backend, family)


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_family_divergence(lab, backend):
    """IPv4 is translated, IPv6 is not: each family has its own receiver."""
    world = World(lab, 4)
    for name, spec in (("web4", listen("web4", 443, addr="0.0.0.0")),
                       ("web6", listen("web6", 443, addr="::", v6only=True)),
                       ("c1", C1)):
        world.listen(spec)
    world.load(backend, nft_nat("-100", "$C1:8443") if backend == "nft" else XT_DNAT)
    edge, wrong = world.edge, []
    for dst, src, name in ((edge.host4, edge.client4, "c1"), (edge.host6, edge.client6, "web6")):
        run = lab.path("host", dst, 443, src, 40001) if have_edgepath() else None
        real = lab.connect("cl", dst, 443, src, 40001)
        assert real.name == name
        if run is not None:
            wrong.append(agree(run, real))
    assert not any(wrong), wrong
    if not wrong:
        pytest.skip("edgepath is not built; the kernel does what the scenario says")

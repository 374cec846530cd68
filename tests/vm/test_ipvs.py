# SPDX-License-Identifier: GPL-2.0-or-later
"""IPVS: who gets what it balances, by each way of forwarding, from outside and from the host."""

import pytest

from netlab import Lab, agree, edge_topology
from scenario import Scenario, World, every, listen, probe, run_scenario

C1, C2 = listen("c1", 8443, ns="c1"), listen("c2", 8443, ns="c2")
WEB = listen("web", [443, 444])


def ipvs(text, ns="host", conntrack=None, more=None):
    """A setup: lines for ipvsadm --restore."""
    def setup(world):
        if conntrack is not None:
            world.lab.sysctl(ns, "net.ipv4.vs.conntrack", conntrack)
        six = " -6" if world.family == 6 else ""
        world.lab.run(ns, ["ipvsadm", "--restore"],
                      world.text(text.replace("$six", six)) + "\n")
        if more:
            more(world)
    return setup


def one(options="-m", sched="rr", server="$C1:8443", service="-t $Host:443"):
    return f"-A {service} -s {sched}\n-a {service} -r {server} {options}"


def two(sched, first="-w 1", second="-w 1", options="-m"):
    return one(f"{options} {first}", sched) + f"\n-a -t $Host:443 -r $C2:8443 {options} {second}"


def direct_server(world):
    """c1 has the address as its own; its answers come back through the host, from its own address."""
    world.lab.ip("c1", world.text("addr add $host/$len dev lo"))
    world.lab.sysctl("host", "net.ipv4.conf.all.accept_local", 1)


def no_router(world):
    world.lab.sysctl("c1", "net.ipv6.conf.all.forwarding" if world.family == 6
                     else "net.ipv4.ip_forward", 0)


def vip_on_dummy(world):
    world.lab.ip("host", "link add kube-ipvs0 type dummy",
                 world.text("addr add $vip/$len dev kube-ipvs0"))
    world.ip("cl", "route add $vipnet via $host")


def kube_proxy(world):
    vip_on_dummy(world)
    family = "inet6" if world.family == 6 else "inet"
    world.lab.run("host", ["ipset", "restore"], world.text(
        f"create KUBE-LOAD-BALANCER hash:ip,port family {family}\n"
        "add KUBE-LOAD-BALANCER $vip,tcp:443\n"))


MASQUERADE = "*nat\n-A POSTROUTING -o br0 -j MASQUERADE\nCOMMIT\n"
ONLY_CLIENTS = {"c1": "table $ip t { chain c { type filter hook input priority 0; "
                "$ip saddr != $client tcp dport 8443 drop; }; }"}
KUBE = """*nat
:KUBE-SERVICES - [0:0]
:KUBE-LOAD-BALANCER - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -j KUBE-SERVICES
-A OUTPUT -j KUBE-SERVICES
-A POSTROUTING -j KUBE-POSTROUTING
-A KUBE-SERVICES -m set --match-set KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -m set --match-set KUBE-LOAD-BALANCER dst,dst -j ACCEPT
-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE
COMMIT
"""
# What Docker Swarm makes of a published port: the host's rules lead to ingress_sbox (here c1), which
# marks, balances by the mark and sends as itself to a task (here c2), which has its own redirection.
SWARM = {
    "host": "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:443\n"
    "-A POSTROUTING -o br0 -j MASQUERADE\nCOMMIT\n",
    "c1": "*mangle\n-A PREROUTING -p tcp --dport 443 -j MARK --set-mark 256\nCOMMIT\n"
    "*nat\n-A POSTROUTING -d $brnet -m ipvs --ipvs -j SNAT --to-source $c1\nCOMMIT\n",
    "c2": "*nat\n-A PREROUTING -d $c2 -p tcp --dport 443 -j REDIRECT --to-ports 8443\nCOMMIT\n"
    "*filter\n-A INPUT ! -s $c1 -p tcp --dport 8443 -j DROP\nCOMMIT\n",
}

SCENARIOS = [
    Scenario("masq", (probe("c1"), probe("web", 444), probe("c1", sender="host", src="$br")),
             (C1, WEB), setup=ipvs(one(), conntrack=0)),
    Scenario("round-robin", (probe(("c1", "c2")),), (C1, C2), setup=ipvs(two("rr"))),
    Scenario("least-connections", (probe(("c1", "c2")),), (C1, C2), setup=ipvs(two("wlc"))),
    Scenario("weight-0-gets-nothing", (probe("c1"),), (C1, C2),
             setup=ipvs(two("rr", second="-w 0"))),
    Scenario("no-server", (probe("rejected", kernel=("refused",)),), (WEB,),
             setup=ipvs("-A -t $Host:443 -s rr")),
    Scenario("dead-server", (probe("unreachable"),), (WEB,),
             setup=ipvs(one(server="$Dead:8443"))),
    Scenario("failover", (probe("c2"),), (C1, C2), setup=ipvs(two("fo", "-w 1", "-w 5"))),
    Scenario("persistent", (probe("c1"),), (C1,),
             setup=ipvs(one().replace("-s rr", "-s rr -p 60"))),
    Scenario("persistent-all-ports", (probe("c1", 8443), probe("refused", 443)), (C1, WEB),
             setup=ipvs("-A -t $Host:0 -s rr -p 60\n-a -t $Host:0 -r $C1:0 -m")),
    Scenario("local-server", (probe("here", final=False), probe("web", 444)),
             (WEB, listen("here", 8080)), setup=ipvs(one(server="$Host:8080"))),
    Scenario("direct-routing", (probe("c1"),), (listen("c1", ns="c1"), WEB),
             setup=ipvs(one("-g", server="$C1:443"), more=direct_server)),
    Scenario("direct-routing-to-itself", (probe("web"),), (WEB,),
             setup=ipvs(one("-g", server="$Br:443"))),
    Scenario("direct-routing-where-nobody-has-the-address", (probe("dropped"),), (WEB,),
             setup=ipvs(one("-g", server="$C1:443"), more=no_router)),
    Scenario("told-by-the-ipvs-match", (probe("c1"), probe("web", 444)), (C1, WEB),
             setup=ipvs(one()),
             xt="*filter\n-A OUTPUT -m ipvs --vaddr $host --vport 443 --vproto tcp --vmethod MASQ "
             "-j ACCEPT\n-A OUTPUT -m ipvs --ipvs -j DROP\n"
             "-A OUTPUT -p tcp --dport 8443 -j DROP\n"
             "-A INPUT -m ipvs --ipvs -j DROP\nCOMMIT\n"),
    Scenario("input-comes-before", (probe("dropped"),), (C1,), setup=ipvs(one()),
             nft="table $ip t { chain c { type filter hook input priority 0; "
             "tcp dport 443 drop; }; }"),
    Scenario("forward-does-not-see-it", (probe("c1"),), (C1,), setup=ipvs(one()),
             nft="table $ip t { chain c { type filter hook forward priority 0; "
             "tcp dport 8443 drop; }; }"),
    Scenario("output-sees-it-translated", (probe("dropped"),), (C1,), setup=ipvs(one()),
             nft="table $ip t { chain c { type filter hook output priority 0; "
             "tcp dport 8443 drop; }; }"),
    Scenario("input-after-it-does-not", (probe("c1"),), (C1,), setup=ipvs(one()),
             nft="table $ip t { chain c { type filter hook input priority 100; "
             "tcp dport 443 drop; }; }"),
    Scenario("dnat-comes-first", (probe("c2"),), (C1, C2), setup=ipvs(one()),
             xt="*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C2:8443\nCOMMIT\n"),
    Scenario("not-masqueraded-without-conntrack", (probe("c1"),), (C1,),
             setup=ipvs(one(), conntrack=0, more=lambda w: w.load("nft", ONLY_CLIENTS)),
             xt=MASQUERADE),
    Scenario("masqueraded-with-conntrack", (probe("dropped"),), (C1,),
             setup=ipvs(one(), conntrack=1, more=lambda w: w.load("nft", ONLY_CLIENTS)),
             xt=MASQUERADE),
    Scenario("mark-before-address", (probe("c2"), probe("c1", src="$src1")), (C1, C2),
             setup=ipvs(one() + "\n-A -f 7$six -s rr\n-a -f 7$six -r $C2:8443 -m"),
             xt="*mangle\n-A PREROUTING ! -s $srcnet -p tcp --dport 443 -j MARK --set-mark 7\n"
             "COMMIT\n"),
    Scenario("kube-proxy", (probe(("c1", "c2"), dst="$vip"), probe("refused", dst="$host")),
             (C1, C2),
             setup=ipvs("-A -t $Vip:443 -s rr\n-a -t $Vip:443 -r $C1:8443 -m\n"
                        "-a -t $Vip:443 -r $C2:8443 -m", conntrack=1, more=kube_proxy), xt=KUBE),
    Scenario("swarm", (probe("c2"),), (C2,),
             setup=ipvs("-A -f 256 -s rr\n-a -f 256 -r $c2:0 -m", ns="c1", conntrack=1), xt=SWARM,
             families=(4,)),
]


# An emulated machine is slow: what both families or backends share is tested once.
BOTH = {"masq", "round-robin", "direct-routing", "local-server", "masqueraded-with-conntrack",
        "mark-before-address", "kube-proxy", "told-by-the-ipvs-match", "no-server"}


def few(scenarios):
    names, params = every(scenarios).args
    return pytest.mark.parametrize(names, [
        p for p in params if (p.values[2] == 4 or p.values[0].name in BOTH)
        and (p.values[1] != "iptables-legacy" or p.values[0].name == "kube-proxy")])


@few(SCENARIOS)
def test_ipvs(scenario, backend, family, modprobe):
    modprobe("tcp_diag", "ip_vs")
    run_scenario(scenario, backend, family)


@pytest.mark.parametrize("sched,shares", [("wrr", (0.75, 0.25)), ("rr", (0.5, 0.5))])
def test_shares(sched, shares, modprobe):
    """The shares of 120 connections are the probabilities."""
    modprobe("tcp_diag", "ip_vs")
    with Lab() as lab:
        world = World(lab, 4)
        for spec in (C1, C2):
            world.listen(spec)
        ipvs(two(sched, "-w 3", "-w 1"))(world)
        run = lab.path("host", world.edge.host4, 443)
        said = {o["receiver"]["name"]: o["probability"] for o in run.outcomes
                if o["verdict"] == "delivered"}
        assert said == pytest.approx(dict(zip(("c1", "c2"), shares)))
        cases = [dict(dst=world.edge.host4, port=443, sport=41000 + n) for n in range(120)]
        real = [r.name for r in lab.connect_many("cl", cases, 1.0)]
        for name, share in zip(("c1", "c2"), shares):
            assert abs(real.count(name) / len(real) - share) < 0.04


def test_source_hash(modprobe):
    """Every client's server is foreseen, not only the shares."""
    modprobe("tcp_diag", "ip_vs")
    with Lab() as lab:
        edge = edge_topology(lab)
        for family in (4, 6):
            world = World(lab, family, edge)
            for name, ns in (("c1", "c1"), ("c2", "c2")):
                world.listeners[name] = lab.listen(ns, "::" if family == 6 else "0.0.0.0", 8443,
                                                   name=name, v6only=True)
            ipvs(two("sh", "-w 2", "-w 3").replace("-s sh", "-s sh -b sh-port"))(world)
            cases = [dict(dst=edge.host(family), port=443, src=edge.client(family), sport=42000 + n)
                     for n in range(12)]
            said = [lab.path("host", c["dst"], 443, c["src"], c["sport"]) for c in cases]
            real = lab.connect_many("cl", cases, 1.0)
            wrong = [agree(s, r) for s, r in zip(said, real)]
            assert not any(wrong), wrong
            assert {r.name for r in real} == {"c1", "c2"}

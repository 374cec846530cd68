# SPDX-License-Identifier: GPL-2.0-or-later
"""Routing as the kernel does it; that every decision is verified is held by every scenario."""

import json

import pytest

from netlab import have_edgepath
from scenario import Scenario, every, listen, probe, run_scenario


def ips(*lines, ns="host"):
    """A setup of `ip` lines."""
    return lambda world: world.ip(ns, *lines)


def both(*setups):
    def setup(world):
        for each in setups:
            each(world)
    return setup


def sysctl(*pairs):
    def setup(world):
        for key, value in pairs:
            world.lab.sysctl("host", key, value)
    return setup


def to_vip(world):
    world.ip("cl", "route add $vipnet via $host")


def to_c1(world):
    world.ip("cl", "route add $brnet via $host")


C1_VIA_DNAT = "table $ip n { chain c { type nat hook prerouting priority -100; " \
              "tcp dport 443 dnat to $C1; }; }"
MARKED = "table $ip m { chain c { type filter hook prerouting priority -150; " \
         "tcp dport 443 meta mark set 7; }; }"
WEB, C1 = listen("web"), listen("c1", ns="c1")

AT_C1 = (listen("c1", [80, 443], ns="c1"),)


def vip_at_c1(*lines):
    """$vip is an address of c1; the main table has no way to it."""
    return both(to_vip, lambda w: w.ip("c1", "addr add $vip/$len dev lo"),
                ips("route add unreachable $vipnet", *lines))


SCENARIOS = [
    Scenario("rule-by-mark", (probe("c1", dst="$vip"), probe("unreachable", 80, dst="$vip")), AT_C1,
             nft=MARKED, setup=vip_at_c1("rule add pref 50 fwmark 7 lookup 100",
                                         "route add $vipnet via $c1 dev br0 table 100")),
    Scenario("rule-by-source", (probe("dropped", dst="$c1", src="$src1"), probe("c1", dst="$c1", src="$src3")),
             AT_C1, setup=both(ips("rule add pref 10 from $src1 lookup 100",
                                   "route add blackhole default table 100"), to_c1)),
    Scenario("rule-by-device-and-port", (probe("c1", dst="$vip"), probe("unreachable", 80, dst="$vip")), AT_C1,
             setup=vip_at_c1("rule add pref 50 iif eth0 ipproto tcp dport 443 lookup 100",
                             "rule add pref 60 iif br0 to $vipnet lookup 100",
                             "route add $vipnet via $c1 dev br0 table 100")),
    Scenario("rule-by-source-port", (probe("c1", dst="$vip", sport=2000),
                                     probe("unreachable", dst="$vip", sport=3000)), AT_C1,
             setup=vip_at_c1("rule add pref 50 sport 1000-2999 lookup 100", "route add $vipnet via $c1 dev br0 table 100")),
    Scenario("goto", (probe("c1", dst="$vip"),), AT_C1, setup=vip_at_c1(
        "rule add pref 60 to $vipnet unreachable", "rule add pref 70 lookup 100", "rule add pref 50 goto 70",
        "route add $vipnet via $c1 dev br0 table 100")),
    Scenario("suppressed-default", (probe("c1", dst="$vip"),), AT_C1, setup=vip_at_c1(
        "rule add pref 50 lookup 100 suppress_prefixlength 0", "rule add pref 60 to $vipnet lookup 101",
        "route add default via $client table 100", "route add $vipnet via $c1 dev br0 table 101")),
    Scenario("throw-goes-on", (probe("c1", dst="$vip"),), AT_C1, setup=vip_at_c1(
        "rule add pref 50 lookup 100", "rule add pref 60 to $vipnet lookup 70000",
        "route add throw $vipnet table 100", "route add default via $c1 dev br0 table 70000")),
    Scenario("not-to-elsewhere", (probe("c1", dst="$vip"), probe("unreachable", dst="$vip2")), AT_C1, setup=vip_at_c1(
        "rule add pref 50 not to $vip2 lookup 100", "route add $vip via $c1 table 100")),
    Scenario("refusing-rules", (probe("unreachable", dst="$vip", port=80, kernel=("rejected", "unreachable")),
                                probe("unreachable", dst="$vip"), probe("dropped", dst="$vip", port=81)),
             (WEB,), setup=both(
                 to_vip, ips("rule add pref 50 to $vipnet dport 80 prohibit",
                             "rule add pref 51 to $vipnet dport 443 unreachable",
                             "rule add pref 52 to $vipnet blackhole"))),
    Scenario("translated-then-refused", (probe("unreachable"), probe("refused", 80)), (C1,),
             nft=C1_VIA_DNAT, setup=ips("route add unreachable $c1/$len")),
    Scenario("rp-filter-by-mark-needs-src-valid-mark", (probe("web", src="$src3"),), (WEB,),
             nft="table ip m { chain c { type filter hook prerouting priority -150; "
                 "meta mark set 7; }; chain o { type route hook output priority -150; meta mark set 7; }; }",
             setup=both(sysctl(("net.ipv4.conf.all.src_valid_mark", 1), ("net.ipv4.conf.eth0.rp_filter", 1)),
                        ips("route add $src3 dev br0", "rule add pref 50 fwmark 7 lookup 100",
                            "route add default via $client table 100",
                            "rule add pref 40 lookup local", "rule del pref 0")), families=(4,)),
    Scenario("rp-filter-ignores-the-mark", (probe("dropped", src="$src3"),), (WEB,),
             nft="table ip m { chain c { type filter hook prerouting priority -150; "
                 "meta mark set 7; }; }",
             setup=both(sysctl(("net.ipv4.conf.eth0.rp_filter", 1)),
                        ips("route add $src3 dev br0", "rule add pref 50 fwmark 7 lookup 100",
                            "route add default via $client table 100")), families=(4,)),
    Scenario("rp-filter-loose", (probe("web", src="$src1"),), (WEB,),
             setup=both(sysctl(("net.ipv4.conf.all.rp_filter", 2))), families=(4,)),
    Scenario("anycast-gets-no-connection", (probe("dropped", dst="2001:db8:1::"),), (WEB,), families=(6,)),
    Scenario("source-specific-route", (probe("c1", dst="$vip", src="$src1"),
                                       probe("unreachable", dst="$vip", src="$src3")),
             (listen("c1", ns="c1"),), families=(6,),
             setup=both(to_vip, lambda w: w.ip("c1", "addr add $vip/$len dev lo"),
                        ips("route add $vipnet from $srcnet via $c1 dev br0",
                            "route add unreachable $vipnet"))),
    Scenario("tos-decides", (probe("c1", dst="$vip", loose=True),), AT_C1, setup=vip_at_c1(
        "rule add pref 50 tos 0x10 unreachable", "rule add pref 60 to $vipnet lookup 100",
        "route add $vipnet via $c1 dev br0 table 100")),
]


@every(SCENARIOS)
def test_routing(scenario, backend, family):
    run_scenario(scenario, backend, family)


needs_edgepath = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")


@needs_edgepath
def test_bound_by_its_own_choice(lab, edge):
    """A process that binds no address is routed anew with the one that it got (ip_route_connect())."""
    lab.listen("c1", "0.0.0.0", 443, name="c1")
    lab.ip("host", f"rule add pref 50 from {edge.bridge4} lookup 100",
           "route add unreachable default table 100")
    real = lab.connect("host", edge.container(1, 4), 443)
    said = lab.path("host", edge.container(1, 4), 443, None, None, None, "--origin", "host")
    assert real.kind == "unreachable"
    assert [o["verdict"] for o in said.outcomes] == ["unreachable"], said.stdout
    assert said.json["routing"]["disagreements"] == []
    assert said.json["routing"]["verified"] >= 2


@needs_edgepath
def test_multipath(lab, edge):
    """Both next hops are told, with their weights; which one it is, only the kernel's hash knows."""
    for n, short in ((1, "c1"), (2, "c2")):
        lab.ip(short, "addr add 203.0.113.7/32 dev lo")
        lab.listen(short, "0.0.0.0", 443, name=short)
    lab.ip("host", f"route add 203.0.113.7 nexthop via {edge.container(1, 4)} dev br0 weight 3 "
                   f"nexthop via {edge.container(2, 4)} dev br0 weight 1")
    lab.ip("cl", f"route add 203.0.113.0/24 via {edge.host4}")
    said = lab.path("host", "203.0.113.7", 443, edge.client4, 40000)
    assert sorted(round(o["probability"], 3) for o in said.outcomes) == [0.25, 0.75]
    real = lab.connect("cl", "203.0.113.7", 443, src=edge.client4, sport=40000)
    assert real.pid in {o["receiver"]["pid"] for o in said.outcomes}
    assert said.json["routing"]["disagreements"] == []


@needs_edgepath
@pytest.mark.parametrize("weights", [(3, 1), (1, 1)])
def test_nexthop_group(lab, edge, weights):
    for n, short in ((1, "c1"), (2, "c2")):
        lab.ip(short, "addr add 203.0.113.7/32 dev lo")
        lab.listen(short, "0.0.0.0", 443, name=short)
        lab.ip("host", f"nexthop add id {n} via {edge.container(n, 4)} dev br0")
    lab.ip("host", f"nexthop add id 10 group 1,{weights[0]}/2,{weights[1]}", "route add 203.0.113.7 nhid 10")
    lab.ip("cl", f"route add 203.0.113.0/24 via {edge.host4}")
    said = lab.path("host", "203.0.113.7", 443, edge.client4, 40000)
    share = weights[0] / sum(weights)
    assert sorted(round(o["probability"], 3) for o in said.outcomes) == sorted([share, 1 - share])
    assert said.json["routing"]["disagreements"] == []


@needs_edgepath
def test_tentative_address_is_nobodys(lab, edge):
    """As long as an address is checked for duplicates, the host does not have it."""
    web = lab.listen("host", "::", 443, name="web")
    lab.sysctl("host", "net.ipv6.conf.eth0.accept_dad", 1)
    lab.sysctl("host", "net.ipv6.conf.all.accept_dad", 1)
    lab.sysctl("host", "net.ipv6.conf.eth0.dad_transmits", 100)
    lab.ip("host", "addr add 2001:db8:1::77/64 dev eth0")
    shown = json.loads(lab.run("host", ["ip", "-j", "-6", "addr", "show", "dev", "eth0", "tentative"]))
    if not any(a.get("local") == "2001:db8:1::77" for row in shown for a in row.get("addr_info", ())):
        pytest.skip("the kernel did not check the address")
    said = lab.path("host", "2001:db8:1::77", 443, edge.client6, 40000)
    assert "delivered" not in [o["verdict"] for o in said.outcomes], said.stdout
    assert said.json["routing"]["disagreements"] == []
    real = lab.connect("cl", "2001:db8:1::77", 443, src=edge.client6, sport=40000)
    assert real.pid != web.pid


@needs_edgepath
def test_the_source_an_ipv6_sender_gets(lab, edge):
    """Label, device and prefix decide, in the kernel's order (RFC 6724)."""
    lab.ip("host", "addr add fd00:1::5/64 dev eth0 nodad", "addr add 2001:db8:1::5/64 dev eth0 nodad")
    lab.ip("cl", "addr add fd00:1::9/64 dev eth0 nodad")
    lab.listen("cl", "::", 443, name="cl")
    lab.listen("c1", "::", 443, name="c1")
    lab.wait_reachable("host", "fd00:1::9", edge.client6, edge.container(1, 6))
    for dst in ("fd00:1::9", edge.client6, edge.container(1, 6)):
        real = lab.connect("host", dst, 443)
        said = lab.path("host", dst, 443, None, None, None, "--origin", "host")
        assert real.kind == "delivered"
        assert said.json["routing"]["disagreements"] == []
        nft = f"table ip6 t {{ chain c {{ type filter hook output priority 0; ip6 saddr {real.peer} " \
              f"ip6 daddr {dst} tcp dport 443 reject with tcp reset; }}; }}"
        lab.nft("host", nft)
        said = lab.path("host", dst, 443, None, None, None, "--origin", "host")
        assert [o["verdict"] for o in said.outcomes] == ["rejected"], (dst, real.peer, said.stdout)
        lab.flush("host", legacy=False)


@needs_edgepath
def test_a_circle_ends(lab, edge):
    """Host and c1 send it to each other until its TTL is used up."""
    lab.sysctl("c1", "net.ipv4.conf.all.send_redirects", 0)
    lab.sysctl("c1", "net.ipv4.conf.eth0.send_redirects", 0)
    lab.ip("host", f"route add 203.0.113.7 via {edge.container(1, 4)}")
    lab.ip("cl", f"route add 203.0.113.0/24 via {edge.host4}")
    said = lab.path("host", "203.0.113.7", 443, edge.client4, 40000)
    assert [o["verdict"] for o in said.outcomes] == ["unreachable"], said.stdout
    assert "circle" in said.outcomes[0]["reason"]
    assert lab.connect("cl", "203.0.113.7", 443, src=edge.client4, sport=40000).kind != "delivered"

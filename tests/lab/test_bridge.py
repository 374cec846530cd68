# SPDX-License-Identifier: GPL-2.0-or-later
"""Frames on a bridge: chains of the bridge family and of netdev egress, br_netfilter, ports."""

from scenario import Scenario, every, listen, probe, run_scenario

WEB = listen("web", [443, 444])
C1 = listen("c1", [443, 444, 8443], "c1")
C2 = listen("c2", [443, 444, 8443], "c2")


def chain(hook, *rules, policy="accept", priority="filter", family="bridge", name="b", device=None,
          kind="filter"):
    where = f' device "{device}"' if device else ""
    return f"table {family} {name} {{\nchain c_{hook} {{\ntype {kind} hook {hook}{where} " \
           f"priority {priority}; policy {policy};\n" + "\n".join(rules) + "\n}\n}\n"


def over(expect, port=443, **more):
    """From the other container, straight over the bridge."""
    return probe(expect, port, sender="c2", src="$c2", dst="$c1", iif="ve-c2", **more)


def up(expect, port=443, **more):
    """From a container to the bridge's own host."""
    return probe(expect, port, sender="c2", src="$c2", dst="$br", iif="ve-c2", **more)


DNAT = "table $ip n {\nchain pre {\ntype nat hook prerouting priority dstnat;\n" \
       "$ip daddr $host tcp dport { 443, 444 } dnat to $c1\n}\n}\n"


def no_calls(world):
    for key in ("iptables", "ip6tables"):
        world.lab.sysctl("host", f"net.bridge.bridge-nf-call-{key}", 0)


def calls_of_one_bridge(world):
    no_calls(world)
    world.lab.ip("host", "link set br0 type bridge nf_call_iptables 1 nf_call_ip6tables 1")


def macs(world):
    for short, device in (("c1", "eth0"), ("c2", "eth0"), ("host", "br0"), ("host", "eth0")):
        name = short if short != "host" else device
        world.words[f"mac_{name}"] = mac(world.lab, short, device)


def mac(lab, short, device):
    return lab.run(short, ["ip", "-br", "link", "show", "dev", device]).split()[2]


def option(what, ns="host"):
    def setup(world):
        world.lab.ip(ns, what)
    return setup


FAMILY = [
    Scenario("forward-by-port", (over("dropped"), over("c1", 444), probe("c1")), (C1,),
             nft=DNAT + chain("forward", 'tcp dport 443 iifname "ve-c2" oifname "ve-c1" drop')),
    Scenario("forward-policy", (over("dropped"), over("c1", 444)), (C1,),
             nft=chain("forward", "arp operation { request, reply } accept",
                       "ether type ip6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                       "tcp flags & (syn|ack) != syn accept", "tcp dport 444 accept",
                       policy="drop")),
    Scenario("forward-other-direction", (over("c1"),), (C1,),
             nft=chain("forward", 'iifname "ve-c1" tcp flags syn / syn,ack drop')),
    Scenario("prerouting-for-the-host", (up("dropped"), up("web", 444)), (WEB,),
             nft=chain("prerouting", 'iifname "ve-c2" tcp dport 443 drop')),
    Scenario("input-for-the-host", (up("dropped"), up("web", 444), over("c1")), (WEB, C1),
             nft=chain("input", 'iifname "ve-c2" tcp dport 443 drop')),
    Scenario("output-of-the-host", (probe("dropped"), probe("c1", 444), over("c1")), (C1,),
             nft=DNAT + chain("output", 'oifname "ve-c1" tcp dport 443 drop')),
    Scenario("postrouting", (probe("dropped"), probe("c1", 444), over("dropped")), (C1,),
             nft=DNAT + chain("postrouting", 'oifname "ve-c1" tcp dport 443 drop')),
    Scenario("no-iifname-at-postrouting", (over("c1"),), (C1,),
             nft=chain("postrouting", 'iifname "ve-c2" tcp dport 443 drop')),
    Scenario("by-address", (over("dropped"), over("c1", 444)), (C1,),
             nft=chain("forward", "$ip saddr $c2 $ip daddr $c1 tcp dport 443 drop")),
    Scenario("by-mac", (over("dropped"), over("dropped", 444), over("c1", 8443)), (C1,), setup=macs,
             nft=chain("forward", "ether saddr $mac_c2 tcp dport 443 drop",
                       "ether daddr $mac_c1 tcp dport 444 drop",
                       "ether saddr $mac_br0 tcp dport 8443 drop")),
    Scenario("by-mac-of-the-host", (probe("dropped"), probe("c1", 444)), (C1,), setup=macs,
             nft=DNAT + chain("output", "ether saddr $mac_br0 ether daddr $mac_c1 tcp dport 443 drop",
                              "ether saddr $mac_eth0 tcp dport 444 drop")),
    Scenario("by-type", (over("dropped"), over("c1", 444)), (C1,),
             nft=chain("forward", "ether type $ip tcp dport 443 drop",
                       "ether type vlan tcp dport 444 drop", "vlan id 5 drop")),
    Scenario("packet-types", (over("dropped"), over("c1", 444), up("dropped"), up("web", 444)),
             (C1, WEB),
             nft=chain("prerouting", "meta pkttype other tcp dport 443 drop",
                       "meta pkttype host tcp dport 443 drop",
                       "meta pkttype { broadcast, multicast } tcp dport 444 drop")),
    Scenario("protocols", (over("dropped"), over("dropped", 444), over("c1", 8443)), (C1,),
             nft=chain("forward", "meta protocol $ip tcp dport 443 drop",
                       "meta l4proto tcp tcp dport 444 drop",
                       "meta protocol vlan drop")),
    Scenario("verdict-map", (over("dropped"), over("c1", 444)), (C1,),
             nft="table bridge b {\nchain one { tcp dport 443 drop\n }\n"
             "chain c {\ntype filter hook forward priority filter;\n"
             'iifname . oifname vmap { "ve-c2" . "ve-c1" : jump one }\n}\n}\n'),
    Scenario("mark-for-the-rules-of-ip", (up("dropped"), up("web", 444)), (WEB,),
             nft=chain("prerouting", "tcp dport 443 meta mark set 5")
             + chain("input", "meta mark 5 drop", family="inet", name="i")),
    Scenario("mark-chooses-the-route", (up("unreachable", kernel=("unreachable",)),
                                        up("web", 444)), (WEB,),
             setup=lambda w: w.ip("host", "rule add fwmark 5 unreachable pref 10")
             if w.family == 4 else w.ip("host", "rule add fwmark 5 unreachable pref 0",
                                        "rule add lookup local pref 1", "rule del pref 0 lookup local"),
             families=(6,),
             nft=chain("prerouting", "tcp dport 443 meta mark set 5")),
    Scenario("dormant", (over("c1"),), (C1,),
             nft="table bridge b {\nflags dormant\nchain c {\ntype filter hook forward priority 0; "
             "policy drop;\n}\n}\n"),
    Scenario("order-of-priorities", (over("dropped"), over("c1", 444)), (C1,),
             nft=chain("prerouting", "tcp dport 443 meta mark set 7", priority="-250", name="a")
             + chain("prerouting", "meta mark 7 drop", priority="-240", name="z")
             + chain("prerouting", "meta mark 8 drop", "tcp dport 444 meta mark set 8",
                     priority="-230", name="y")),
]

BR_NETFILTER = [
    Scenario("forward", (over("dropped"), over("c1", 444)), (C1,),
             xt="*filter\n-A FORWARD -i br0 -o br0 -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft=chain("forward", "iifname br0 oifname br0 tcp dport 443 drop", family="inet")),
    Scenario("forward-not-called", (over("c1"),), (C1,), setup=no_calls,
             xt="*filter\n-A FORWARD -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft=chain("forward", "tcp dport 443 drop", family="inet")),
    Scenario("forward-called-for-one-bridge", (over("dropped"),), (C1,), setup=calls_of_one_bridge,
             xt="*filter\n-A FORWARD -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft=chain("forward", "tcp dport 443 drop", family="inet")),
    Scenario("prerouting-once", (up("web"), up("dropped", 444)), (WEB,),
             nft=chain("prerouting", "meta mark set meta mark ^ 1", family="inet", priority="raw")
             + chain("input", "tcp dport 443 meta mark 0 drop", "tcp dport 444 meta mark 1 drop",
                     family="inet", name="i")),
    Scenario("prerouting-between-priorities", (up("dropped"), up("web", 444)), (WEB,),
             nft=chain("prerouting", "tcp dport 443 meta mark set 3", family="inet", name="i")
             + chain("prerouting", "meta mark 3 drop", priority="100")
             + chain("prerouting", "meta mark 3 accept", "tcp dport 444 meta mark set 4",
                     priority="-100", name="early")
             + chain("prerouting", "meta mark != 4 tcp dport 444 drop", family="inet", name="j",
                     priority="1")),
    Scenario("postrouting", (over("dropped"), over("c1", 444)), (C1,),
             xt="*mangle\n-A POSTROUTING -o br0 -p tcp --dport 443 -j DROP\nCOMMIT\n",
             nft=chain("postrouting", "oifname br0 tcp dport 443 drop", family="inet")),
    Scenario("physdev", (over("dropped"), over("c1", 444), up("dropped"), probe("c1")), (C1, WEB),
             xt="*filter\n-A FORWARD -m physdev --physdev-in ve-c2 --physdev-out ve-c1 -p tcp "
             "--dport 443 -j DROP\n-A FORWARD -m physdev --physdev-in ve-c1 -p tcp --dport 444 "
             "--syn -j DROP\n-A INPUT -m physdev --physdev-in ve-c2 -p tcp --dport 443 -j DROP\n"
             "COMMIT\n*nat\n-A PREROUTING -d $host -p tcp --dport 443 -j DNAT --to-destination $c1\n"
             "COMMIT\n"),
    Scenario("physdev-is-bridged", (over("dropped"), over("c1", 444), probe("c1")), (C1,),
             xt="*filter\n-A FORWARD -m physdev --physdev-is-bridged -p tcp --dport 443 -j DROP\n"
             "-A FORWARD -m physdev ! --physdev-is-bridged -p tcp --dport 444 -j DROP\nCOMMIT\n"
             "*nat\n-A PREROUTING -d $host -p tcp --dport 443 -j DNAT --to-destination $c1\n"
             "COMMIT\n"),
    Scenario("translated-to-the-host", (over("web"), over("c1", 444)), (C1, WEB),
             xt="*nat\n-A PREROUTING -p tcp -d $c1 --dport 443 -j DNAT --to-destination $br\n"
             "COMMIT\n",
             nft=chain("prerouting", "$ip daddr $c1 tcp dport 443 dnat $ip to $br", family="inet",
                       kind="nat", priority="dstnat")),
    Scenario("redirected", (over("web"), over("c1", 8443)), (C1, WEB),
             xt="*nat\n-A PREROUTING -p tcp -d $c1 --dport 443 -j REDIRECT --to-ports 444\nCOMMIT\n",
             nft=chain("prerouting", "$ip daddr $c1 tcp dport 443 redirect to :444", family="inet",
                       kind="nat", priority="dstnat")),
    Scenario("translated-port-alone", (over("c1"),), (C1,),
             xt="*nat\n-A PREROUTING -p tcp -d $c1 --dport 443 -j DNAT --to-destination $C1:8443\n"
             "COMMIT\n",
             nft=chain("prerouting", "$ip daddr $c1 tcp dport 443 dnat $ip to $C1:8443",
                       family="inet", kind="nat", priority="dstnat")),
    Scenario("translated-on-the-bridge", (up("c1"), up("dropped", 444)), (C1, WEB),
             xt="*nat\n-A PREROUTING -p tcp -d $br --dport 443:444 -j DNAT --to-destination $c1\n"
             "COMMIT\n*filter\n-A FORWARD -m physdev --physdev-is-bridged -p tcp --dport 444 -j DROP\n"
             "COMMIT\n",
             nft=chain("prerouting", "$ip daddr $br tcp dport { 443, 444 } dnat $ip to $c1",
                       family="inet", kind="nat", priority="dstnat")
             + chain("forward", 'oifname "ve-c1" iifname "ve-c2" tcp dport 444 drop')),
    Scenario("translated-on-the-bridge-not-called",
             (up("c1"), up("c1", 444)), (C1, WEB),
             setup=no_calls,
             nft=chain("prerouting", "$ip daddr $br tcp dport { 443, 444 } dnat $ip to $c1",
                       family="inet", kind="nat", priority="dstnat")
             + chain("postrouting", "oifname br0 masquerade", family="inet", name="m",
                     kind="nat", priority="srcnat")
             + chain("forward", "tcp dport 444 tcp flags syn / syn,ack drop")),
    Scenario("back-to-where-it-came-from", (probe("dropped", sender="c1", src="$c1", dst="$br",
                                                  iif="ve-c1"),), (C1,),
             xt="*nat\n-A PREROUTING -p tcp -d $br --dport 443 -j DNAT --to-destination $c1\n"
             "-A POSTROUTING -s $c1 -d $c1 -j MASQUERADE\nCOMMIT\n",
             nft=chain("prerouting", "$ip daddr $br tcp dport 443 dnat $ip to $c1", family="inet",
                       kind="nat", priority="dstnat")
             + chain("postrouting", "$ip saddr $c1 $ip daddr $c1 masquerade", family="inet",
                     name="m", kind="nat", priority="srcnat")),
    Scenario("back-by-hairpin", (probe("c1", sender="c1", src="$c1", dst="$br", iif="ve-c1"),),
             (C1,), setup=option("link set ve-c1 type bridge_slave hairpin on"),
             xt="*nat\n-A PREROUTING -p tcp -d $br --dport 443 -j DNAT --to-destination $c1\n"
             "-A POSTROUTING -s $c1 -d $c1 -j MASQUERADE\nCOMMIT\n",
             nft=chain("prerouting", "$ip daddr $br tcp dport 443 dnat $ip to $c1", family="inet",
                       kind="nat", priority="dstnat")
             + chain("postrouting", "$ip saddr $c1 $ip daddr $c1 masquerade", family="inet",
                     name="m", kind="nat", priority="srcnat")),
    Scenario("translated-off-the-bridge", (over("client", 443),),
             (C1, listen("client", 443, "cl")),
             nft=chain("prerouting", "$ip daddr $c1 tcp dport 443 dnat $ip to $client",
                       family="inet", kind="nat", priority="dstnat")
             + chain("postrouting", "oifname eth0 masquerade", family="inet", name="m",
                     kind="nat", priority="srcnat")),
    Scenario("translated-and-no-router", (up("dropped"), over("dropped", 444)), (C1,),
             setup=lambda w: w.lab.sysctl("host", "net.ipv4.conf.br0.forwarding", 0), families=(4,),
             nft=chain("prerouting", "$ip daddr $br tcp dport 443 dnat $ip to $c1",
                       "$ip daddr $c1 tcp dport 444 dnat $ip to $client", family="inet",
                       kind="nat", priority="dstnat")),
]

def ebtables(*rules):
    def setup(world):
        macs(world)
        for rule in rules:
            world.lab.run("host", ["ebtables-nft", *world.text(rule).split()])
    return setup


IP = {4: "IPv4", 6: "IPv6"}


def eb(text, family):
    """The words of ebtables for a family."""
    return text.replace("IPv*", IP[family]).replace("--ip-", "--ip6-" if family == 6 else "--ip-")


def eb_scenario(name, probes, listeners, *rules):
    return [Scenario(f"{name}-of-{family}", probes, listeners, families=(family,),
                     setup=ebtables(*(eb(r, family) for r in rules))) for family in (4, 6)]


EBTABLES = [
    *eb_scenario("ports", (over("dropped"), over("c1", 444)), (C1,),
                 "-A FORWARD -p IPv* --ip-proto tcp --ip-dport 443 -j DROP"),
    *eb_scenario("addresses", (over("dropped"), up("web")), (C1, WEB),
                 "-A FORWARD -p IPv* --ip-src $c2 --ip-dst $c1 --ip-proto tcp --ip-dport 443 -j DROP",
                 "-A INPUT -p IPv* ! --ip-src $c2 --ip-proto tcp --ip-dport 443 -j DROP"),
    *eb_scenario("policy", (over("dropped"), over("c1", 444)), (C1,),
                 "-A FORWARD -p IPv* --ip-proto tcp --ip-dport 444 -j ACCEPT",
                 "-A FORWARD -p IPv* --ip-proto tcp --ip-sport 444 -j ACCEPT",
                 "-A FORWARD -p ARP -j ACCEPT", "-A FORWARD -p IPv6 --ip6-proto ipv6-icmp -j ACCEPT",
                 "-P FORWARD DROP"),
    *eb_scenario("other-kinds", (over("c1"),), (C1,), "-A FORWARD -p 802_1Q --vlan-id 5 -j DROP",
                 "-A FORWARD -p ARP --arp-op Reply_Reverse -j DROP"),
    *eb_scenario("packet-type", (over("dropped"), up("web")), (C1, WEB),
                 "-A FORWARD --pkttype-type otherhost -p IPv* --ip-proto tcp --ip-dport 443 -j DROP",
                 "-A INPUT --pkttype-type otherhost -j DROP"),
    *eb_scenario("mark", (over("dropped"), over("c1", 444)), (C1,),
                 "-t nat -A PREROUTING -p IPv* --ip-proto tcp --ip-dport 443 -j mark --mark-set 5 "
                 "--mark-target CONTINUE", "-A FORWARD --mark 5 -j DROP", "-A FORWARD --mark 6/2 -j DROP"),
    *eb_scenario("redirect", (over("dropped"), over("c1", 444)), (C1, WEB),
                 "-t nat -A PREROUTING -p IPv* --ip-proto tcp --ip-dport 443 -j redirect",
                 "-A INPUT -p IPv* --ip-dst $c1 --ip-proto tcp --ip-dport 443 -j DROP"),
    *eb_scenario("dnat", (up("dropped"), up("web", 444)), (C1, WEB),
                 "-t nat -A PREROUTING -p IPv* --ip-proto tcp --ip-dport 443 -j dnat --to-dst $mac_c1",
                 "-A FORWARD -d $mac_c1 -o ve-c1 -p IPv* --ip-proto tcp --ip-dport 443 -j DROP"),
]

PORTS = [
    Scenario("isolated", (over("unreachable", loose_when_open=True), up("web")), (C1, WEB),
             setup=lambda w: w.lab.ip("host", "link set ve-c1 type bridge_slave isolated on",
                                      "link set ve-c2 type bridge_slave isolated on")),
    Scenario("one-isolated", (over("c1"),), (C1,),
             setup=option("link set ve-c1 type bridge_slave isolated on")),
]

EGRESS = [
    Scenario("of-the-port", (probe("dropped"), probe("c1", 444), over("dropped")), (C1,),
             nft=DNAT + chain("egress", "tcp dport 443 drop", family="netdev", device="ve-c1")),
    Scenario("of-the-bridge", (probe("dropped"), probe("c1", 444), over("c1")), (C1,),
             nft=DNAT + chain("egress", "tcp dport 443 drop", family="netdev", device="br0")),
    Scenario("of-the-container", (over("c1"),), (C1,),
             nft={"c1": chain("egress", "tcp dport 443 drop", family="netdev", device="eth0")}),
    Scenario("by-address-and-mac", (probe("dropped"), probe("dropped", 444)), (C1,), setup=macs,
             nft=DNAT + chain("egress", "ether daddr $mac_c1 ether saddr $mac_br0 tcp dport 443 drop",
                              "ether saddr $mac_eth0 tcp dport 444 accept",
                              "$ip daddr $c1 tcp dport 444 drop", family="netdev", device="br0")),
    Scenario("devices", (probe("dropped"), probe("c1", 444)), (C1,),
             nft=DNAT + chain("egress", 'oifname "ve-c1" tcp dport 443 drop',
                              'iifname "eth0" tcp dport 444 drop',
                              'iif != lo iifname br0 tcp dport 444 drop',
                              family="netdev", device="ve-c1")),
    Scenario("after-ingress", (probe("dropped"), probe("c1", 444)), (C1,),
             nft=DNAT + chain("ingress", "tcp dport 443 meta mark set 9", family="netdev",
                              device="eth0", name="i")
             + chain("egress", "meta mark 9 drop", family="netdev", device="ve-c1")),
    Scenario("policy", (probe("dropped"), probe("c1", 444)), (C1,),
             nft=DNAT + chain("egress", "ether type != $ip accept", "tcp dport 444 accept",
                              "tcp flags & (syn|ack) != syn accept", "meta l4proto != tcp accept",
                              family="netdev", device="ve-c1", policy="drop")),
]


@every(FAMILY)
def test_family(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(BR_NETFILTER)
def test_br_netfilter(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(EBTABLES)
def test_ebtables(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(PORTS)
def test_ports(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(EGRESS)
def test_egress(scenario, backend, family):
    run_scenario(scenario, backend, family)

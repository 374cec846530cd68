# SPDX-License-Identifier: GPL-2.0-or-later
"""The way on from the host: containers with rules of their own, routes, proxies, mixed backends."""

from scenario import Scenario, every, listen, probe, run_scenario

WEB = listen("web", [443, 444])
C1 = listen("c1", 8443, "c1")
C2 = listen("c2", 9443, "c2")


def xt_nat(*rules, post=()):
    return "*nat\n" + "".join(f"-A PREROUTING {r}\n" for r in rules) + \
        "".join(f"-A POSTROUTING {r}\n" for r in post) + "COMMIT\n"


def xt_filter(chain, *rules, policy="ACCEPT"):
    return f"*filter\n:{chain} {policy} [0:0]\n" + \
        "".join(f"-A {chain} {r}\n" for r in rules) + "COMMIT\n"


def nft_nat(*rules, post=()):
    text = "table $ip n {\nchain pre {\ntype nat hook prerouting priority dstnat;\n" + \
        "\n".join(rules) + "\n}\n"
    if post:
        text += "chain post {\ntype nat hook postrouting priority srcnat;\n" + \
            "\n".join(post) + "\n}\n"
    return text + "}\n"


def nft_filter(hook, *rules, policy="accept", priority="filter"):
    return f"table $ip f {{\nchain c {{\ntype filter hook {hook} priority {priority}; " \
           f"policy {policy};\n" + "\n".join(rules) + "\n}\n}\n"


XT = xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443")
NFT = nft_nat("tcp dport 443 dnat to $C1:8443")

CONTAINERS = [
    Scenario("container-input-drop", (probe("dropped"),), (C1,),
             xt={"host": XT, "c1": xt_filter("INPUT", "-p tcp --dport 8443 -j DROP")},
             nft={"host": NFT, "c1": nft_filter("input", "tcp dport 8443 drop")}),
    Scenario("container-firewall-by-source", (probe("c1", src="$src1"), probe("dropped")), (C1,),
             xt={"host": XT, "c1": xt_filter("INPUT", "! -s $srcnet -p tcp -j DROP")},
             nft={"host": NFT, "c1": nft_filter("input", "$ip saddr != $srcnet meta l4proto tcp "
                                                "drop")}),
    Scenario("container-firewall-sees-masqueraded-source", (probe("c1"), probe("c1", src="$src1")),
             (C1,),
             xt={"host": xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443",
                                post=["-o br0 -j MASQUERADE"]),
                 "c1": xt_filter("INPUT", "! -s $br -p tcp -j DROP")},
             nft={"host": nft_nat("tcp dport 443 dnat to $C1:8443",
                                  post=["oifname br0 masquerade"]),
                  "c1": nft_filter("input", "$ip saddr != $br meta l4proto tcp drop")}),
    Scenario("container-firewall-sees-translated-source",
             (probe("dropped"), probe("c1", src="$src1")), (C1,),
             xt={"host": xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443",
                                post=["-s $client -o br0 -j SNAT --to-source $src3"]),
                 "c1": xt_filter("INPUT", "-s $src3 -p tcp -j DROP")},
             nft={"host": nft_nat("tcp dport 443 dnat to $C1:8443",
                                  post=["$ip saddr $client oifname br0 snat to $src3"]),
                  "c1": nft_filter("input", "$ip saddr $src3 meta l4proto tcp drop")}),
    Scenario("masquerade-only-for-hairpin", (probe("dropped"),), (C1,),
             xt={"host": xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443",
                                post=["-s $brnet ! -o br0 -j MASQUERADE"]),
                 "c1": xt_filter("INPUT", "-s $client -p tcp -j DROP")},
             nft={"host": nft_nat("tcp dport 443 dnat to $C1:8443",
                                  post=["$ip saddr $brnet oifname != br0 masquerade"]),
                  "c1": nft_filter("input", "$ip saddr $client meta l4proto tcp drop")}),
    Scenario("container-redirects-to-its-proxy", (probe("envoy"),),
             (C1, listen("envoy", 15006, "c1")),
             xt={"host": XT, "c1": xt_nat("-p tcp -j REDIRECT --to-ports 15006")},
             nft={"host": NFT, "c1": nft_nat("meta l4proto tcp redirect to :15006")}),
    Scenario("container-redirect-spares-a-port", (probe("c1"),),
             (C1, listen("envoy", 15006, "c1")),
             xt={"host": XT, "c1": "*nat\n:ISTIO_INBOUND - [0:0]\n:ISTIO_IN_REDIRECT - [0:0]\n"
                 "-A PREROUTING -p tcp -j ISTIO_INBOUND\n"
                 "-A ISTIO_INBOUND -p tcp --dport 8443 -j RETURN\n"
                 "-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT\n"
                 "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006\nCOMMIT\n"},
             nft={"host": NFT, "c1": nft_nat("tcp dport 8443 return",
                                             "meta l4proto tcp redirect to :15006")}),
    Scenario("container-translates-on-to-another", (probe("c2"),), (C1, C2),
             xt={"host": XT,
                 "c1": xt_nat("-p tcp --dport 8443 -j DNAT --to-destination $C2:9443",
                              post=["-p tcp -j MASQUERADE"])},
             nft={"host": NFT,
                  "c1": nft_nat("tcp dport 8443 dnat to $C2:9443",
                                post=["meta l4proto tcp masquerade"])}),
    Scenario("container-translates-back-to-the-host", (probe("web"),), (C1, WEB),
             xt={"host": XT,
                 "c1": xt_nat("-p tcp --dport 8443 -j DNAT --to-destination $Br:444",
                              post=["-p tcp -j MASQUERADE"])},
             nft={"host": NFT,
                  "c1": nft_nat("tcp dport 8443 dnat to $Br:444",
                                post=["meta l4proto tcp masquerade"])}),
    Scenario("container-does-not-forward", (probe("dropped", says=("dropped", "unreachable")),),
             (C1, C2), setup=lambda w: _no_forwarding(w, "c1"),
             xt={"host": XT,
                 "c1": xt_nat("-p tcp --dport 8443 -j DNAT --to-destination $C2:9443")},
             nft={"host": NFT, "c1": nft_nat("tcp dport 8443 dnat to $C2:9443")}),
]


def _no_forwarding(world, ns="host"):
    if world.family == 4:
        world.lab.sysctl(ns, "net.ipv4.ip_forward", 0)
    else:
        world.lab.sysctl(ns, "net.ipv6.conf.all.forwarding", 0)


def _vip_routes(world):
    world.ip("cl", "route add $vipnet via $host")
    for short in ("c1", "c2"):
        world.lab.ip(short, world.text("addr add $vip/$len dev lo"
                                       f"{' nodad' if world.family == 6 else ''}"))
    world.ip("host", "route add $vip/$len via $c1", "rule add fwmark 0x5 lookup 100",
             "route add $vip/$len via $c2 table 100")


def _source_rule(world):
    _vip_routes(world)
    world.ip("host", "rule add from $srcnet lookup 100")


def _iif_rule(world):
    _vip_routes(world)
    world.ip("host", "rule add iif eth0 to $vip lookup 100")


def _other_routes(*lines):
    """c1 and c2 own the service address; the host's way there is given."""
    def setup(world):
        world.ip("cl", "route add $vipnet via $host")
        for short in ("c1", "c2"):
            world.lab.ip(short, world.text("addr add $vip/$len dev lo"
                                           f"{' nodad' if world.family == 6 else ''}"))
        world.ip("host", *lines)
    return setup


def _special_route(kind):
    def setup(world):
        world.ip("host", f"route add {kind} $vipnet")
        world.ip("cl", "route add $vipnet via $host")
    return setup


def _no_default(world):
    world.ip("host", "route del default")
    world.ip("cl", "route add $vipnet via $host")


def _tproxy(world):
    world.ip("cl", "route add $vipnet via $host")
    world.ip("host", "rule add fwmark 0x1/0x1 lookup 100",
             "route add local default dev lo table 100")


def _tproxy_bridge(call):
    def setup(world):
        _tproxy(world)
        for family in ("ip", "ip6"):
            world.lab.sysctl("host", f"net.bridge.bridge-nf-call-{family}tables", call)
    return setup


_DIVERT = "*mangle\n-A PREROUTING -p tcp -j TPROXY --on-port 15001 --tproxy-mark 0x1/0x1\nCOMMIT\n"
_DIVERT_NFT = nft_filter("prerouting", "meta l4proto tcp tproxy to :15001 meta mark set 1",
                         priority="mangle")


def _routed_veth(world):
    """A container without a bridge, as Calico has it: a host route to the veth."""
    lab = world.lab
    lab.ns("pod")
    lab.veth("host", "cali1", [], "pod", "eth0", [])
    pod = "fd00:244::5" if world.family == 6 else "10.244.0.5"
    world.words.update(pod=pod, Pod=f"[{pod}]" if world.family == 6 else pod)
    world.ip("pod", "addr add $pod/$len dev eth0" + (" nodad" if world.family == 6 else ""))
    world.ip("host", "route add $pod/$len dev cali1")
    if world.family == 6:
        lab.ip("host", "addr add fe80::1/64 dev cali1 nodad")
        lab.ip("pod", "route add default via fe80::1 dev eth0")
    else:
        lab.ip("pod", "route add 169.254.1.1 dev eth0", "route add default via 169.254.1.1")
        lab.sysctl("host", "net.ipv4.conf.cali1.proxy_arp", 1)
    lab.wait_reachable("host", pod)


def _nested(world):
    """A container that has a bridge and a container of its own."""
    lab, six = world.lab, world.family == 6
    lab.ns("inner")
    lab.bridge("c1", "br1", ["fd00:99::1/64" if six else "172.30.0.1/24"])
    inner = "fd00:99::2" if six else "172.30.0.2"
    world.words.update(inner=inner, Inner=f"[{inner}]" if six else inner)
    lab.veth("c1", "vi", [], "inner", "eth0", [inner + ("/64" if six else "/24")])
    lab.ip("c1", "link set vi master br1")
    lab.settle("c1", "vi", "br1")
    lab.ip("inner", f"route add default via {'fd00:99::1' if six else '172.30.0.1'}")
    lab.wait_reachable("c1", inner)


ROUTES = [
    Scenario("no-forwarding", (probe("dropped", says=("dropped", "unreachable")),
                               probe("web", 444)), (C1, WEB), setup=_no_forwarding,
             xt=XT, nft=NFT),
    Scenario("blackhole-route", (probe("unreachable", kernel=("timeout",),
                                       says=("unreachable", "dropped")),), (WEB,),
             setup=_special_route("blackhole"),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Vip:443"),
             nft=nft_nat("tcp dport 443 dnat to $Vip:443")),
    Scenario("unreachable-route", (probe("unreachable", kernel=("unreachable",)),), (WEB,),
             setup=_special_route("unreachable"),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Vip:443"),
             nft=nft_nat("tcp dport 443 dnat to $Vip:443")),
    Scenario("prohibit-route", (probe("unreachable", kernel=("unreachable", "rejected"),
                                      says=("unreachable", "rejected")),), (WEB,),
             setup=_special_route("prohibit"),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Vip:443"),
             nft=nft_nat("tcp dport 443 dnat to $Vip:443")),
    Scenario("no-route", (probe("unreachable", kernel=("unreachable",)),), (WEB,),
             setup=_no_default,
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Vip:443"),
             nft=nft_nat("tcp dport 443 dnat to $Vip:443")),
    Scenario("translated-back-out", (probe("forwarded", kernel=("unreachable", "timeout"),
                                           says=("forwarded", "unreachable")),), (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Vip:443"),
             nft=nft_nat("tcp dport 443 dnat to $Vip:443")),
    Scenario("mark-chooses-the-route", (probe("c2", 443, dst="$vip"), probe("c1", 444, dst="$vip")),
             (listen("c1", [443, 444], "c1"), listen("c2", [443, 444], "c2")), setup=_vip_routes,
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j MARK --set-mark 0x5\nCOMMIT\n",
             nft=nft_filter("prerouting", "tcp dport 443 meta mark set 0x5", priority="mangle")),
    Scenario("mark-chooses-the-route-after-translation", (probe("c2"), probe("c1", 444)),
             (listen("c1", [443, 444], "c1"), listen("c2", [443, 444], "c2")), setup=_vip_routes,
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j MARK --set-mark 0x5\nCOMMIT\n"
             + xt_nat("-d $host -p tcp -j DNAT --to-destination $vip"),
             nft=nft_filter("prerouting", "tcp dport 443 meta mark set 0x5", priority="mangle")
             + nft_nat("$ip daddr $host meta l4proto tcp dnat to $vip")),
    Scenario("source-chooses-the-route", (probe("c2", dst="$vip", src="$src1"),
                                          probe("c1", dst="$vip")),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")), setup=_source_rule),
    Scenario("arriving-device-chooses-the-route", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")), setup=_iif_rule),
    Scenario("lower-metric-wins", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vip/$len via $c1 metric 200",
                                 "route add $vip/$len via $c2 metric 100")),
    Scenario("longer-prefix-wins", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vipnet via $c1 metric 1",
                                 "route add $vip/$len via $c2 metric 900")),
    Scenario("throw-route-goes-to-the-next-table", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add default via $c1 table 50",
                                 "route add throw $vipnet table 50",
                                 "rule add to $vipnet lookup 50 pref 100",
                                 "route add $vip/$len via $c2")),
    Scenario("rule-suppresses-the-default-route", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route replace default via $c1",
                                 "route add $vip/$len via $c2 table 60",
                                 "rule add lookup main suppress_prefixlength 0 pref 100",
                                 "rule add lookup 60 pref 200")),
    Scenario("blackhole-rule", (probe("unreachable", dst="$vip", kernel=("timeout",),
                                      says=("unreachable", "dropped")),),
             (listen("c1", 443, "c1"),),
             setup=_other_routes("route add $vip/$len via $c1",
                                 "rule add to $vipnet blackhole pref 100")),
    Scenario("rule-negated", (probe("c2", dst="$vip"), probe("c1", dst="$vip", src="$src1")),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vip/$len via $c1",
                                 "route add $vip/$len via $c2 table 60",
                                 "rule add not from $srcnet lookup 60 pref 100")),
    Scenario("rule-by-port", (probe("c2", dst="$vip"), probe("c1", 444, dst="$vip")),
             (listen("c1", [443, 444], "c1"), listen("c2", [443, 444], "c2")),
             setup=_other_routes("route add $vip/$len via $c1",
                                 "route add $vip/$len via $c2 table 60",
                                 "rule add ipproto tcp dport 443 lookup 60 pref 100")),
    Scenario("rule-by-source-port", (probe("c2", dst="$vip", sport=50000),
                                     probe("c1", dst="$vip", sport=40000)),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vip/$len via $c1",
                                 "route add $vip/$len via $c2 table 60",
                                 "rule add ipproto tcp sport 50000-50100 lookup 60 pref 100")),
    Scenario("rule-goto", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vip/$len via $c1 table 50",
                                 "route add $vip/$len via $c2 table 60",
                                 "rule add lookup 60 pref 300", "rule add lookup 50 pref 200",
                                 "rule add goto 300 pref 100")),
    Scenario("several-next-hops", (probe(("c1", "c2"), dst="$vip", loose=True),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("route add $vip/$len nexthop via $c1 nexthop via $c2")),
    Scenario("next-hop-object", (probe("c2", dst="$vip"),),
             (listen("c1", 443, "c1"), listen("c2", 443, "c2")),
             setup=_other_routes("nexthop add id 7 via $c2 dev br0",
                                 "route add $vip/$len nhid 7")),
    Scenario("container-link-is-down", (probe("unreachable", loose=True),), (C1,),
             setup=lambda w: w.lab.ip("host", "link set ve-c1 down"), xt=XT, nft=NFT),
    Scenario("container-device-is-down", (probe("unreachable", loose=True),), (C1,),
             setup=lambda w: w.lab.ip("c1", "link set eth0 down"), xt=XT, nft=NFT),
    Scenario("hairpin-from-the-other-container",
             (probe("c1", sender="c2", src="$c2", iif="br0"),), (C1,),
             xt=xt_nat("-p tcp -d $host --dport 443 -j DNAT --to-destination $C1:8443",
                       post=["-s $brnet -o br0 -j MASQUERADE"]),
             nft=nft_nat("$ip daddr $host tcp dport 443 dnat to $C1:8443",
                         post=["$ip saddr $brnet oifname br0 masquerade"])),
    Scenario("transparent-proxy", (probe("proxy", final=False), probe("web", 444)),
             (WEB, listen("proxy", 15001, transparent=True)), setup=_tproxy,
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j TPROXY --on-port 15001 "
             "--tproxy-mark 0x1/0x1\nCOMMIT\n",
             nft=nft_filter("prerouting", "tcp dport 443 tproxy to :15001 meta mark set 1",
                            priority="mangle")),
    # br_netfilter runs the rules before the bridge takes the frame up; the socket is lost on the way.
    # (iptables' TPROXY also drops the rest of a connection whose socket is not transparent.)
    Scenario("transparent-proxy-behind-a-bridge",
             (probe("web", sender="c2", src="$c2", iif="br0"),
              probe("refused", 8081, sender="c2", src="$c2", iif="br0")),
             (WEB, listen("proxy", 15001, transparent=True)), setup=_tproxy_bridge(1),
             nft=_DIVERT_NFT),
    Scenario("transparent-proxy-behind-a-bridge-alone",
             (probe("proxy", sender="c2", src="$c2", iif="br0", final=False),),
             (WEB, listen("proxy", 15001, transparent=True)), setup=_tproxy_bridge(0),
             xt=_DIVERT, nft=_DIVERT_NFT),
    Scenario("transparent-proxy-for-a-foreign-address", (probe("proxy", dst="$vip", final=False),),
             (listen("proxy", 15001, transparent=True),), setup=_tproxy,
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j TPROXY --on-port 15001 "
             "--tproxy-mark 0x1/0x1\nCOMMIT\n",
             nft=nft_filter("prerouting", "tcp dport 443 tproxy to :15001 meta mark set 1",
                            priority="mangle")),
    Scenario("transparent-proxy-without-listener", (probe("dropped", loose=True,
                                                          says=("dropped", "refused", "delivered"),
                                                          kernel=("timeout", "refused",
                                                                  "delivered")),),
             (WEB,), setup=_tproxy, open_query=False,
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j TPROXY --on-port 15001 "
             "--tproxy-mark 0x1/0x1\nCOMMIT\n",
             nft=nft_filter("prerouting", "tcp dport 443 tproxy to :15001 meta mark set 1",
                            priority="mangle")),
    Scenario("routed-veth-without-bridge", (probe("pod"),), (listen("pod", 8443, "pod"),),
             setup=_routed_veth,
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Pod:8443"),
             nft=nft_nat("tcp dport 443 dnat to $Pod:8443")),
    Scenario("container-in-a-container", (probe("inner"),), (C1, listen("inner", 80, "inner")),
             setup=_nested,
             xt={"host": XT,
                 "c1": xt_nat("-p tcp --dport 8443 -j DNAT --to-destination $Inner:80")},
             nft={"host": NFT, "c1": nft_nat("tcp dport 8443 dnat to $Inner:80")}),
]


@every(CONTAINERS)
def test_container(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(ROUTES)
def test_route(scenario, backend, family):
    run_scenario(scenario, backend, family)

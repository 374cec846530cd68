# SPDX-License-Identifier: GPL-2.0-or-later
"""Destination NAT on the host, in every backend."""

from scenario import Scenario, every, listen, probe, run_scenario


def xt_nat(*rules):
    return "*nat\n" + "".join(f"-A PREROUTING {rule}\n" for rule in rules) + "COMMIT\n"


def nft_nat(*rules, more=""):
    lines = "\n".join(rules)
    return f"table $ip n {{\n{more}\nchain pre {{\ntype nat hook prerouting priority dstnat;\n" \
           f"{lines}\n}}\n}}\n"


def _second_address(world):
    world.lab.ip("host", world.text(f"addr add $host2/{'64' if world.family == 6 else '24'} "
                                    f"dev eth0{' nodad' if world.family == 6 else ''}"))


def _route_vip(world):
    world.ip("cl", "route add $vipnet via $host")


def _route_to_containers(world):
    world.ip("cl", "route add $brnet via $host")


def _localnet(allowed):
    return lambda world: world.lab.sysctl("host", "net.ipv4.conf.eth0.route_localnet", allowed)


CONTAINER = listen("c1", 8443, "c1")
OTHER = listen("c2", 8443, "c2")
WEB = listen("web", [443, 444, 8080])

SCENARIOS = [
    # Chains of type nat are hooked in with connection tracking, which some rule must ask for.
    Scenario("nat-chain-without-tracking", (probe("web"), probe("web", 444)), (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j MARK --set-mark 1",
                       "-p tcp --dport 443 -j ACCEPT") + "*filter\n-A INPUT -m mark --mark 1 "
             "-j DROP\nCOMMIT\n",
             nft=nft_nat("tcp dport 443 drop")),
    Scenario("nat-chain-with-tracking-for-another-port", (probe("dropped"), probe("web", 444)),
             (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j MARK --set-mark 1",
                       "-p tcp --dport 7 -j REDIRECT") + "*filter\n-A INPUT -m mark --mark 1 "
             "-j DROP\nCOMMIT\n",
             nft=nft_nat("tcp dport 443 drop", "tcp dport 7 redirect")),
    Scenario("nat-chain-with-tracking-for-another-table", (probe("dropped"), probe("web", 444)),
             (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j MARK --set-mark 1") +
             "*filter\n-A INPUT -m mark --mark 1 -j DROP\n"
             "-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n",
             nft=nft_nat("tcp dport 443 drop") + "table $ip f {\nchain c {\nct state new accept\n"
             "}\n}\n"),
    Scenario("nat-chain-with-notrack-only", (probe("web"),), (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j MARK --set-mark 1") +
             "*filter\n-A INPUT -m mark --mark 1 -j DROP\nCOMMIT\n"
             "*raw\n-A PREROUTING -p tcp --dport 7 -j CT --notrack\nCOMMIT\n",
             nft=nft_nat("tcp dport 443 drop") + "table $ip f {\nchain c {\n"
             "tcp dport 7 notrack\n}\n}\n"),
    Scenario("dnat-to-container", (probe("c1"), probe("web", 444)), (CONTAINER, WEB),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 counter dnat to $C1:8443")),
    Scenario("dnat-without-port-keeps-it", (probe("c1", 8443), probe("refused", 443)), (CONTAINER,),
             xt=xt_nat("-p tcp -m tcp --dport 8443 -j DNAT --to-destination $c1"),
             nft=nft_nat("tcp dport 8443 dnat to $c1")),
    Scenario("dnat-to-dead-address", (probe("unreachable"),), (WEB,),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Dead:8443"),
             nft=nft_nat("tcp dport 443 dnat to $Dead:8443")),
    Scenario("dnat-to-closed-port", (probe("refused"),), (WEB, CONTAINER),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8444"),
             nft=nft_nat("tcp dport 443 dnat to $C1:8444")),
    Scenario("dnat-to-loopback-only-container", (probe("refused"),),
             (listen("c1", 8443, "c1", addr="$lo"),),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 dnat to $C1:8443")),
    Scenario("redirect", (probe("proxy"), probe("web", 444)), (WEB, listen("proxy", 15001)),
             xt=xt_nat("-p tcp --dport 443 -j REDIRECT --to-ports 15001"),
             nft=nft_nat("tcp dport 443 redirect to :15001")),
    Scenario("redirect-goes-to-the-arriving-device", (probe("here"),),
             (listen("here", 15001, addr="$host"), listen("there", 15001, addr="$br")),
             setup=_route_to_containers,
             xt=xt_nat("-d $br -p tcp --dport 443 -j REDIRECT --to-ports 15001",
                       "-p tcp --dport 443 -j REDIRECT --to-ports 15001"),
             nft=nft_nat("tcp dport 443 redirect to :15001")),
    # IPv4 redirects to the device's first address, IPv6 to its newest.
    Scenario("redirect-with-two-addresses",
             (probe("one", families=(4,)), probe("one", dst="$host2", families=(4,)),
              probe("two", families=(6,)), probe("two", dst="$host2", families=(6,))),
             (listen("one", 15001, addr="$host"), listen("two", 15001, addr="$host2")),
             setup=_second_address,
             xt=xt_nat("-p tcp --dport 443 -j REDIRECT --to-ports 15001"),
             nft=nft_nat("tcp dport 443 redirect to :15001")),
    Scenario("redirect-takes-foreign-destination", (probe("here", dst="$c2"),),
             (listen("here", 15001, addr="$host"), listen("c2", 443, "c2")),
             setup=_route_to_containers,
             xt=xt_nat("-p tcp --dport 443 -j REDIRECT --to-ports 15001"),
             nft=nft_nat("tcp dport 443 redirect to :15001")),
    Scenario("redirect-port-range", (probe("first", 443),),
             (listen("first", 9000), listen("second", 9001)),
             xt=xt_nat("-p tcp --dport 443 -j REDIRECT --to-ports 9000-9001"),
             nft=nft_nat("tcp dport 443 redirect to :9000-9001")),
    Scenario("first-rule-wins", (probe("c1"),), (CONTAINER, OTHER),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443",
                       "-p tcp --dport 443 -j DNAT --to-destination $C2:8443"),
             nft=nft_nat("tcp dport 443 dnat to $C1:8443", "tcp dport 443 dnat to $C2:8443")),
    Scenario("accept-before-dnat", (probe("web"),), (CONTAINER, WEB),
             xt=xt_nat("-p tcp --dport 443 -j ACCEPT",
                       "-p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 accept", "tcp dport 443 dnat to $C1:8443")),
    Scenario("one-of-two-addresses", (probe("web"), probe("c1", dst="$host2")), (CONTAINER, WEB),
             setup=_second_address,
             xt=xt_nat("-d $host2/$len -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip daddr $host2 tcp dport 443 dnat to $C1:8443")),
    Scenario("source-prefix", (probe("web"), probe("c1", src="$src1"), probe("c1", src="$src2"),
                               probe("web", src="$src3")), (CONTAINER, WEB),
             xt=xt_nat("-s $srcnet -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip saddr $srcnet tcp dport 443 dnat to $C1:8443")),
    Scenario("not-a-source-prefix", (probe("c1"), probe("web", src="$src1")), (CONTAINER, WEB),
             xt=xt_nat("! -s $srcnet -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip saddr != $srcnet tcp dport 443 dnat to $C1:8443")),
    Scenario("source-port-range", (probe("c1", sport=40000), probe("c1", sport=40999),
                                   probe("web", sport=39999), probe("web", sport=41000)),
             (CONTAINER, WEB),
             xt=xt_nat("-p tcp --sport 40000:40999 --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp sport 40000-40999 tcp dport 443 dnat to $C1:8443")),
    Scenario("source-range", (probe("c1", src="$src1"), probe("web", src="$src2"), probe("web")),
             (CONTAINER, WEB),
             xt=xt_nat("-p tcp --dport 443 -m iprange --src-range $src1-$src1 "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip saddr $src1-$src1 tcp dport 443 dnat to $C1:8443")),
    Scenario("destination-range", (probe("c1"), probe("web", dst="$host2")), (CONTAINER, WEB),
             setup=_second_address,
             xt=xt_nat("-p tcp --dport 443 -m iprange ! --dst-range $host2-$host2 "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip daddr != $host2-$host2 tcp dport 443 dnat to $C1:8443")),
    Scenario("multiport", (probe("c1", 443), probe("c1", 8005), probe("c1", 8010),
                           probe("web", 444), probe("refused", 8011)), (CONTAINER, WEB),
             xt=xt_nat("-p tcp -m multiport --dports 80,443,8000:8010 "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport { 80, 443, 8000-8010 } dnat to $C1:8443")),
    Scenario("multiport-negated", (probe("web", 444), probe("c1", 443)), (CONTAINER, WEB),
             xt=xt_nat("-p tcp -m multiport ! --dports 444,445 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport != { 444, 445 } dnat to $C1:8443")),
    Scenario("multiport-both-directions", (probe("c1", sport=40500), probe("web", sport=50000)),
             (CONTAINER, WEB),
             xt=xt_nat("-p tcp --dport 443 -m multiport --ports 40000:41000 "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 tcp sport 40000-41000 dnat to $C1:8443")),
    Scenario("port-negated", (probe("web", 443), probe("c1", 8080)), (CONTAINER, WEB),
             xt=xt_nat("-p tcp -m tcp ! --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport != 443 dnat to $C1:8443")),
    Scenario("not-from-the-bridge", (probe("c1"), probe("web", sender="c2", src="$c2", iif="br0")),
             (CONTAINER, WEB),
             xt=xt_nat("! -i br0 -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat('iifname != "br0" tcp dport 443 dnat to $C1:8443')),
    Scenario("interface-wildcard", (probe("c1"), probe("web", sender="c2", src="$c2", iif="br0")),
             (CONTAINER, WEB),
             xt=xt_nat("-i eth+ -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat('iifname "eth*" tcp dport 443 dnat to $C1:8443')),
    Scenario("interface-index", (probe("c1"), probe("web", sender="c2", src="$c2", iif="br0")),
             (CONTAINER, WEB), nft=nft_nat('iif eth0 tcp dport 443 dnat to $C1:8443')),
    Scenario("destination-type-local", (probe("c1"), probe("c2", dst="$c2")),
             (CONTAINER, listen("c2", 443, "c2")), setup=_route_to_containers,
             xt=xt_nat("-p tcp --dport 443 -m addrtype --dst-type LOCAL "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 fib daddr type local dnat to $C1:8443")),
    Scenario("destination-type-negated", (probe("web"), probe("c1", dst="$c2")),
             (CONTAINER, WEB, listen("c2", 443, "c2")), setup=_route_to_containers,
             xt=xt_nat("-p tcp --dport 443 -m addrtype ! --dst-type LOCAL "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 fib daddr type != local dnat to $C1:8443")),
    Scenario("destination-type-unicast", (probe("web"), probe("c1", dst="$c2")),
             (CONTAINER, WEB, listen("c2", 443, "c2")), setup=_route_to_containers,
             nft=nft_nat("tcp dport 443 fib daddr type unicast dnat to $C1:8443")),
    # To ip6tables a local address is unicast as well.
    Scenario("destination-type-unicast-of-iptables",
             (probe("web", families=(4,)), probe("c1", families=(6,)), probe("c1", dst="$c2")),
             (CONTAINER, WEB, listen("c2", 443, "c2")), setup=_route_to_containers,
             xt=xt_nat("-p tcp --dport 443 -m addrtype --dst-type UNICAST "
                       "-j DNAT --to-destination $C1:8443")),
    Scenario("source-type-local", (probe("web"),), (CONTAINER, WEB),
             xt=xt_nat("-p tcp --dport 443 -m addrtype --src-type LOCAL "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 fib saddr type local dnat to $C1:8443")),
    Scenario("destination-type-on-arriving-device",
             (probe("c1"), probe("web", dst="$br")), (CONTAINER, WEB), setup=_route_to_containers,
             xt=xt_nat("-p tcp --dport 443 -m addrtype --dst-type LOCAL --limit-iface-in "
                       "-j DNAT --to-destination $C1:8443"),
             nft=nft_nat("tcp dport 443 fib daddr . iif type local dnat to $C1:8443")),
    Scenario("port-range-with-offset", (probe("third", 8003), probe("first", 8001)),
             (listen("first", 9001, "c1"), listen("third", 9003, "c1")),
             xt=xt_nat("-p tcp --dport 8000:8010 -j DNAT --to-destination $C1:9000-9010/8000")),
    Scenario("port-range-starts-at-its-first", (probe("first", 8003),),
             (listen("first", 9001, "c1"), listen("third", 9003, "c1")),
             xt=xt_nat("-p tcp --dport 8000:8010 -j DNAT --to-destination $C1:9001-9010"),
             nft=nft_nat("tcp dport 8000-8010 dnat to $C1:9001-9010")),
    Scenario("port-inside-the-range-stays", (probe("third", 9003),),
             (listen("first", 9001, "c1"), listen("third", 9003, "c1")),
             xt=xt_nat("-p tcp --dport 9000:9010 -j DNAT --to-destination $C1:9001-9010"),
             nft=nft_nat("tcp dport 9000-9010 dnat to $C1:9001-9010")),
    # The kernel chooses by a hash of the addresses: always the same one for one client.
    Scenario("address-range", (probe(("c1", "c2"), loose=True),), (CONTAINER, OTHER),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Range:8443"),
             nft=nft_nat("tcp dport 443 dnat to $C1-$C2:8443")),
    Scenario("netmap", (probe("c1", dst="$vip2", port=8443),), (CONTAINER,), setup=_route_vip,
             xt=xt_nat("-d $vipnet -j NETMAP --to $brnet24"),
             nft=nft_nat("dnat $ip prefix to $ip daddr map { $vipnet : $brnet24 }")),
    Scenario("dnat-to-loopback-is-martian", (probe("dropped"),),
             (listen("web", 8443, addr="127.0.0.1"),), setup=_localnet(0), families=(4,),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination 127.0.0.1:8443"),
             nft=nft_nat("tcp dport 443 dnat to 127.0.0.1:8443")),
    Scenario("dnat-to-loopback-with-route-localnet", (probe("web"),),
             (listen("web", 8443, addr="127.0.0.1"),), setup=_localnet(1), families=(4,),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination 127.0.0.1:8443"),
             nft=nft_nat("tcp dport 443 dnat to 127.0.0.1:8443")),
    Scenario("dnat-to-own-other-address", (probe("inner"),),
             (WEB, listen("inner", 8443, addr="$br")),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $Br:8443"),
             nft=nft_nat("tcp dport 443 dnat to $Br:8443")),
    Scenario("foreign-address-translated", (probe("c1", dst="$vip"), probe("web")),
             (CONTAINER, WEB), setup=_route_vip,
             xt=xt_nat("-d $vip/$len -p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("$ip daddr $vip tcp dport 443 dnat to $C1:8443")),
    Scenario("protocol-any", (probe("c1", 8443), probe("refused", 443)), (CONTAINER,),
             xt=xt_nat("-d $host -j DNAT --to-destination $c1"),
             nft=nft_nat("$ip daddr $host dnat to $c1")),
    Scenario("other-protocol-only", (probe("web"),), (CONTAINER, WEB),
             xt=xt_nat("-p udp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft=nft_nat("udp dport 443 dnat to $C1:8443")),
    Scenario("untracked-passes-nat-by", (probe("web", 443), probe("c1", 444)), (CONTAINER, WEB),
             xt="*raw\n-A PREROUTING -p tcp --dport 443 -j CT --notrack\nCOMMIT\n"
             + xt_nat("-p tcp -m multiport --dports 443,444 -j DNAT --to-destination $C1:8443"),
             nft="table $ip r { chain pre { type filter hook prerouting priority raw; "
             "tcp dport 443 notrack; }; }\n"
             + nft_nat("tcp dport { 443, 444 } dnat to $C1:8443")),
    Scenario("drop-in-raw-before-nat", (probe("dropped"), probe("c1", src="$src1")), (CONTAINER,),
             xt="*raw\n-A PREROUTING ! -s $srcnet -p tcp --dport 443 -j DROP\nCOMMIT\n"
             + xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443"),
             nft="table $ip r { chain pre { type filter hook prerouting priority raw; "
             "$ip saddr != $srcnet tcp dport 443 drop; }; }\n"
             + nft_nat("tcp dport 443 dnat to $C1:8443")),
    Scenario("drop-in-mangle-sees-untranslated", (probe("dropped", 443), probe("c1", 444)),
             (CONTAINER,),
             xt="*mangle\n-A PREROUTING -p tcp --dport 443 -j DROP\n"
             "-A PREROUTING -p tcp --dport 8443 -j DROP\nCOMMIT\n"
             + xt_nat("-p tcp -m multiport --dports 443,444 -j DNAT --to-destination $C1:8443"),
             nft="table $ip m { chain pre { type filter hook prerouting priority mangle; "
             "tcp dport { 443, 8443 } drop; }; }\n"
             + nft_nat("tcp dport { 443, 444 } dnat to $C1:8443")),
    Scenario("postrouting-snat-changes-nothing-for-the-receiver", (probe("c1"),), (CONTAINER,),
             xt=xt_nat("-p tcp --dport 443 -j DNAT --to-destination $C1:8443").replace(
                 "COMMIT", "-A POSTROUTING -o br0 -j SNAT --to-source $br\nCOMMIT"),
             nft=nft_nat("tcp dport 443 dnat to $C1:8443", more="chain post { type nat hook "
                         "postrouting priority srcnat; oifname br0 snat to $br; }")),
    Scenario("snat-in-input", (probe("web"),), (WEB,),
             xt="*nat\n-A INPUT -p tcp --dport 443 -j SNAT --to-source $src1\nCOMMIT\n",
             nft="table $ip n { chain in { type nat hook input priority 100; "
             "tcp dport 443 snat to $src1; }; }"),
]


@every(SCENARIOS)
def test_nat(scenario, backend, family):
    run_scenario(scenario, backend, family)

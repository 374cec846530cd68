# SPDX-License-Identifier: GPL-2.0-or-later
"""What only nftables can say: sets, maps, verdict maps, base chains of several priorities."""

from scenario import Scenario, every, listen, probe, run_scenario

WEB = listen("web", [443, 444, 8443])
C1 = listen("c1", 8443, "c1")
C2 = listen("c2", 8443, "c2")


def table(*chains, family="$ip", name="t", more=""):
    return f"table {family} {name} {{\n{more}\n" + "\n".join(chains) + "\n}\n"


def base(name, hook, priority, *rules, kind="filter", policy="accept"):
    return f"chain {name} {{\ntype {kind} hook {hook} priority {priority}; policy {policy};\n" + \
        "\n".join(rules) + "\n}"


def chain(name, *rules):
    return f"chain {name} {{\n" + "\n".join(rules) + "\n}"


def nat(*rules, name="pre", priority="dstnat"):
    return base(name, "prerouting", priority, *rules, kind="nat")


def inp(*rules, policy="accept", priority="filter"):
    return base("in", "input", priority, *rules, policy=policy)


SETS = [
    Scenario("set-of-ports", (probe("c1", 443), probe("web", 444)), (C1, WEB),
             nft=table(nat("tcp dport @edge dnat to $C1:8443"),
                       more="set edge { type inet_service; elements = { 80, 443 }; }")),
    Scenario("set-of-intervals", (probe("c1", 443), probe("c1", 8005), probe("web", 444)),
             (C1, WEB),
             nft=table(nat("tcp dport @edge dnat to $C1:8443"),
                       more="set edge { type inet_service; flags interval; "
                       "elements = { 80, 400-443, 8000-8010 }; }")),
    Scenario("set-of-prefixes", (probe("c1", src="$src1"), probe("web"), probe("web", src="$src3")),
             (C1, WEB),
             nft=table(nat("tcp dport 443 $ip saddr @friends dnat to $C1:8443"),
                       more="set friends { type $addr; flags interval; "
                       "elements = { $srcnet }; }")),
    Scenario("empty-set", (probe("web"),), (C1, WEB),
             nft=table(nat("tcp dport 443 $ip saddr @friends dnat to $C1:8443"),
                       more="set friends { type $addr; flags interval; }")),
    Scenario("set-negated", (probe("c1"), probe("web", src="$src2")), (C1, WEB),
             nft=table(nat("tcp dport 443 $ip saddr != @foes dnat to $C1:8443"),
                       more="set foes { type $addr; elements = { $src2, $src3 }; }")),
    Scenario("anonymous-sets", (probe("c1", src="$src1"), probe("web"), probe("web", 444)),
             (C1, WEB),
             nft=table(nat("$ip saddr { $src1, $src2 } tcp dport { 80, 443 } "
                           "dnat to $C1:8443"))),
    Scenario("concatenation", (probe("c1"), probe("web", 444), probe("web", src="$src1")),
             (C1, WEB),
             nft=table(nat("$ip saddr . tcp dport { $client . 443, $src1 . 80 } "
                           "dnat to $C1:8443"))),
    Scenario("concatenation-of-intervals",
             (probe("c1", src="$src1"), probe("c1", 80, src="$src2"), probe("web", 444,
                                                                            src="$src1"),
              probe("web", 443)), (C1, WEB),
             nft=table(nat("$ip saddr . tcp dport @edge dnat to $C1:8443"),
                       more="set edge { type $addr . inet_service; flags interval; "
                       "elements = { $srcnet . 80, $srcnet . 440-443 }; }")),
    Scenario("three-field-concatenation", (probe("c1"), probe("web", 444)), (C1, WEB),
             nft=table(nat("meta l4proto tcp $ip daddr . meta l4proto . th dport "
                           "{ $host . tcp . 443 } dnat to $C1:8443"))),
    Scenario("device-in-concatenation", (probe("c1"), probe("web", 444)), (C1, WEB),
             nft=table(nat('iifname . tcp dport { "eth0" . 443, "br0" . 444 } dnat to $C1:8443'))),
    Scenario("map-of-targets", (probe("c1", 443), probe("c2", 444), probe("web", 8443)),
             (C1, C2, WEB),
             nft=table(nat("meta l4proto tcp dnat to tcp dport map "
                           "{ 443 : $c1 . 8443, 444 : $c2 . 8443 }"))),
    Scenario("named-map-of-addresses", (probe("c1", 8443), probe("web", 444)), (C1, WEB),
             nft=table(nat("dnat to tcp dport map @targets"),
                       more="map targets { type inet_service : $addr; "
                       "elements = { 8443 : $c1 }; }")),
    Scenario("named-map-of-endpoints", (probe("c1", 443), probe("web", 444)), (C1, WEB),
             nft=table(nat("meta l4proto tcp dnat to $ip daddr . tcp dport map @targets"),
                       more="map targets { type $addr . inet_service : $addr . inet_service; "
                       "elements = { $host . 443 : $c1 . 8443 }; }")),
    Scenario("interval-map", (probe("c1", 8443, src="$src1"), probe("c2", 8443)), (C1, C2),
             nft=table(nat("tcp dport 8443 dnat to $ip saddr map { $srcnet : $c1, $client : $c2 }"
                           ))),
    Scenario("port-map", (probe("web", 80), probe("refused", 81)), (WEB,),
             nft=table(nat("meta l4proto tcp redirect to :tcp dport map { 80 : 443 }"))),
    Scenario("mark-map", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             nft=table(base("m", "prerouting", "mangle",
                            "meta mark set $ip saddr map { $src1 : 0x7, $client : 0x9 }"),
                       inp("meta mark 0x7 drop"))),
    Scenario("verdict-map", (probe("web", 443), probe("dropped", 444), probe("refused", 80)),
             (WEB,),
             nft=table(chain("https", "accept"), inp(
                 "tcp dport vmap { 443 : jump https, 444 : drop, 80 : continue }",
                 "tcp dport 443 drop"))),
    Scenario("named-verdict-map", (probe("c1", 443), probe("c2", 444), probe("web", 8443)),
             (C1, C2, WEB),
             nft=table(chain("one", "meta l4proto tcp dnat to $C1:8443"),
                       chain("two", "meta l4proto tcp dnat to $C2:8443"),
                       nat("$ip daddr . meta l4proto . th dport vmap @services"),
                       more="map services { type $addr . inet_proto . inet_service : verdict; "
                       "elements = { $host . tcp . 443 : goto one, "
                       "$host . tcp . 444 : goto two }; }")),
    Scenario("verdict-map-by-device", (probe("dropped", 444), probe("web", 443)), (WEB,),
             nft=table(chain("outside", "tcp dport 444 drop"),
                       inp('iifname vmap { "lo" : accept, "eth*" : jump outside }'))),
    Scenario("verdict-map-of-intervals", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             nft=table(inp("tcp dport 443 $ip saddr vmap { $srcnet : drop }"))),
    Scenario("dynamic-set-filled-by-packets", (probe("web", loose=True),), (WEB,),
             nft=table(inp("tcp dport 443 ct state new $ip saddr @seen drop",
                           "tcp dport 443 ct state new add @seen { $ip saddr timeout 1m }"),
                       more="set seen { type $addr; flags dynamic,timeout; timeout 1m; "
                       "size 1000; }")),
    Scenario("update-does-not-decide", (probe("web"),), (WEB,),
             nft=table(inp("tcp dport 443 update @seen { $ip saddr timeout 1m }",
                           "tcp dport 443 accept", "meta l4proto tcp drop"),
                       more="set seen { type $addr; flags dynamic,timeout; timeout 1m; }")),
    Scenario("named-counter-and-quota", (probe("web"),), (WEB,),
             nft=table(inp('tcp dport 443 counter name "hits"', "tcp dport 443 counter accept",
                           "meta l4proto tcp drop"), more="counter hits { }")),
]

def _unreachable_from_host(world):
    """For lookups without a mark; answers carry that of the SYN, and get out."""
    world.sysctl("host", "net.ipv4.tcp_fwmark_accept", 1)
    world.ip("host", "rule add pref 200 from $host fwmark 0/7 lookup 300",
             "route add unreachable default table 300")


EXPRESSIONS = [
    Scenario("inet-family-nat", (probe("c1"),), (C1,),
             nft=table(nat("meta nfproto $nfproto tcp dport 443 dnat $ip to $C1:8443"),
                       family="inet")),
    Scenario("inet-family-for-the-other-family", (probe("web"),), (C1, WEB),
             nft=table(nat("meta nfproto != $nfproto tcp dport 443 redirect to :444"),
                       inp("meta nfproto != $nfproto tcp dport 443 drop"), family="inet")),
    Scenario("inet-filter", (probe("dropped"), probe("web", 444)), (WEB,),
             nft=table(inp("tcp dport 443 drop"), family="inet")),
    Scenario("masks-and-shifts", (probe("dropped", src="$src1"), probe("web", src="$src2")), (WEB,),
             nft=table(base("m", "prerouting", "mangle", "$ip saddr $src1 meta mark set 0xabcd",
                            "$ip saddr $src2 meta mark set 0xabcc"),
                       inp("meta mark and 0xff == 0xcd drop"))),
    Scenario("ranges-and-order", (probe("dropped", sport=50000), probe("web", sport=1500)), (WEB,),
             nft=table(inp("tcp dport 443 tcp sport >= 2000 tcp sport != 1024-1999 drop"))),
    Scenario("mark-range", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             nft=table(base("m", "prerouting", "mangle", "$ip saddr $src1 meta mark set 150",
                            "$ip saddr $client meta mark set 256"),
                       inp("meta mark 100-200 drop"))),
    Scenario("protocol-and-flags", (probe("web"), probe("dropped", 444)), (WEB,),
             nft=table(inp("meta l4proto { tcp, udp } th dport 443 accept",
                           "tcp flags syn drop"))),
    Scenario("connection-direction-and-status", (probe("c1"), probe("dropped", 8443, dst="$c1")),
             (C1,), setup=lambda w: w.ip("cl", "route add $brnet via $host"),
             nft=table(nat("tcp dport 443 dnat to $C1:8443"),
                       base("f", "forward", "filter", "ct direction reply accept",
                            "ct status dnat accept",
                            "oifname br0 meta l4proto tcp drop"))),
    Scenario("connection-mark-carries-over-hooks", (probe("dropped", src="$src1"), probe("c1")),
             (C1,),
             nft=table(base("m", "prerouting", "mangle", "$ip saddr $src1 ct mark set 42"),
                       nat("tcp dport 443 dnat to $C1:8443"),
                       base("f", "forward", "filter", "ct mark 42 drop"))),
    Scenario("fib-output-interface", (probe("dropped", dst="$c1", port=8443), probe("web")),
             (C1, WEB), setup=lambda w: w.ip("cl", "route add $brnet via $host"),
             nft=table(base("m", "prerouting", "mangle",
                            'fib daddr oifname "br0" meta l4proto tcp drop'))),
    # The lookup of a source's type has the packet's other address for its source, in IPv6 alone.
    Scenario("fib-type-of-a-source-under-a-rule-for-the-destination",
             (probe("web", families=(6,)), probe("dropped", families=(4,))), (WEB,),
             setup=_unreachable_from_host,
             nft=table(base("c", "prerouting", -300, "tcp dport 443 meta mark set 7 "
                            "fib saddr type unicast drop"))),
    Scenario("fib-reverse-path", (probe("web", loose_when_open=True),
                                      probe("dropped", src="$src3", loose_when_open=True)), (WEB,),
             setup=lambda w: w.ip("host", "route add $src3/$len dev br0"),
             nft=table(base("m", "prerouting", "raw", "fib saddr . iif oif missing "
                            "meta l4proto tcp drop"))),
    Scenario("hash-of-source", (probe(("c1", "c2"), loose=True),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to jhash $ip saddr mod 2 "
                           "map { 0 : $c1, 1 : $c2 }:8443"))),
    Scenario("hash-of-source-vmap",
             tuple(probe(to, sport=40000 + n, families=(family,), loose_when_open=True)
                   for family, ends in ((4, {1: "c2", 2: "c1", 4: "c2", 10: "c1"}),
                                        (6, {1: "c1", 3: "c2", 5: "c2", 10: "c1"}))
                   for n, to in ends.items()), (C1, C2),
             nft=table(chain("one", "tcp dport 443 dnat to $C1:8443"),
                       chain("two", "tcp dport 443 dnat to $C2:8443"),
                       nat("tcp dport 443 jhash $ip saddr . tcp sport mod 2 seed 0x1234 "
                           "vmap { 0 : jump one, 1 : jump two }"))),
    Scenario("random-map", (probe(("c1", "c2")),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to numgen random mod 2 "
                           "map { 0 : $c1, 1 : $c2 }:8443"))),
    Scenario("round-robin-map", (probe(("c1", "c2")),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to numgen inc mod 2 "
                           "map { 0 : $c1, 1 : $c2 }:8443"))),
    Scenario("random-vmap-uneven", (probe(("c1", "c2")),), (C1, C2),
             nft=table(chain("one", "tcp dport 443 dnat to $C1:8443"),
                       chain("two", "tcp dport 443 dnat to $C2:8443"),
                       nat("tcp dport 443 numgen random mod 10 "
                           "vmap { 0-4 : jump one, 5-9 : jump two }"))),
    Scenario("masquerade", (probe("c1"),), (C1,),
             nft={"host": table(nat("tcp dport 443 dnat to $C1:8443"),
                                base("post", "postrouting", "srcnat", "oifname br0 masquerade",
                                     kind="nat")),
                  "c1": table(inp("tcp dport 8443 $ip saddr != $br drop"))}),
    Scenario("reject-types", (
        probe("rejected", 443, kernel=("refused",)),
        probe("rejected", 444, kernel=("unreachable",))), (WEB,),
        nft=table(inp("tcp dport 443 reject with icmpx port-unreachable",
                      "tcp dport 444 reject with icmpx host-unreachable"), family="inet")),
    Scenario("fully-qualified-continue-return", (probe("web"),), (WEB,),
             nft=table(chain("a", "tcp dport 443 return", "drop"),
                       inp("tcp dport 443 continue", "tcp dport 443 jump a",
                           "tcp dport 443 accept", "meta l4proto tcp drop"))),
    Scenario("device-group-and-type", (probe("dropped"),), (WEB,),
             setup=lambda w: w.lab.ip("host", "link set eth0 group 7"),
             nft=table(inp("iifgroup 7 tcp dport 443 drop"))),
    Scenario("connection-tuples", (probe("c1"), probe("dropped", src="$src1")), (C1,),
             nft=table(nat("tcp dport 443 dnat to $C1:8443"),
                       base("f", "forward", "filter", "oifname != br0 accept",
                            "ct original $ip saddr $client ct reply $ip saddr $c1 accept",
                            "meta l4proto tcp drop"))),
    Scenario("connection-protocol-and-zone", (probe("dropped"),), (WEB,),
             nft=table(inp("ct protocol tcp ct l3proto $nfproto ct zone 0 tcp dport 443 drop"))),
    Scenario("catch-all-element", (probe("web", 443), probe("dropped", 444)), (WEB,),
             nft=table(inp("meta l4proto != tcp accept", "tcp dport vmap @ports"),
                       more="map ports { type inet_service : verdict; "
                       "elements = { 443 : accept, * : drop }; }")),
    Scenario("raw-payload", (probe("dropped", 443), probe("web", 444)), (WEB,),
             nft=table(inp("meta l4proto tcp @th,16,16 443 drop"))),
    Scenario("address-mask", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             families=(4,),
             nft=table(inp("ip saddr & 255.255.255.240 == 192.0.2.0 tcp dport 443 drop"))),
    Scenario("address-mask-of-128-bits", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             families=(6,),
             nft=table(inp("ip6 saddr & ffff:ffff:ffff:: == 2001:db8:2:: tcp dport 443 drop"))),
    Scenario("protocol-fields", (probe("dropped"),), (WEB,), families=(4,),
             nft=table(inp("meta protocol ip ip protocol tcp ip version 4 tcp dport 443 drop"))),
    Scenario("next-header", (probe("dropped"),), (WEB,), families=(6,),
             nft=table(inp("meta protocol ip6 ip6 nexthdr tcp tcp dport 443 drop"))),
    Scenario("limit-over-unknown-or-right", (probe("web", loose=True),), (WEB,),
             nft=table(inp("tcp dport 443 limit rate over 500/second drop"))),
    Scenario("tcp-option-unknown-or-right", (probe("dropped", loose=True),), (WEB,),
             nft=table(inp("tcp dport 443 tcp option maxseg exists drop"))),
    Scenario("synproxy-unknown-or-right", (probe("web", loose=True, families=(4,)),), (WEB,),
             families=(4,), nft=table(inp("tcp dport 9999 synproxy mss 1460 wscale 7"))),
    Scenario("hop-limit-unknown-or-right", (probe("web", loose=True, families=(4,)),), (WEB,),
             families=(4,), nft=table(inp("ip ttl < 5 tcp dport 443 drop"))),
    Scenario("socket-and-osf-unknown-or-right", (probe("web", loose=True),), (WEB,),
             nft=table(base("m", "prerouting", "mangle", "tcp dport 443 socket transparent 1 drop"))
             ),
    Scenario("time-unknown-or-right", (probe("web", loose=True),), (WEB,),
             nft=table(inp('tcp dport 443 meta time < "2001-01-01" drop'))),
]

CHAINS = [
    Scenario("accept-is-not-final", (probe("dropped"),), (WEB,),
             nft=table(base("first", "input", -10, "tcp dport 443 accept"),
                       base("second", "input", 10, "tcp dport 443 drop"))),
    Scenario("drop-is-final", (probe("dropped"),), (WEB,),
             nft=table(base("first", "input", -10, "tcp dport 443 drop"),
                       base("second", "input", 10, "tcp dport 443 accept"))),
    Scenario("priority-orders-across-tables", (probe("web"),), (WEB,),
             nft=table(base("late", "prerouting", -140, "meta mark 5 tcp dport 443 drop"),
                       name="a")
             + table(base("early", "prerouting", -149, "tcp dport 443 meta mark set 5"),
                     base("middle", "prerouting", -145, "meta mark 5 meta mark set 6"),
                     name="b")),
    Scenario("filter-before-nat-sees-original", (probe("c1"),), (C1,),
             nft=table(base("f", "prerouting", -101, "tcp dport 8443 drop"),
                       nat("tcp dport 443 dnat to $C1:8443"))),
    Scenario("filter-after-nat-sees-translated", (probe("dropped"),), (C1,),
             nft=table(base("f", "prerouting", -99, "tcp dport 8443 drop"),
                       nat("tcp dport 443 dnat to $C1:8443"))),
    # The kernel runs every nat chain of a hook at the NAT priority; a chain's own priority only
    # orders nat chains among each other.
    Scenario("nat-chain-runs-at-the-nat-hook-though-its-priority-is-later", (probe("dropped"),),
             (C1, WEB),
             nft=table(base("f", "prerouting", -50, "tcp dport 8443 drop"),
                       nat("tcp dport 443 dnat to $C1:8443", priority="0"))),
    Scenario("nat-chain-runs-at-the-nat-hook-though-its-priority-is-earlier", (probe("dropped"),),
             (C1, WEB),
             nft=table(base("f", "prerouting", -120, "tcp dport 443 drop"),
                       nat("tcp dport 443 dnat to $C1:8443", priority="-190"))),
    Scenario("two-nat-tables-first-wins", (probe("c2"),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to $C1:8443", priority="-90"), name="a")
             + table(nat("tcp dport 443 dnat to $C2:8443", priority="-110"), name="b")),
    Scenario("second-nat-table-when-first-does-not-match", (probe("c2"),), (C1, C2),
             nft=table(nat("tcp dport 444 dnat to $C1:8443", priority="-110"), name="a")
             + table(nat("tcp dport 443 dnat to $C2:8443", priority="-90"), name="b")),
    Scenario("accept-in-first-nat-table-does-not-stop-the-second", (probe("c2"),), (C1, C2, WEB),
             nft=table(nat("tcp dport 443 accept", priority="-110"), name="a")
             + table(nat("tcp dport 443 dnat to $C2:8443", priority="-90"), name="b")),
    Scenario("ip-and-inet-nat-tables", (probe("c1"),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to $C1:8443", priority="-101"))
             + table(nat("tcp dport 443 dnat $ip to $C2:8443"), family="inet")),
    Scenario("equal-priorities-are-right-or-unknown",
             (probe(("c1", "c2"), loose=True),), (C1, C2),
             nft=table(nat("tcp dport 443 dnat to $C1:8443"), name="a")
             + table(nat("tcp dport 443 dnat to $C2:8443"), name="b")),
    Scenario("ingress-drop", (probe("dropped", loose=True), probe("web", 444, loose=True)), (WEB,),
             nft="table netdev t { chain c { type filter hook ingress device eth0 priority 0; "
             "tcp dport 443 drop; }; }"),
    Scenario("inet-ingress-drop", (probe("dropped", loose=True), probe("web", 444, loose=True)),
             (WEB,),
             nft="table inet t { chain c { type filter hook ingress device eth0 priority 0; "
             "tcp dport 443 drop; }; }"),
    Scenario("ingress-of-another-device", (probe("web"),), (WEB,),
             nft="table netdev t { chain c { type filter hook ingress device br0 priority 0; "
             "tcp dport 443 drop; }; }"),
    Scenario("bridge-output-drop", (probe("dropped", loose=True),), (C1,),
             nft=table(nat("tcp dport 443 dnat to $C1:8443"))
             + "table bridge b { chain c { type filter hook output priority 0; "
             "tcp dport 8443 drop; }; }"),
    Scenario("dormant-table", (probe("web"),), (WEB,),
             nft="table $ip t { flags dormant;\nchain in { type filter hook input priority 0; "
             "tcp dport 443 drop; }; }"),
    Scenario("route-chain-and-output-do-not-matter-outside", (probe("web"),), (WEB,),
             nft=table(base("o", "output", "mangle", "tcp dport 443 drop", kind="route"))),
    Scenario("deep-jumps", (probe("dropped"),), (WEB,),
             nft=table(*(chain(f"d{n}", f"jump d{n + 1}") for n in range(1, 10)),
                       inp("tcp dport 443 jump d1"),
                       more=chain("d10", "drop"))),
]


@every(SETS)
def test_set(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(EXPRESSIONS)
def test_expression(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(CHAINS)
def test_chain(scenario, backend, family):
    run_scenario(scenario, backend, family)

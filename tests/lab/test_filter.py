# SPDX-License-Identifier: GPL-2.0-or-later
"""Verdicts, matches and marks: what iptables and nft alike can say about a packet."""

from scenario import Scenario, every, listen, probe, run_scenario


def xt(table="filter", policies="", **chains):
    """xt("nat", PREROUTING=[...]) → iptables-save text; user chains are declared."""
    built_in = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}
    return f"*{table}\n" + policies + "".join(
        f":{chain} - [0:0]\n" for chain in chains if chain not in built_in) + "".join(
        f"-A {chain} {rule}\n" for chain, rules in chains.items() for rule in rules) + "COMMIT\n"


def nft(*rules, hook="input", kind="filter", priority="filter", policy="accept", table="t",
        more="", family="$ip"):
    return f"table {family} {table} {{\n{more}\nchain c {{\ntype {kind} hook {hook} priority " \
           f"{priority}; policy {policy};\n" + "\n".join(rules) + "\n}\n}\n"


WEB = listen("web", [443, 444, 8443])
CONTAINER = listen("c1", 8443, "c1")
XT_DNAT = xt("nat", PREROUTING=["-p tcp -m multiport --dports 443,444 "
                                "-j DNAT --to-destination $C1:8443"])
NFT_DNAT = nft("tcp dport { 443, 444 } dnat to $C1:8443", hook="prerouting", kind="nat",
               priority="dstnat", table="n")

VERDICTS = [
    Scenario("input-drop", (probe("dropped"), probe("web", 444)), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j DROP"]), nft=nft("tcp dport 443 drop")),
    Scenario("input-policy-drop", (probe("web"), probe("dropped", 444)), (WEB,),
             xt=xt(policies=":INPUT DROP [0:0]\n", INPUT=["-p tcp --dport 443 -j ACCEPT",
                                                          "! -p tcp -j ACCEPT"]),
             nft=nft("tcp dport 443 accept", "meta l4proto != tcp accept", policy="drop")),
    Scenario("reject-with-reset", (probe("rejected", kernel=("refused",)),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j REJECT --reject-with tcp-reset"]),
             nft=nft("tcp dport 443 reject with tcp reset")),
    Scenario("reject-port-unreachable", (probe("rejected", kernel=("refused",)),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j REJECT --reject-with $portunreach"]),
             nft=nft("tcp dport 443 reject")),
    Scenario("reject-administratively", (
        probe("rejected", kernel=("unreachable",), families=(4,)),
        probe("rejected", kernel=("rejected",), families=(6,))), (WEB,),
        xt=xt(INPUT=["-p tcp --dport 443 -j REJECT --reject-with $adminprohibited"]),
        nft=nft("tcp dport 443 reject with $icmp type admin-prohibited")),
    Scenario("input-rules-do-not-see-forwarded", (probe("c1"),), (CONTAINER,),
             xt=XT_DNAT + xt(INPUT=["-p tcp -j DROP"]),
             nft=NFT_DNAT + nft("meta l4proto tcp drop")),
    Scenario("forward-policy-drop", (probe("dropped"), probe("web", 8443)), (CONTAINER, WEB),
             xt=XT_DNAT + xt(policies=":FORWARD DROP [0:0]\n"),
             nft=NFT_DNAT + nft(hook="forward", policy="drop")),
    Scenario("forward-reject", (probe("rejected", kernel=("refused",)),), (CONTAINER,),
             xt=XT_DNAT + xt(FORWARD=["-d $c1 -j REJECT --reject-with $portunreach"]),
             nft=NFT_DNAT + nft("$ip daddr $c1 reject", hook="forward")),
    Scenario("forward-sees-translated-port", (probe("dropped"),), (CONTAINER,),
             xt=XT_DNAT + xt(FORWARD=["-p tcp --dport 443 -j ACCEPT",
                                      "-p tcp --dport 8443 -j DROP"]),
             nft=NFT_DNAT + nft("tcp dport 443 accept", "tcp dport 8443 drop", hook="forward")),
    Scenario("forward-by-devices", (probe("c1"),), (CONTAINER,),
             xt=XT_DNAT + xt(policies=":FORWARD DROP [0:0]\n", FORWARD=[
                 "-i eth0 -o br0 -j ACCEPT", "-i br0 ! -o br0 -j ACCEPT"]),
             nft=NFT_DNAT + nft("iifname eth0 oifname br0 accept",
                                "iifname br0 oifname != br0 accept",
                                hook="forward", policy="drop")),
    Scenario("postrouting-drop", (probe("dropped"),), (CONTAINER,),
             xt=XT_DNAT + xt("mangle", POSTROUTING=["-o br0 -p tcp --dport 8443 -j DROP"]),
             nft=NFT_DNAT + nft("oifname br0 tcp dport 8443 drop", hook="postrouting")),
    Scenario("mangle-input-drop", (probe("dropped"),), (WEB,),
             xt=xt("mangle", INPUT=["-p tcp --dport 443 -j DROP"]),
             nft=nft("tcp dport 443 drop", priority="mangle")),
    Scenario("answer-dropped-in-output", (probe("web", says=("delivered", "dropped", "unknown"),
                                                kernel=("timeout",), loose=True),), (WEB,),
             xt=xt(OUTPUT=["-p tcp --sport 443 -j DROP"]),
             nft=nft("tcp sport 443 drop", hook="output"), open_query=False),
]

MATCHES = [
    Scenario("conntrack-state", (probe("web"), probe("dropped", 444)), (WEB,),
             xt=xt(policies=":INPUT DROP [0:0]\n", INPUT=[
                 "! -p tcp -j ACCEPT", "-m conntrack --ctstate INVALID -j DROP",
                 "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
                 "-p tcp --dport 443 -m conntrack --ctstate NEW -j ACCEPT"]),
             nft=nft("meta l4proto != tcp accept", "ct state invalid drop",
                     "ct state established,related accept", "tcp dport 443 ct state new accept",
                     policy="drop")),
    Scenario("state-module", (probe("web"), probe("dropped", 444)), (WEB,),
             xt=xt(INPUT=["-m state --state RELATED,ESTABLISHED -j ACCEPT",
                          "-p tcp --dport 443 -m state --state NEW -j ACCEPT",
                          "-p tcp -j DROP"])),
    Scenario("conntrack-original-port", (probe("c1", 443), probe("dropped", 444)), (CONTAINER,),
             xt=XT_DNAT + xt(FORWARD=[
                 "-o br0 -p tcp -m conntrack --ctorigdstport 443 --ctdir ORIGINAL -j ACCEPT",
                 "-o br0 -p tcp -j DROP"]),
             nft=NFT_DNAT + nft("oifname br0 meta l4proto tcp ct original proto-dst 443 "
                                "ct direction original accept",
                                "oifname br0 meta l4proto tcp drop", hook="forward")),
    Scenario("conntrack-original-address", (probe("c1"), probe("dropped", 8443, dst="$c1")),
             (CONTAINER,), setup=lambda w: w.ip("cl", "route add $brnet via $host"),
             xt=XT_DNAT + xt(FORWARD=["-o br0 -p tcp -m conntrack --ctorigdst $host -j ACCEPT",
                                      "-o br0 -p tcp -j DROP"]),
             nft=NFT_DNAT + nft("oifname br0 ct original $ip daddr $host accept",
                                "oifname br0 meta l4proto tcp drop", hook="forward")),
    Scenario("conntrack-translated-only", (probe("c1"), probe("dropped", 8443, dst="$c1")),
             (CONTAINER,), setup=lambda w: w.ip("cl", "route add $brnet via $host"),
             xt=XT_DNAT + xt(FORWARD=["-o br0 -p tcp -m conntrack --ctstate DNAT -j ACCEPT",
                                      "-o br0 -p tcp -j DROP"]),
             nft=NFT_DNAT + nft("oifname br0 ct status dnat accept",
                                "oifname br0 meta l4proto tcp drop", hook="forward")),
    Scenario("conntrack-reply-and-original-source",
             (probe("c1"), probe("dropped", src="$src1"), probe("dropped", 8443, dst="$c2")),
             (CONTAINER, listen("c2", 8443, "c2")),
             setup=lambda w: w.ip("cl", "route add $brnet via $host"),
             xt=XT_DNAT + xt(FORWARD=[
                 "! -o br0 -j ACCEPT",
                 "-p tcp -m conntrack --ctorigsrc $client --ctreplsrc $c1 -j ACCEPT",
                 "-p tcp -j DROP"])),
    Scenario("conntrack-status-none", (probe("web"),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -m conntrack --ctstatus SEEN_REPLY -j ACCEPT",
                          "-p tcp --dport 443 -m conntrack --ctstatus NONE -j ACCEPT",
                          "-p tcp --dport 443 -m conntrack ! --ctstatus ASSURED -j ACCEPT",
                          "-p tcp -j DROP"])),
    Scenario("conntrack-ports-and-protocol", (probe("c1"), probe("dropped", 444)), (CONTAINER,),
             xt=XT_DNAT + xt(FORWARD=[
                 "! -o br0 -j ACCEPT",
                 "-m conntrack --ctproto 6 --ctorigdstport 440:443 --ctreplsrcport 8443 -j ACCEPT",
                 "-p tcp -j DROP"])),
    Scenario("queue-nobody-reads", (probe("dropped", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j NFQUEUE --queue-num 9"])),
    Scenario("queue-nobody-reads-bypassed", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j NFQUEUE --queue-num 9 --queue-bypass"])),
    Scenario("every-device", (probe("dropped"),), (WEB,),
             xt=xt(INPUT=["-i + -p tcp --dport 443 -j DROP"])),
    Scenario("targets-that-go-on", (probe("dropped", loose=True),), (WEB,),
             xt=xt("mangle", PREROUTING=["-p tcp -j NFLOG --nflog-group 3",
                                         "-p tcp --dport 443 -j DSCP --set-dscp 8"])
             + xt(INPUT=["-p tcp --dport 443 -j NFLOG --nflog-group 3",
                         "-p tcp --dport 443 -j DROP"])),
    Scenario("mark-set-in-mangle", (probe("c1", src="$src1"), probe("web")), (CONTAINER, WEB),
             xt=xt("mangle", PREROUTING=["-s $srcnet -j MARK --set-xmark 0x10/0xff"])
             + xt("nat", PREROUTING=["-p tcp --dport 443 -m mark --mark 0x10/0x10 "
                                     "-j DNAT --to-destination $C1:8443"]),
             nft=nft("$ip saddr $srcnet meta mark set mark and 0xffffff00 or 0x10",
                     hook="prerouting", priority="mangle")
             + nft("tcp dport 443 mark and 0x10 == 0x10 dnat to $C1:8443", hook="prerouting",
                   kind="nat", priority="dstnat", table="n")),
    Scenario("mark-checked-in-filter", (probe("dropped", src="$src1"), probe("web")), (WEB,),
             xt=xt("mangle", PREROUTING=["-s $srcnet -j MARK --set-mark 7",
                                         "-p tcp -j MARK --or-mark 0x100"])
             + xt(INPUT=["-m mark --mark 0x107 -j DROP", "-m mark ! --mark 0x100/0x100 -j DROP"]),
             nft=nft("$ip saddr $srcnet meta mark set 7", "meta mark set mark or 0x100",
                     hook="prerouting", priority="mangle")
             + nft("meta mark 0x107 drop", "meta mark and 0x100 != 0x100 drop", table="f")),
    Scenario("mark-decides-translation-after-dnat", (probe("dropped", src="$src1"), probe("c1")),
             (CONTAINER,),
             xt=xt("mangle", PREROUTING=["-s $srcnet -p tcp -j MARK --set-mark 0x4000"])
             + XT_DNAT + xt(FORWARD=["-m mark --mark 0x4000/0x4000 -j DROP"]),
             nft=nft("$ip saddr $srcnet meta mark set 0x4000", hook="prerouting",
                     priority="mangle") + NFT_DNAT
             + nft("meta mark and 0x4000 == 0x4000 drop", hook="forward", table="f")),
    Scenario("connection-mark", (probe("c1", src="$src1"), probe("web")), (CONTAINER, WEB),
             xt=xt("mangle", PREROUTING=["-s $srcnet -j CONNMARK --set-xmark 0x1/0xf",
                                         "-j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf"])
             + xt("nat", PREROUTING=["-p tcp --dport 443 -m connmark --mark 0x1/0xf -m mark "
                                     "--mark 0x1 -j DNAT --to-destination $C1:8443"]),
             nft=nft("$ip saddr $srcnet ct mark set 0x1", "meta mark set ct mark",
                     hook="prerouting", priority="mangle")
             + nft("tcp dport 443 ct mark 0x1 mark 0x1 dnat to $C1:8443", hook="prerouting",
                   kind="nat", priority="dstnat", table="n")),
    Scenario("connection-mark-saved-from-packet", (probe("dropped", src="$src1"), probe("web")),
             (WEB,),
             xt=xt("mangle", PREROUTING=["-s $srcnet -j MARK --set-mark 9",
                                         "-j CONNMARK --save-mark", "-j MARK --set-mark 0"])
             + xt(INPUT=["-m connmark --mark 9 -j DROP"]),
             nft=nft("$ip saddr $srcnet meta mark set 9", "ct mark set meta mark",
                     "meta mark set 0", hook="prerouting", priority="mangle")
             + nft("ct mark 9 drop", table="f")),
    Scenario("user-chain-return", (probe("web"), probe("dropped", src="$src1")), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j GUARD", "-s $srcnet -p tcp -j DROP"],
                   GUARD=["-s $srcnet -j RETURN", "-j ACCEPT"]),
             nft=nft("tcp dport 443 jump guard", "$ip saddr $srcnet meta l4proto tcp drop",
                     more="chain guard {\n$ip saddr $srcnet return\naccept\n}")),
    Scenario("user-chain-goto", (probe("web", src="$src1"), probe("dropped")), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j OUTER", "-p tcp --dport 443 -j DROP"],
                   OUTER=["-s $srcnet -g INNER", "-p tcp -j INNER2"],
                   INNER=["-p tcp -j ACCEPT"], INNER2=["-p udp -j ACCEPT"]),
             nft=nft("tcp dport 443 jump outer", "tcp dport 443 drop", more="""
                     chain inner { accept; }; chain inner2 { meta l4proto udp accept; }
                     chain outer { $ip saddr $srcnet goto inner; jump inner2; }""")),
    Scenario("goto-skips-the-rest-of-its-chain", (probe("web"),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j OUTER", "-p tcp --dport 443 -j ACCEPT",
                          "-p tcp -j DROP"],
                   OUTER=["-p tcp -g INNER", "-p tcp -j DROP"], INNER=["-p udp -j DROP"]),
             nft=nft("tcp dport 443 jump outer", "tcp dport 443 accept", "meta l4proto tcp drop",
                     more="""chain inner { meta l4proto udp drop; }
                     chain outer { meta l4proto tcp goto inner; meta l4proto tcp drop; }""")),
    Scenario("goto-in-base-chain-meets-policy", (probe("dropped"), probe("web", 444)), (WEB,),
             xt=xt(policies=":INPUT DROP [0:0]\n", INPUT=[
                 "! -p tcp -j ACCEPT", "-p tcp --dport 443 -g INNER", "-p tcp -j ACCEPT"],
                 INNER=["-p udp -j DROP"]),
             nft=nft("meta l4proto != tcp accept", "tcp dport 443 goto inner", "accept",
                     policy="drop", more="chain inner { meta l4proto udp drop; }")),
    Scenario("return-in-base-chain-meets-policy", (probe("dropped"), probe("web", 444)), (WEB,),
             xt=xt(policies=":INPUT DROP [0:0]\n", INPUT=[
                 "! -p tcp -j ACCEPT", "-p tcp --dport 443 -j RETURN", "-p tcp -j ACCEPT"]),
             nft=nft("meta l4proto != tcp accept", "tcp dport 443 return", "accept",
                     policy="drop")),
    Scenario("comment-and-log-go-on", (probe("dropped"),), (WEB,),
             xt=xt(INPUT=['-p tcp --dport 443 -m comment --comment "a \\"quoted\\" one" -j LOG '
                          '--log-prefix "edge: "',
                          '-p tcp --dport 443 -m comment --comment "then drop" -j DROP']),
             nft=nft('tcp dport 443 log prefix "edge: " comment "a note"',
                     'tcp dport 443 counter drop comment "then drop"')),
    Scenario("packet-type", (probe("dropped"),), (WEB,),
             xt=xt(INPUT=["-m pkttype --pkt-type broadcast -j ACCEPT",
                          "-p tcp --dport 443 -m pkttype --pkt-type unicast -j DROP"]),
             nft=nft("meta pkttype broadcast accept", "tcp dport 443 meta pkttype host drop")),
    Scenario("physdev-of-a-routed-packet", (probe("c1"),), (CONTAINER,),
             xt=XT_DNAT + xt(FORWARD=["-p tcp -m physdev --physdev-is-bridged -j DROP"])),
    Scenario("tcp-flags", (probe("dropped"), probe("web", 444)), (WEB,),
             xt=xt(INPUT=["-p tcp --tcp-flags SYN,ACK SYN,ACK -j DROP",
                          "-p tcp --dport 443 --syn -j DROP"]),
             nft=nft("tcp flags & (syn | ack) == syn | ack drop",
                     "tcp dport 443 tcp flags & (fin | syn | rst | ack) == syn drop")),
    Scenario("length-and-ttl-are-known-ranges-at-best", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -m length --length 1400:65535 -j DROP"]),
             nft=nft("tcp dport 443 meta length 1400-65535 drop")),
    Scenario("limit-lets-the-first-pass", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -m limit --limit 50/second --limit-burst 50 "
                          "-j ACCEPT", "-p tcp --dport 443 -j DROP"]),
             nft=nft("tcp dport 443 limit rate 50/second burst 50 packets accept",
                     "tcp dport 443 drop")),
    Scenario("recent-says-unknown-or-right", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 --syn -m recent --name edge --rcheck --seconds 60 "
                          "-j DROP",
                          "-p tcp --dport 443 --syn -m recent --name edge --set -j ACCEPT"])),
    Scenario("connlimit-says-unknown-or-right", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -m connlimit --connlimit-above 100 -j DROP"]),
             nft=nft("tcp dport 443 add @seen { $ip saddr ct count over 100 } drop",
                     more="set seen { type $addr; flags dynamic; size 100; }")),
    Scenario("unsupported-match-after-the-decision", (probe("web"),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -j ACCEPT",
                          "-m string --string x --algo bm -j DROP"])),
    Scenario("unsupported-match-on-another-port", (probe("web"),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 80 -m string --string x --algo bm -j DROP"])),
    Scenario("unsupported-match-in-the-way", (probe("web", loose=True),), (WEB,),
             xt=xt(INPUT=["-p tcp --dport 443 -m string --string zzz --algo bm -j DROP"])),
]

CHANCE = [
    Scenario("statistic-random", (probe(("c1", "c2")),), (CONTAINER, listen("c2", 8443, "c2")),
             xt=xt("nat", PREROUTING=[
                 "-p tcp --dport 443 -m statistic --mode random --probability 0.5 "
                 "-j DNAT --to-destination $C1:8443",
                 "-p tcp --dport 443 -j DNAT --to-destination $C2:8443"]),
             nft=nft("tcp dport 443 numgen random mod 2 0 dnat to $C1:8443",
                     "tcp dport 443 dnat to $C2:8443", hook="prerouting", kind="nat",
                     priority="dstnat")),
    Scenario("statistic-nth", (probe(("c1", "c2")),), (CONTAINER, listen("c2", 8443, "c2")),
             xt=xt("nat", PREROUTING=[
                 "-p tcp --dport 443 -m statistic --mode nth --every 2 --packet 0 "
                 "-j DNAT --to-destination $C1:8443",
                 "-p tcp --dport 443 -j DNAT --to-destination $C2:8443"]),
             nft=nft("tcp dport 443 numgen inc mod 2 0 dnat to $C1:8443",
                     "tcp dport 443 dnat to $C2:8443", hook="prerouting", kind="nat",
                     priority="dstnat")),
    Scenario("three-ways", (probe(("c1", "c2", "web")),),
             (CONTAINER, listen("c2", 8443, "c2"), WEB),
             xt=xt("nat", PREROUTING=[
                 "-p tcp --dport 443 -m statistic --mode random --probability 0.33333333349 "
                 "-j DNAT --to-destination $C1:8443",
                 "-p tcp --dport 443 -m statistic --mode random --probability 0.5 "
                 "-j DNAT --to-destination $C2:8443"]),
             nft=nft("tcp dport 443 numgen random mod 3 vmap { 0 : jump one, 1 : jump two }",
                     hook="prerouting", kind="nat", priority="dstnat", more="""
                     chain one { tcp dport 443 dnat to $C1:8443; }
                     chain two { tcp dport 443 dnat to $C2:8443; }""")),
]


def _client_mac(world):
    shown = world.lab.run("cl", ["ip", "-br", "link", "show", "dev", "eth0"])
    world.words["mac"] = shown.split()[2]


def _ipset(world):
    world.lab.run("host", ["ipset", "create", "friends", "hash:net", "family",
                           "inet6" if world.family == 6 else "inet"])
    world.lab.run("host", ["ipset", "add", "friends", world.text("$srcnet")])


SPECIAL = [
    Scenario("source-hardware-address", (probe("c1", loose=True),), (CONTAINER, WEB),
             setup=_client_mac,
             xt=xt("nat", PREROUTING=["-p tcp --dport 443 -m mac --mac-source $mac "
                                      "-j DNAT --to-destination $C1:8443"]),
             nft=nft("tcp dport 443 ether saddr $mac dnat to $C1:8443", hook="prerouting",
                     kind="nat", priority="dstnat")),
    Scenario("ipset", (probe("c1", src="$src1", loose=True), probe("web", loose=True)),
             (CONTAINER, WEB), setup=_ipset,
             xt=xt("nat", PREROUTING=["-p tcp --dport 443 -m set --match-set friends src "
                                      "-j DNAT --to-destination $C1:8443"])),
]


@every(VERDICTS)
def test_verdict(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(MATCHES)
def test_match(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(CHANCE)
def test_chance(scenario, backend, family):
    run_scenario(scenario, backend, family)


@every(SPECIAL)
def test_special(scenario, backend, family):
    run_scenario(scenario, backend, family)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures the saved snapshots of this directory anew, as root, after `make tests`:

    tests/unit/data/snapshots/make.py [NAME...]

Each is a lab of namespaces of its own. NAME.cases says what becomes of some packets; every line is
held against a connect() there, and the snapshot is written only if the kernel agrees with all of
them. The unit tests hold the walk against the same lines.
"""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from string import Template

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.abspath(os.path.join(HERE, *[os.pardir] * 4))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))

from netlab import Lab, edge_topology  # noqa: E402

TOOL = os.environ.get("SNAPSHOT") or os.path.join(os.environ.get("BUILD") or
                                                  os.path.join(TOP, "build"), "tests", "snapshot")
PATIENCE = 0.6  # s without an answer, after which a packet counts as dropped
TRIES = 60  # connections where chance decides

# What the words of the cases may be to connect().
KERNEL = {"refused": {"refused"}, "rejected": {"refused", "rejected", "unreachable"},
          "dropped": {"timeout"}, "unreachable": {"timeout", "unreachable"},
          "forwarded": {"timeout", "unreachable"}}

WORDS = {4: dict(ip="ip", host="198.51.100.1", Host="198.51.100.1", c1="172.18.0.2",
                 C1="172.18.0.2", c2="172.18.0.3", C2="172.18.0.3", br="172.18.0.1",
                 Br="172.18.0.1", brnet="172.18.0.0/16", Dead="172.18.0.99", lo="127.0.0.0/8",
                 srcnet="192.0.2.0/24", src1="192.0.2.10", src2="192.0.2.99", src3="10.9.8.7",
                 vip="203.0.113.7", icmp="icmp", addr="ipv4_addr", port="icmp-port-unreachable",
                 wide="0.0.0.0/1", len="32", any="0.0.0.0", mask="255.255.0.255",
                 masked="192.0.0.99", holes="0.255.0.255", holed="0.0.0.99", ttl="ttl"),
         6: dict(ip="ip6", host="2001:db8:1::1", Host="[2001:db8:1::1]", c1="fd00:18::2",
                 C1="[fd00:18::2]", c2="fd00:18::3", C2="[fd00:18::3]", br="fd00:18::1",
                 Br="[fd00:18::1]", brnet="fd00:18::/64", Dead="[fd00:18::99]", lo="::1/128",
                 srcnet="2001:db8:2::/64", src1="2001:db8:2::10", src2="2001:db8:2::99",
                 src3="2001:db8:9::7", vip="2001:db8:5::7", icmp="ipv6-icmp", addr="ipv6_addr",
                 port="icmp6-port-unreachable", wide="::/1", len="128", any="::",
                 mask="ffff:ffff:ffff:ffff::",
                 masked="2001:db8:2::", holes="ffff:ffff:0:ffff::ffff", holed="2001:db8::99", ttl="hoplimit")}

Case = namedtuple("Case", "line origin dst port src sport who")


def read_cases(name):
    """Lines of "origin destination port source port who"; see dnat.cases for what they mean."""
    with open(os.path.join(HERE, name + ".cases")) as text:
        for line in text:
            words = line.split("#")[0].split()
            if words:
                origin, dst, port, src, sport, who = words
                yield Case(line.strip(), origin, dst, int(port), src,
                           None if sport == "*" else int(sport), who)


def check_case(lab, case):
    """None, or how the kernel differs."""
    sender = {"outside": "cl", "host": "host"}[case.origin]
    chance = "=" in case.who
    base = case.sport or 20000
    plan = [dict(dst=case.dst, port=case.port, src=None if case.src == "*" else case.src,
                 sport=base + n if chance or case.sport else None)
            for n in range(TRIES if chance else 1)]
    results = lab.connect_many(sender, plan, PATIENCE)
    if chance:
        want = {word.split("=")[0] for word in case.who.split("|")}
        got = {r.name or r.kind for r in results}
        return None if got == want else f"{case.line}: the kernel chose {got}"
    who, _, final = case.who.removeprefix("unknown:").removeprefix("state:").partition("@")
    real = results[0]
    if who in KERNEL:
        return None if real.kind in KERNEL[who] else f"{case.line}: {real}"
    addr = f"[{real.addr}]" if ":" in (real.addr or "") else real.addr
    if real.name != who or (final and final != f"{addr}:{real.port}"):
        return f"{case.line}: {real}"
    return None


# ---------------------------------------------------------------- the labs


def both(lab, ns, text, tool):
    """Loads a template in IPv4's words and in IPv6's."""
    for family, words in WORDS.items():
        rules = Template(text).safe_substitute(words)
        if tool == "nft":
            lab.nft(ns, rules)
        else:
            six = "6" if family == 6 else ""
            getattr(lab, f"ip{six}tables_{tool.removeprefix('iptables-')}")(ns, rules)


DNAT_XT = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d $lo -m addrtype --dst-type LOCAL -j DOCKER
-A DOCKER ! -i br0 -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
-A DOCKER ! -i br0 -p tcp -m tcp --dport 80 -j DNAT --to-destination $C1:8000
-A DOCKER -s $srcnet ! -i br0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination $C2:8080
-A DOCKER -p tcp -m tcp --sport 40000:40999 --dport 8443 -j DNAT --to-destination $C2:8080
-A DOCKER -p tcp -m tcp --dport 9443 -j DNAT --to-destination $Dead:443
-A DOCKER -p tcp -m tcp --dport 9444 -j DNAT --to-destination $C2:9444
COMMIT
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:UFW - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p $icmp -j ACCEPT
-A INPUT -p tcp -j UFW
-A UFW -p tcp -m multiport --dports 443,444,8080,8443 -j ACCEPT
-A UFW -p tcp -m tcp --dport 445 -j REJECT --reject-with tcp-reset
-A UFW -p tcp -m tcp --dport 446 -j REJECT --reject-with $port
-A UFW -p tcp -m tcp --dport 447 -j ACCEPT
-A UFW -p tcp -m tcp --dport 449 -j DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p $icmp -j ACCEPT
-A FORWARD -i br0 ! -o br0 -j ACCEPT
-A FORWARD -d $c1/$len -o br0 -p tcp -m tcp --dport 8000:8443 -j ACCEPT
-A FORWARD -d $c2/$len -o br0 -p tcp -m multiport --dports 8080,8081 -j ACCEPT
-A FORWARD -o br0 -p tcp -m tcp --dport 443 -j ACCEPT
COMMIT
"""

DNAT_NFT = """table $ip edge {
chain docker {
iifname != "br0" tcp dport 443 dnat to $C1:8443
iifname != "br0" tcp dport 80 dnat to $C1:8000
$ip saddr $srcnet iifname != "br0" tcp dport 8080 dnat to $C2:8080
tcp sport 40000-40999 tcp dport 8443 dnat to $C2:8080
tcp dport 9443 dnat to $Dead:443
tcp dport 9444 dnat to $C2:9444
}
chain pre {
type nat hook prerouting priority dstnat;
fib daddr type local jump docker
}
chain out {
type nat hook output priority -100;
$ip daddr != $lo fib daddr type local jump docker;
}
chain ufw {
tcp dport { 443, 444, 8080, 8443 } accept
tcp dport 445 reject with tcp reset
tcp dport 446 reject
tcp dport 447 accept
tcp dport 449 drop
}
chain in {
type filter hook input priority filter; policy drop;
iif lo accept
ct state established,related accept
meta l4proto $icmp accept
meta l4proto tcp jump ufw
}
chain forward {
type filter hook forward priority filter; policy drop;
ct state established,related accept
meta l4proto $icmp accept
iifname "br0" oifname != "br0" accept
$ip daddr $c1 oifname "br0" tcp dport 8000-8443 accept
$ip daddr $c2 oifname "br0" tcp dport { 8080, 8081 } accept
oifname "br0" tcp dport 443 accept
}
}
"""


def dnat(tool):
    def build(lab):
        lab.listen("host", "::", [443, 444, 445, 446, 448, 449, 8080, 8443], name="web")
        lab.listen("c1", "::", 8443, name="traefik")
        lab.listen("c2", "::", [8080, 9444], name="api")
        both(lab, "host", DNAT_NFT if tool == "nft" else DNAT_XT, tool)
    return build


MAPS = """table $ip maps {
set friends { type $addr; flags interval; elements = { $srcnet, $src3 }; }
set pairs { type $addr . inet_service; flags interval; elements = { $srcnet . 81-82 }; }
map targets { type inet_service : $addr . inet_service;
elements = { 443 : $c1 . 8443, 444 : $c2 . 8080 }; }
map bysource { type $addr : verdict; flags interval;
elements = { $src1 : goto one, $src2 : goto two, $src3 : drop }; }
map services { type $addr . inet_proto . inet_service : verdict;
elements = { $host . tcp . 8443 : goto one, $host . tcp . 8444 : goto two }; }
chain one { meta l4proto tcp dnat to $C1:8443; }
chain two { meta l4proto tcp dnat to $C2:8080; }
chain pre {
type nat hook prerouting priority dstnat;
$ip daddr . meta l4proto . th dport vmap @services
tcp dport 80 $ip saddr vmap @bysource
tcp dport { 443, 444 } dnat to tcp dport map @targets
$ip saddr . tcp dport @pairs dnat to $C1:8443
tcp dport 8080 dnat to $ip saddr map { $srcnet : $c2, $src3 : $c2 }
tcp dport 8081 tcp sport vmap { 1024-1999 : goto one, 2000-2999 : goto two }
}
chain high { tcp dport 85 drop; }
chain in {
type filter hook input priority filter;
tcp dport 83 $ip saddr @friends accept
tcp dport vmap { 83 : drop, 84 : jump high, 85 : goto high }
tcp dport 86 $ip saddr & $mask == $masked reject with tcp reset
tcp dport 87 $ip saddr & $holes == $holed reject with tcp reset
}
}
"""


def maps(lab):
    lab.listen("host", "::", [80, 81, 82, 83, 84, 85, 86, 87, 8080, 8081], name="web")
    lab.listen("c1", "::", 8443, name="one")
    lab.listen("c2", "::", 8080, name="two")
    both(lab, "host", MAPS, "nft")


CHANCE_XT = """*nat
:SVC - [0:0]
:SEP1 - [0:0]
:SEP2 - [0:0]
-A PREROUTING -p tcp -m tcp --dport 443 -m statistic --mode random --probability 0.25 -j DNAT --to-destination $C1:8443
-A PREROUTING -p tcp -m tcp --dport 443 -j DNAT --to-destination $C2:8080
-A PREROUTING -p tcp -m tcp --dport 80 -j SVC
-A SVC -s $srcnet -j RETURN
-A SVC -m statistic --mode random --probability 0.33333333349 -j SEP1
-A SVC -m statistic --mode random --probability 0.5 -j SEP2
-A SEP1 -p tcp -j DNAT --to-destination $C1:8443
-A SEP2 -p tcp -j DNAT --to-destination $C2:8080
-A PREROUTING -p tcp -m tcp --dport 8443 -m statistic --mode nth --every 2 --packet 0 -j DNAT --to-destination $C1:8443
COMMIT
"""

CHANCE_NFT = """table $ip chance {
chain one { meta l4proto tcp dnat to $C1:8443; }
chain two { meta l4proto tcp dnat to $C2:8080; }
chain pre {
type nat hook prerouting priority -90;
tcp dport 8080 numgen random mod 10 vmap { 0-3 : goto one, 4-9 : goto two }
tcp dport 8081 numgen inc mod 2 vmap { 0 : goto one, 1 : goto two }
tcp dport 8082 tcp sport < 30000 numgen random mod 4 < 1 goto one
tcp dport 8083 numgen random mod 2 < 1 $ip saddr != $srcnet goto one
}
}
"""


def chance(lab):
    lab.listen("host", "::", [80, 443, 8080, 8081, 8082, 8083, 8443], name="web")
    lab.listen("c1", "::", 8443, name="one")
    lab.listen("c2", "::", 8080, name="two")
    both(lab, "host", CHANCE_XT, "iptables-legacy")
    both(lab, "host", CHANCE_NFT, "nft")


SOURCES_XT = """*raw
-A PREROUTING -s $src3 -p tcp -m tcp --dport 80 -j DROP
COMMIT
*mangle
-A PREROUTING -s $src2 -p tcp -m tcp --dport 443 -j MARK --set-mark 0x7
COMMIT
*nat
-A PREROUTING -p tcp -m tcp --dport 443 -m mark --mark 0x7 -j DNAT --to-destination $C2:8080
-A PREROUTING -s $srcnet -p tcp -m tcp --dport 443 -j DNAT --to-destination $C1:8443
-A PREROUTING -p tcp -m tcp --dport 80 -m iprange --src-range $src1-$src2 -j DNAT --to-destination $C1:8443
-A PREROUTING ! -s $wide -p tcp -m tcp --dport 80 -j DNAT --to-destination $C2:8080
-A PREROUTING -p tcp -m tcp --dport 8080 -m multiport --sports 1000:1999,3000 -j DNAT --to-destination $C1:8443
-A PREROUTING -p tcp -m tcp ! --sport 1024:65535 --dport 8081 -j DNAT --to-destination $C2:8080
COMMIT
*filter
-A INPUT -s $srcnet -p tcp -m tcp --dport 8080 -j REJECT --reject-with tcp-reset
-A INPUT ! -s $srcnet -p tcp -m tcp --sport 50000:50999 --dport 8080 -j DROP
COMMIT
"""


def sources(lab):
    lab.listen("host", "::", [80, 443, 8080, 8081], name="web")
    lab.listen("c1", "::", 8443, name="one")
    lab.listen("c2", "::", 8080, name="two")
    both(lab, "host", SOURCES_XT, "iptables-nft")


HOPS_XT = """*nat
-A PREROUTING -p tcp -m multiport --dports 443,444 -m addrtype --dst-type LOCAL -j DNAT --to-destination $c1
-A PREROUTING -p tcp -m tcp --dport 80 -j DNAT --to-destination $C1:8080
-A PREROUTING -p tcp -m tcp --dport 81 -j DNAT --to-destination $C1:8081
-A PREROUTING -p tcp -m tcp --dport 82 -j REDIRECT --to-ports 8082
-A OUTPUT -d $host -p tcp -m tcp --dport 443 -j DNAT --to-destination $c1
-A POSTROUTING -o br0 -p tcp -m tcp --dport 443 -j MASQUERADE
COMMIT
"""

HOPS_C1 = """table $ip mesh {
chain pre {
type nat hook prerouting priority dstnat;
tcp dport 8080 dnat to $C2:9080
tcp dport 8081 dnat to $Br:8083
}
chain post { type nat hook postrouting priority srcnat; tcp dport { 9080, 8083 } masquerade; }
chain in {
type filter hook input priority filter;
tcp dport { 443, 444 } $ip saddr != $br drop
}
}
"""


def hops(lab):
    lab.listen("host", "::", [80, 443, 444, 8082, 8083], name="web")
    lab.listen("c1", "::", [443, 444], name="one")
    lab.listen("c2", "::", 9080, name="two")
    both(lab, "host", HOPS_XT, "iptables-legacy")
    both(lab, "c1", HOPS_C1, "nft")


TPROXY_XT = """*mangle
-A PREROUTING -p tcp -m tcp --dport 443 -j TPROXY --on-port 15001 --on-ip $any --tproxy-mark 0x1/0x1
COMMIT
"""

TPROXY_NFT = """table $ip transparent {
chain pre {
type filter hook prerouting priority -140;
tcp dport 80 tproxy to :15001 meta mark set 1
$ip saddr $srcnet tcp dport 8080 tproxy to :15001 meta mark set 1
}
}
"""


def tproxy(lab):
    lab.listen("host", "::", [80, 443, 444, 8080], name="web")
    lab.listen("host", "::", 15001, name="proxy", transparent=True)
    for six, words in (("", WORDS[4]), ("-6 ", WORDS[6])):
        lab.run("cl", f"ip {six}route add {words['vip']} via {words['host']}".split())
        lab.run("host", f"ip {six}rule add fwmark 0x1/0x1 lookup 100".split())
        lab.run("host", f"ip {six}route add local default dev lo table 100".split())
    both(lab, "host", TPROXY_XT, "iptables-legacy")
    both(lab, "host", TPROXY_NFT, "nft")


LIMITS_XT = """*filter
-A INPUT -p tcp -m tcp --dport 443 -m limit --limit 1000/sec -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -m limit --limit 1000/sec -j ACCEPT
-A INPUT -p tcp -m tcp --dport 80 -j DROP
-A INPUT -s $srcnet -p tcp -m tcp --dport 81 -m limit --limit 1000/sec -j ACCEPT
-A INPUT -s $srcnet -p tcp -m tcp --dport 81 -j REJECT --reject-with tcp-reset
COMMIT
"""

LIMITS_NFT = """table $ip limits {
chain pre {
type nat hook prerouting priority dstnat;
tcp dport 8443 limit rate 1000/second dnat to $C1:8443
tcp dport 8444 limit rate 1000/second counter
}
chain in {
type filter hook input priority filter;
tcp dport 444 limit rate 1000/second accept
tcp dport 8080 limit rate over 1000/second drop
tcp dport 8081 $ip $ttl 1-255 accept
}
}
"""


def limits(lab):
    lab.listen("host", "::", [80, 81, 443, 444, 8080, 8081, 8443, 8444], name="web")
    lab.listen("c1", "::", 8443, name="one")
    both(lab, "host", LIMITS_XT, "iptables-legacy")
    both(lab, "host", LIMITS_NFT, "nft")


IPVS = """-A -t $Host:443 -s wrr
-a -t $Host:443 -r $C1:8443 -m -w 3
-a -t $Host:443 -r $C2:8080 -m -w 1
-A -t $Host:80 -s rr
-a -t $Host:80 -r $Host:8080 -m
-A -t $Host:81 -s rr -p 60
-a -t $Host:81 -r $C1:81 -g
-A -t $Host:82 -s rr
-A -t $Host:8444 -s sh -b sh-port
-a -t $Host:8444 -r $C1:8443 -m -w 2
-a -t $Host:8444 -r $C2:8080 -m -w 3
-A -t $Host:8446 -s lc
-a -t $Host:8446 -r $C1:8443 -m
-A -t $Host:8447 -s fo
-a -t $Host:8447 -r $C1:8443 -m -w 1
-a -t $Host:8447 -r $C2:8080 -m -w 2
-A -f 7$six -s rr
-a -f 7$six -r $C2:8080 -m
"""

IPVS_NFT = """table $ip ipvs {
chain pre {
type filter hook prerouting priority mangle;
$ip saddr $srcnet tcp dport { 443, 8445 } meta mark set 7
}
chain in {
type filter hook input priority filter;
tcp dport 8446 drop
}
chain forward {
type filter hook forward priority filter;
tcp dport 8443 drop
}
chain out {
type filter hook output priority filter;
tcp dport 8080 $ip saddr $src3 drop
}
}
"""


def ipvs(lab):
    """Of a kernel that has IPVS: tests/vm/run.py --results DIR --command 'modprobe ip_vs &&
    tests/unit/data/snapshots/make.py ipvs && cp tests/unit/data/snapshots/ipvs.json /job/results'"""
    lab.listen("host", "::", [81, 82, 444, 8080, 8445], name="web")
    lab.listen("c1", "::", [81, 8443], name="one")
    lab.listen("c2", "::", 8080, name="two")
    for family, words in WORDS.items():
        rules = Template(IPVS).safe_substitute(words, six=" -6" if family == 6 else "")
        lab.run("host", ["ipvsadm", "--restore"], rules)
        lab.ip("c1", f"addr add {words['host']}/{words['len']} dev lo")
    lab.sysctl("host", "net.ipv4.conf.all.accept_local", 1)
    lab.sysctl("host", "net.ipv4.vs.conntrack", 1)
    both(lab, "host", IPVS_NFT, "nft")


# name: (cases, what builds it)
SNAPSHOTS = {
    "dnat-nft": ("dnat", dnat("nft")),
    "dnat-iptables-nft": ("dnat", dnat("iptables-nft")),
    "dnat-iptables-legacy": ("dnat", dnat("iptables-legacy")),
    "maps": ("maps", maps),
    "chance": ("chance", chance),
    "sources": ("sources", sources),
    "hops": ("hops", hops),
    "tproxy": ("tproxy", tproxy),
    "limits": ("limits", limits),
    "ipvs": ("ipvs", ipvs),
}


def capture(name):
    cases, build = SNAPSHOTS[name]
    with Lab() as lab:
        edge_topology(lab)
        build(lab)
        text = subprocess.run([TOOL, "--netns", *map(lab.name, ("host", "c1", "c2"))], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        wrong = [check_case(lab, case) for case in read_cases(cases)]
    wrong = [w for w in wrong if w]
    if wrong:
        print(f"{name}: the kernel does not agree, nothing is written", *wrong, sep="\n    ",
              file=sys.stderr)
        return False
    path = os.path.join(HERE, name + ".json")
    with open(path + ".new", "w") as out:
        out.write(text)
    shutil.move(path + ".new", path)
    print(f"{name}: {len(text)} bytes")
    return True


def main(names):
    unknown = [n for n in names if n not in SNAPSHOTS]
    if unknown:
        sys.exit(f"make.py: no snapshot {unknown[0]}; there are: {' '.join(SNAPSHOTS)}")
    return 0 if all([capture(n) for n in names or SNAPSHOTS]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules that remember packets: edgepath's answer before each connection, and what becomes of it.

Each test loads rules and makes connections one after another. Before each, edgepath is asked about it
(and about every source at once); `firm` connections must have one answer, the right one, and open
ones one for each state of the host, of which the connection must meet one.
"""

import ipaddress
import subprocess
import sys
import time

import pytest

from netlab import disagreement, have_edgepath

PORT = 443
QUICK = 0.3

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

HOLD = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3, (sys.argv[3], int(sys.argv[4])))
print("open", flush=True)
sys.stdin.read()
"""


class State:
    """A host with rules and a listener, seen from one family."""

    def __init__(self, lab, edge, family):
        self.lab, self.edge, self.family, self.sport = lab, edge, family, 41000
        self.web = lab.listen("host", "::" if family == 6 else "0.0.0.0", [PORT, 1000], name="web")
        self.sources = (edge.client(family), *edge.more_sources[family])

    def words(self, text):
        six = self.family == 6
        names = {"ip": "ip6" if six else "ip", "addr": "ipv6_addr" if six else "ipv4_addr",
                 "any": "::/0" if six else "0.0.0.0/0"}
        names.update({f"src{n}": src for n, src in enumerate(self.sources)})
        for name in sorted(names, key=len, reverse=True):
            text = text.replace(f"${name}", names[name])
        return text

    def nft(self, *rules, more="", hook="input"):
        self.lab.nft("host", self.words(
            f"table {'ip6' if self.family == 6 else 'ip'} t {{\n{more}\nchain c {{\n"
            f"type filter hook {hook} priority 0;\ntcp flags & (syn|ack) != syn accept\n"
            + "\n".join(rules) + "\n}\n}\n"))

    def xt(self, backend, *rules):
        six = "6" if self.family == 6 else ""
        body = "\n".join(f"-A INPUT {rule}" for rule in (
            "-p tcp -m tcp ! --syn -j ACCEPT", "! -p tcp -j ACCEPT", *rules))
        getattr(self.lab, f"ip{six}tables_{backend.split('-')[1]}")(
            "host", self.words(f"*filter\n{body}\nCOMMIT\n"))

    def ask(self, src, port=PORT, sport=None):
        return self.lab.path("host", self.edge.host(self.family), port, src, sport)

    def fate(self, outcome):
        assert outcome["verdict"] in ("delivered", "dropped"), outcome
        return outcome["verdict"]

    def meets(self, expect, n=0, firm=True, port=PORT, words=None):
        """One connection from source n: expect is what the kernel shall do with it."""
        src, self.sport = self.sources[n], self.sport + 1
        run, opened = self.ask(src, port, self.sport), self.ask(None, port)
        real = self.lab.connect("cl", self.edge.host(self.family), port, src, self.sport, QUICK)
        seen = {"delivered": "delivered", "timeout": "dropped"}.get(real.kind, real.kind)
        assert seen == expect, f"the kernel: {real}"
        assert run.code == 0, run.stderr or run.stdout
        covering = [o for o in opened.outcomes
                    if any(ipaddress.ip_address(src) in ipaddress.ip_network(p) for p in o["saddr"])]
        for outcomes, what in ((run.outcomes, "asked"), (covering, "asked with the source open")):
            fates = [self.fate(o) for o in outcomes]
            if firm:
                assert fates == [expect], f"{what}: {outcomes}"
                assert not outcomes[0].get("state"), outcomes
            else:
                assert len(fates) > 1 and expect in fates, f"{what}: {outcomes}"
                assert all(o.get("state") for o in outcomes), outcomes
            if what == "asked" and expect == "delivered":
                held = next(o for o in outcomes if o["verdict"] == "delivered")
                assert disagreement(held, real, ()) is None
        if words:
            told = [w for o in run.outcomes for w in (o.get("state") or []) + (o.get("as_of_now") or [])]
            assert any(words in w for w in told), told
        return run

    def hold(self, n=0):
        """A connection that stays open until the test ends."""
        self.sport += 1
        child = self.lab.spawn("cl", [sys.executable, "-c", HOLD, self.edge.host(self.family),
                                      str(PORT), self.sources[n], str(self.sport)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "open\n"


@pytest.fixture(params=[4, 6], ids=["v4", "v6"])
def host(request, lab, edge):
    return State(lab, edge, request.param)


both = pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy"])


# ---- nft ----


def test_quota_until_it_is_used_up(host):
    host.nft("tcp dport 443 quota over 250 bytes drop")
    used, syn, short, long = (0, 80, 72, 100) if host.family == 6 else (0, 60, 52, 80)
    while 250 - used >= syn:
        left = 250 - used
        host.meets("delivered", firm=left >= long or left < short, words=f"{used} of 250 bytes used")
        used += syn
    host.meets("dropped")
    host.meets("dropped")


def test_a_large_quota_is_firm(host):
    host.nft("tcp dport 443 quota until 100 mbytes accept", "tcp dport 443 drop")
    host.meets("delivered", words="of 104857600 bytes used")
    host.meets("delivered")


def test_quota_objects_of_a_map(host):
    host.nft("quota name $ip saddr map @quotas drop",
             more="quota full { over 10 bytes }\nquota wide { over 100 mbytes }\n"
             "map quotas { type $addr : quota; elements = { $src0 : \"full\", $src1 : \"wide\" }; }")
    host.meets("dropped")
    host.meets("delivered", 1)
    host.meets("delivered", 2)


def test_limit_has_two_outcomes(host):
    host.nft("tcp dport 443 limit rate over 1/hour burst 2 packets drop")
    for expect in ("delivered", "delivered", "dropped", "dropped"):
        host.meets(expect, firm=False, words="limit rate 1/hour of")


def test_limits_that_hang_on_nothing(host):
    host.nft("tcp dport 443 limit rate 10 bytes/second burst 5 bytes accept",
             "tcp dport 1000 limit rate over 10 bytes/second burst 5 bytes accept", "drop")
    host.meets("dropped")
    host.meets("delivered", port=1000)


def test_the_same_limit_asked_twice(host):
    """The second consultation finds what the first one left."""
    host.nft("tcp dport 443 limit name \"one\" counter", "tcp dport 443 limit name \"one\" drop",
             more="limit one { rate 1/hour burst 1 packets }")
    host.meets("delivered")
    host.meets("delivered")


def test_limit_of_each_source(host):
    host.nft("tcp dport 443 update @seen { $ip saddr limit rate over 1/hour burst 1 packets } drop",
             more="set seen { type $addr; size 99; flags dynamic,timeout; timeout 1h; }")
    host.meets("delivered")
    host.meets("dropped", firm=False, words="limit rate 1/hour of the client's element of set seen")
    host.meets("delivered", 1)
    host.meets("delivered", 2)


def test_quota_of_each_source(host):
    host.nft("tcp dport 443 add @seen { $ip saddr quota over 90 bytes } drop",
             more="set seen { type $addr; size 99; flags dynamic; }")
    for n in (0, 1):  # a SYN of IPv6 has 72 to 100 bytes
        host.meets("delivered", n, firm=host.family == 4)
        host.meets("dropped", n)


def test_connections_of_each_source(host):
    host.nft("tcp dport 443 add @seen { $ip saddr ct count over 1 } drop",
             more="set seen { type $addr; size 99; flags dynamic; }")
    host.hold()
    host.meets("dropped", firm=False, words="connections counted by ct count")
    host.meets("delivered", 1)


def test_ct_count_of_a_rule(host):
    host.nft("tcp dport 443 ct count over 1 drop", "tcp dport 1000 ct count over 100000 drop")
    host.hold()
    host.meets("dropped", firm=False)
    host.meets("delivered", port=1000, words="connections")


def test_a_set_that_the_packet_itself_enters(host):
    host.nft("tcp dport 443 add @seen { $ip saddr }", "tcp dport 443 $ip saddr @seen drop",
             more="set seen { type $addr; size 99; flags dynamic; }")
    host.meets("dropped")
    host.meets("dropped", 1)


def test_a_set_that_earlier_packets_entered(host):
    host.nft("tcp dport 443 $ip saddr @seen drop", "tcp dport 443 add @seen { $ip saddr }",
             more="set seen { type $addr; size 99; flags dynamic; }")
    host.meets("delivered", words="set seen as it is now: 0 elements")
    host.meets("dropped", words="set seen as it is now: 1 element")
    host.meets("delivered", 1)


def test_a_set_that_is_full(host):
    host.nft("tcp dport 443 add @seen { $ip saddr } accept", "tcp dport 443 drop",
             more="set seen { type $addr; size 2; flags dynamic; }")
    host.meets("delivered")
    host.meets("delivered", 1)
    host.meets("dropped", 2)
    host.meets("delivered", 1)


def test_the_packet_leaves_a_set(host):
    host.nft("tcp dport 443 delete @seen { $ip saddr }", "tcp dport 443 $ip saddr @seen drop",
             more="set seen { type $addr; size 9; flags dynamic; elements = { $src0, $src1 }; }")
    host.meets("delivered")
    host.meets("delivered", 1)


def test_elements_with_a_timeout(host):
    host.nft("tcp dport 443 $ip saddr @foes drop",
             more="set foes { type $addr; flags timeout; elements = { $src1 timeout 1h }; }")
    host.meets("dropped", 1, words="set foes as it is now")
    host.meets("delivered")


def test_elements_with_a_state_of_their_own(host):
    try:
        host.nft("tcp dport 443 $ip saddr @foes drop",
                 more="set foes { type $addr; flags dynamic; "
                 "elements = { $src1 quota over 10 bytes, $src2 quota over 100 mbytes, "
                 "$src3 limit rate over 1/hour burst 1 packets }; }")
    except Exception as error:
        try:
            host.nft("tcp dport 443 $ip saddr @foes drop",
                     more="set foes { type $addr; quota over 10 bytes; flags dynamic; "
                     "elements = { $src1 quota over 10 bytes, $src2 quota over 100 mbytes }; }")
        except Exception:
            pytest.skip(f"this nft or kernel has none: {error}"[:200])
    host.meets("dropped", 1)
    host.meets("delivered", 2)
    host.meets("delivered")


def test_the_clock_of_nft(host):
    host.nft('tcp dport 443 meta time > "2024-01-01 00:00:00" meta time < "2100-01-01 00:00:00" accept',
             'tcp dport 1000 meta day { 0, 1, 2, 3, 4, 5, 6 } meta hour >= "00:00" accept', "drop")
    host.meets("delivered", words="UTC")
    host.meets("delivered", port=1000)


def test_the_day_of_the_week(host):
    today = time.gmtime().tm_wday  # Monday is 0; nft's Sunday is 0
    if time.gmtime().tm_hour == 23 and time.gmtime().tm_min > 57:
        pytest.skip("it is almost midnight")
    host.nft(f"tcp dport 443 meta day {(today + 1) % 7} drop",
             f"tcp dport 1000 meta day {(today + 2) % 7} drop")
    host.meets("dropped")
    host.meets("delivered", port=1000)


def test_counters_of_a_new_connection(host):
    host.nft("tcp dport 443 ct packets 1 ct reply packets 0 accept",
             "tcp dport 1000 ct bytes > 0 ct reply bytes 0 accept", "drop")
    host.meets("delivered")
    host.meets("delivered", port=1000)


# ---- xtables ----


@both
def test_recent_attempts(host, backend):
    """The usual rules against password guessing: the fourth attempt within a minute is dropped."""
    host.xt(backend, "-p tcp -m tcp --dport 443 -m recent --set --name SSH --rsource",
            "-p tcp -m tcp --dport 443 -m recent --update --seconds 60 --hitcount 4 --name SSH "
            "--rsource -j DROP")
    for expect in ("delivered", "delivered", "delivered", "dropped", "dropped"):
        host.meets(expect, words="recent list SSH as it is now")
    host.meets("delivered", 1)


@both
def test_recent_as_a_knock(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 1000 -m recent --set --name KNOCK --rsource -j ACCEPT",
            "-p tcp -m tcp --dport 443 -m recent --rcheck --seconds 300 --name KNOCK --rsource "
            "-j ACCEPT", "-p tcp -m tcp --dport 443 -j DROP")
    host.meets("dropped")
    host.meets("delivered", port=1000)
    host.meets("delivered")
    host.meets("dropped", 1)


@both
def test_recent_entries_age(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 1000 -m recent --set --name OLD --rsource -j ACCEPT",
            "-p tcp -m tcp --dport 443 -m recent --rcheck --seconds 1 --name OLD --rsource -j DROP")
    host.meets("delivered", port=1000)
    host.meets("dropped")
    deadline = time.monotonic() + 10
    while "dropped" in [o["verdict"] for o in host.ask(host.sources[0]).outcomes]:
        assert time.monotonic() < deadline, "the entry does not get old"
    host.meets("delivered")


@both
def test_recent_entry_taken_away(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 1000 -m recent --set --name ONCE --rsource -j ACCEPT",
            "-p tcp -m tcp --dport 443 -m recent --remove --name ONCE --rsource -j ACCEPT",
            "-p tcp -m tcp --dport 443 -m recent ! --rcheck --name ONCE --rsource -j DROP")
    host.meets("dropped")
    host.meets("delivered", port=1000)
    host.meets("delivered")
    host.meets("dropped")


@both
def test_recent_of_a_network(host, backend):
    mask = "ffff:ffff:ffff:ffff::" if host.family == 6 else "255.255.255.0"
    host.xt(backend, f"-p tcp -m tcp --dport 1000 -m recent --set --name NET --mask {mask} --rsource -j ACCEPT",
            f"-p tcp -m tcp --dport 443 -m recent --rcheck --name NET --mask {mask} --rsource -j DROP")
    host.meets("delivered", 1, port=1000)
    host.meets("dropped", 1)
    host.meets("dropped", 2)  # of the same network
    host.meets("delivered", 3)
    host.meets("delivered")


@both
def test_hashlimit_of_each_source(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m hashlimit --hashlimit-above 1/hour "
            "--hashlimit-burst 2 --hashlimit-mode srcip --hashlimit-name web -j DROP")
    for expect in ("delivered", "delivered", "dropped", "dropped"):
        host.meets(expect, words="hashlimit web as it is now")
    host.meets("delivered", 1)


@both
def test_hashlimit_of_networks_and_ports(host, backend):
    host.xt(backend, "-p tcp -m hashlimit --hashlimit-upto 1/hour --hashlimit-burst 1 "
            "--hashlimit-mode srcip,dstip,dstport --hashlimit-srcmask "
            f"{64 if host.family == 6 else 24} --hashlimit-name nets -j ACCEPT", "-p tcp -j DROP")
    host.meets("delivered", 1)
    host.meets("dropped", 2)
    host.meets("delivered", 2, port=1000)
    host.meets("dropped", 1, port=1000)
    host.meets("delivered", 3)


@both
def test_hashlimit_in_bytes(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m hashlimit --hashlimit-above 10mb/s "
            "--hashlimit-mode srcip --hashlimit-name bytes -j DROP")
    host.meets("delivered")
    host.meets("delivered", firm=False)
    host.meets("delivered", 1)


@both
def test_xt_limit_has_two_outcomes(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m limit --limit 1/hour --limit-burst 2 -j ACCEPT",
            "-p tcp -m tcp --dport 443 -j DROP")
    for expect in ("delivered", "delivered", "dropped"):
        host.meets(expect, firm=False, words="1/hour")


@both
def test_xt_quota(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m quota --quota 100 -j ACCEPT",
            "-p tcp -m tcp --dport 1000 -m quota --quota 10 -j ACCEPT", "-p tcp -j DROP")
    host.meets("delivered", firm=False)
    host.meets("dropped", firm=False)
    host.meets("dropped", port=1000)


@both
def test_xt_connlimit(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m connlimit --connlimit-above 1 -j DROP")
    host.hold()
    host.meets("dropped", firm=False, words="connections counted by")
    host.meets("delivered", 1, words="connections")


@both
def test_xt_connlimit_of_everybody(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m connlimit --connlimit-upto 1 --connlimit-mask 0 -j ACCEPT",
            "-p tcp -m tcp --dport 1000 -m connlimit --connlimit-above 0 -j ACCEPT",
            "-p tcp -j DROP")
    host.hold()
    host.meets("dropped", firm=False)
    host.meets("dropped", 1, firm=False)
    host.meets("delivered", 1, port=1000)


@both
def test_xt_time(host, backend):
    now = int(time.time())
    if now % 86400 < 400 or now % 86400 > 86000:
        pytest.skip("it is almost midnight")

    def clock(seconds):
        return time.strftime("%H:%M:%S", time.gmtime(now + seconds))

    host.xt(backend, f"-p tcp -m tcp --dport 443 -m time --timestart {clock(-300)} "
            f"--timestop {clock(300)} -j DROP",
            f"-p tcp -m tcp --dport 1000 -m time --timestart {clock(300)} "
            f"--timestop {clock(-300)} -j DROP")
    host.meets("dropped", words="UTC")
    host.meets("delivered", port=1000)


@both
def test_xt_time_of_days(host, backend):
    now = time.gmtime()
    if now.tm_hour == 23 and now.tm_min > 57:
        pytest.skip("it is almost midnight")
    today, other = now.tm_wday + 1, (now.tm_wday + 1) % 7 + 1  # iptables' Monday is 1
    host.xt(backend, f"-p tcp -m tcp --dport 443 -m time --weekdays {today} --monthdays {now.tm_mday} "
            "--datestart 2024-01-01T00:00:00 -j DROP",
            f"-p tcp -m tcp --dport 1000 -m time --weekdays {other} -j DROP")
    host.meets("dropped")
    host.meets("delivered", port=1000)


@both
def test_xt_cpu(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m cpu --cpu 4000 -j DROP",
            "-p tcp -m tcp --dport 1000 -m cpu ! --cpu 4000 -j DROP")
    host.meets("delivered")
    host.meets("dropped", port=1000)


@both
def test_xt_nth(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m statistic --mode nth --every 1 --packet 0 -j DROP")
    host.meets("dropped")


@both
def test_xt_cluster(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m cluster --cluster-total-nodes 2 --cluster-local-node 1 "
            "--cluster-hash-seed 0xdeadbeef -j DROP")
    for src in host.sources:
        host.sport += 1
        run = host.ask(src, PORT, host.sport)
        real = host.lab.connect("cl", host.edge.host(host.family), PORT, src, host.sport, QUICK)
        assert [o["verdict"] for o in run.outcomes] == \
            ["dropped" if real.kind == "timeout" else real.kind], src


@both
def test_xt_labels(host, backend):
    host.xt(backend, "-p tcp -m tcp --dport 443 -m connlabel --label 33 --set",
            "-p tcp -m tcp --dport 443 -m connlabel --label 33 -j DROP",
            "-p tcp -m tcp --dport 1000 -m connlabel --label 33 -j DROP")
    host.meets("dropped")
    host.meets("delivered", port=1000)


def test_nft_labels(host):
    host.nft("tcp dport 443 ct label set 33", "tcp dport 443 ct label 33 drop",
             "tcp dport 1000 ct label 33 drop")
    host.meets("dropped")
    host.meets("delivered", port=1000)

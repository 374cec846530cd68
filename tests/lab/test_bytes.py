# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules on the packet's bytes and on sockets, queues and synproxy, against a real connect()."""

import sys

import pytest
import syn
from netlab import Lab, disagreement, have_edgepath
from scenario import World, listen

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

WEB = listen("web", 443)
PROXY_TIMEOUT = 5  # the proxy's window is 0 at first: the server's words wait for a probe

# What nfqueue's programs do first (uapi linux/netfilter/nfnetlink_queue.h): binds queue 7, then waits.
BIND_QUEUE = """
import signal, socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.bind((0, 0))
attr = struct.pack("=HHBBH", 8, 1, 1, 0, 0)
body = struct.pack(">BBH", 0, 0, 7) + attr
s.send(struct.pack("=IHHII", 16 + len(body), 3 << 8 | 2, 5, 1, 0) + body)
error = struct.unpack("=i", s.recv(4096)[16:20])[0]
print("ready" if not error else error, flush=True)
signal.pause()
"""


def ask(world, port=443, timeout=0.2):
    """Connects and asks: (what the kernel did, the outcomes that this kernel's SYN may have)."""
    dst, src = world.words["host"], world.words["client"]
    real = world.lab.connect("cl", dst, port, src=src, sport=40000 + port, timeout=timeout)
    run = world.lab.path("host", dst, port, src, 40000 + port)
    assert run.json, run.stderr
    outcomes = [o for o in run.outcomes if syn.possible(o, v6=world.family == 6)]
    assert len(outcomes) == 1, (str(real), [(o["verdict"], o["reason"], o["state"]) for o in run.outcomes])
    return real, outcomes


def check(world, port=443, **more):
    real, (outcome,) = ask(world, port, **more)
    assert outcome["verdict"] != "unknown", outcome["reason"]
    wrong = disagreement(outcome, real)
    assert wrong is None, f"{wrong}; {outcome['state']}"
    return real


XT4 = [  # (match, whether the SYN of this kernel meets it)
    ('-m u32 --u32 "0>>22&0x3C@0&0xFFFF=443"', True), ('-m u32 --u32 "0>>22&0x3C@12>>26&0x3C@0=0"', False),
    ('-m u32 --u32 "0&0xFFFF=60"', True), ('-m u32 ! --u32 "6&0xFF=6"', False),
    ("-m string --algo bm --string secret", False), ('-m string --algo kmp --hex-string "|01bb|" --from 20 --to 24', True),
    ('-m bpf --bytecode "5,177 0 0 0,72 0 0 2,21 0 1 443,6 0 0 65535,6 0 0 0"', True),
    ('-m bpf --bytecode "4,128 0 0 0,37 0 1 60,6 0 0 65535,6 0 0 0"', False),
    ("-m length --length 60", True), ("-m length --length 61:1500", False), ("-m ttl --ttl-lt 65", True),
    ("-m dscp --dscp 0", True), ("-m ecn --ecn-tcp-ece", False), ("-m tcpmss --mss 1461:9000", False),
    ("--tcp-option 8", True), ("--tcp-option 19", False), ("-m socket --nowildcard", True),
    ("-m socket", False), ("-m socket --nowildcard --transparent", False), ("-m realm --realm 3", False),
    ("-m policy --dir in --pol ipsec", False)]

NFT = [
    ("meta length { $len60 }", True), ("meta length > $len60", False), ("$ttl 64", True), ("$ip dscp cs1", False),
    ("tcp doff 10", True), ("@th,480,8 0", False), ("@ih,0,8 0", False),
    ("tcp flags == syn", True), ("tcp option maxseg size 1000-1460", True), ("tcp option timestamp missing", False),
    ("tcp option timestamp tsecr 0", True), ("tcp option sack-perm exists", True), ("tcp option fastopen exists", False),
    ("socket wildcard 1", True), ("socket mark 0", True), ("socket mark 5", False), ("socket transparent 1", False),
    ("rt classid 0", True), ("meta ipsec exists", False), ("meta iifkind veth", True),
    ("$ttl set 9 $ttl 9", True), ("$ip dscp set ef $ip dscp cs0", False), ("tcp window > 0", True)]


@pytest.fixture(scope="module", params=[4, 6])
def world(request):
    with Lab() as lab:
        w = World(lab, request.param)
        w.words.update({"len60": "80" if request.param == 6 else "60",
                        "ttl": "ip6 hoplimit" if request.param == 6 else "ip ttl"})
        w.listen(WEB)
        w.listen(listen("behind", 8443, "c1"))
        yield w


@pytest.fixture(autouse=True)
def no_rules(world):
    yield
    world.lab.flush("host")
    world.lab.flush_conntrack("host")


@pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy"])
@pytest.mark.parametrize("match, meets", XT4, ids=[m for m, _ in XT4])
@pytest.mark.parametrize("world", [4], indirect=True)  # the offsets are IPv4's
def test_xt_match(world, backend, match, meets):
    world.load(backend, f"*filter\n-A INPUT -p tcp --dport 443 --syn {match} -j DROP\nCOMMIT\n")
    assert (check(world).kind == "timeout") == meets


@pytest.mark.parametrize("match, meets", NFT, ids=[m for m, _ in NFT])
def test_nft_match(world, match, meets):
    world.load("nft", "table inet t { chain c { type filter hook input priority 0;\n"
                      f"tcp flags & (syn|ack) == syn tcp dport 443 {match} drop\n}}\n}}")
    assert (check(world).kind == "timeout") == meets


@pytest.mark.parametrize("backend", ["iptables-nft", "iptables-legacy"])
@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("reader", [False, True])
def test_queue(world, backend, bypass, reader):
    world.load(backend, "*filter\n-A INPUT -p tcp --dport 443 -j NFQUEUE --queue-num 7"
                        + " --queue-bypass" * bypass + "\nCOMMIT\n")
    if not reader:
        real = check(world)
        assert real.kind == ("delivered" if bypass else "timeout")
        return
    with_reader = world.lab.spawn("host", [sys.executable, "-c", BIND_QUEUE], stdout=-1, text=True)
    assert with_reader.stdout.readline() == "ready\n"
    try:
        real, (outcome,) = ask(world)
        assert real.kind == "timeout" and outcome["verdict"] == "unknown"
        assert outcome["reason"].startswith("queue 7: python3") and outcome["reason"].endswith(
            f"(pid {with_reader.pid}) decides"), outcome["reason"]
    finally:
        with_reader.kill()
        with_reader.wait()


def synproxy(world, backend, more=""):
    if backend == "nft":
        return ("table inet p { chain raw { type filter hook prerouting priority raw;\n"
                "tcp dport 443 tcp flags & (syn|ack) == syn notrack\n}\n"
                "chain in { type filter hook input priority 0;\ntcp dport 443 ct state invalid,untracked "
                f"synproxy mss 1460 wscale 7 timestamp sack-perm\nct state invalid drop\n}}\n{more}\n}}")
    return ("*raw\n-A PREROUTING -p tcp --dport 443 --syn -j CT --notrack\nCOMMIT\n"
            "*filter\n-A INPUT -p tcp --dport 443 -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY "
            "--sack-perm --timestamp --wscale 7 --mss 1460\n"
            f"-A INPUT -m conntrack --ctstate INVALID -j DROP\nCOMMIT\n{more}")


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_synproxy(world, backend):
    world.load(backend, synproxy(world, backend))
    world.lab.sysctl("host", "net.netfilter.nf_conntrack_tcp_loose", 0)
    real = check(world, timeout=PROXY_TIMEOUT)
    assert real.name == "web"


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_synproxy_needs_strict_tracking(world, backend):
    """Loose, the ACK begins a connection of its own and never gets to the proxy."""
    world.load(backend, synproxy(world, backend))
    world.lab.sysctl("host", "net.netfilter.nf_conntrack_tcp_loose", 1)
    real, (outcome,) = ask(world)
    assert outcome["verdict"] == "unknown" and "ACK" in outcome["reason"]
    assert real.name != "web"


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_synproxy_connects_by_the_rules_of_output(world, backend):
    """What the proxy sends goes by LOCAL_OUT: there a translation leads it into the container."""
    more = "chain o { type nat hook output priority -100;\ntcp dport 443 dnat $ip to $C1:8443\n}\n" \
        if backend == "nft" else "*nat\n-A OUTPUT -p tcp --dport 443 -j DNAT --to-destination $C1:8443\nCOMMIT\n"
    world.load(backend, synproxy(world, backend, more))
    world.lab.sysctl("host", "net.netfilter.nf_conntrack_tcp_loose", 0)
    real, (outcome,) = ask(world, timeout=PROXY_TIMEOUT)
    assert outcome["verdict"] == "delivered" and outcome["receiver"]["comm"] == "behind", outcome["reason"]
    assert disagreement(outcome, real) is None, str(real)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Real BPF programs of each kind in the way: what lets every packet pass is known to, and what may not
makes the answer unknown, by the program's name and id."""

import socket
import subprocess

import pytest

from bpflab import Cgroup, Missing, Programs
from netlab import agree
from test_proxies import need, wait_listening

XDP_SKB = 2


@pytest.fixture
def progs(lab, edge):
    try:
        return Programs(lab)
    except Missing as why:
        pytest.skip(str(why))


def cgroup(lab, *args):
    try:
        return Cgroup(lab, *args)
    except Missing as why:
        pytest.skip(str(why))


def compare(lab, edge, port=443, sport=40000, timeout=0.2):
    real = lab.connect("cl", edge.host4, port, src=edge.client4, sport=sport, timeout=timeout)
    return real, lab.path("host", edge.host4, port, edge.client4, sport)


def passes(lab, edge, **more):
    real, run = compare(lab, edge, **more)
    assert real.kind == "delivered", real
    assert agree(run, real) is None


def unknown(lab, edge, name, prog_id, kinds=("timeout",), **more):
    real, run = compare(lab, edge, **more)
    assert real.kind in kinds, real
    assert [o["verdict"] for o in run.outcomes] == ["unknown"], run.stdout
    assert name in run.outcomes[0]["reason"]
    if prog_id:
        assert f"id {prog_id})" in run.outcomes[0]["reason"]
    assert run.code == 3


def ifindex(lab, ns, dev):
    return int(lab.run(ns, ["ip", "-o", "link", "show", "dev", dev]).split(":")[0])


def at_device(progs, kind, name, dev="eth0", flags=0):
    lab, prog = progs.lab, progs.fd(name)
    index = ifindex(lab, "host", dev)
    try:
        return prog, progs.inside("host", lambda: progs.link(kind, prog, index, flags))
    except OSError as err:
        pytest.skip(f"no {kind} link here: {err}")


@pytest.mark.parametrize("kind, flags, good, bad", (
    ("xdp", XDP_SKB, ("xdp_pass", "xdp_count"), (("xdp_drop", ("timeout",)),
                                                ("xdp_write", ("timeout", "refused")))),
    ("tcx-ingress", 0, ("tc_pass", "tc_count"), (("tc_drop", ("timeout",)),
                                                 ("tc_mark", ("delivered",)))),
))
def test_at_a_device(lab, edge, progs, kind, flags, good, bad):
    lab.listen("host", "0.0.0.0", 443, name="web")
    for name in good:
        _, link = at_device(progs, kind, name, flags=flags)
        passes(lab, edge)
        progs.unlink(link)
    for name, kinds in bad:
        prog, link = at_device(progs, kind, name, flags=flags)
        unknown(lab, edge, name, progs.id(prog), kinds)
        progs.unlink(link)
    passes(lab, edge)


def test_classic_tc(lab, edge, progs):
    lab.listen("host", "0.0.0.0", 443, name="web")
    lab.run("host", ["tc", "qdisc", "add", "dev", "eth0", "clsact"])
    base = ["tc", "filter", "replace", "dev", "eth0", "ingress", "prio", "1", "handle", "1", "bpf"]
    for words in (["da", "pinned", progs.pin("tc_pass")], ["da", "pinned", progs.pin("tc_count")],
                  ["pinned", progs.pin("tc_pass")]):
        lab.run("host", base + words)
        passes(lab, edge)
        lab.run("host", ["tc", "filter", "del", "dev", "eth0", "ingress"])
    lab.run("host", base + ["da", "pinned", progs.pin("tc_drop")])
    unknown(lab, edge, "tc_drop", 0)


def test_tc_on_loopback(lab, edge, progs):
    """A local connection crosses lo, and the programs there."""
    lab.listen("host", "0.0.0.0", 443, name="web")
    prog, link = at_device(progs, "tcx-ingress", "tc_drop", "lo")
    real = lab.connect("host", edge.host4, 443)
    run = lab.path("host", edge.host4, 443, None, None, None, "--origin", "host")
    assert real.kind == "timeout"
    assert {o["verdict"] for o in run.outcomes} == {"unknown"}
    assert str(progs.id(prog)) in run.outcomes[0]["reason"]
    passes(lab, edge)


def test_sk_lookup(lab, edge, progs):
    lab.listen("host", "0.0.0.0", 443, name="web")

    def attach(name):
        prog = progs.fd(name)
        with open(lab.spaces["host"].path) as netns:
            return prog, progs.link("sk_lookup", prog, netns.fileno())

    def other():
        sock = socket.socket()
        sock.bind(("0.0.0.0", 9999))
        sock.listen(4)
        return sock
    _, link = attach("lookup_pass")
    passes(lab, edge)
    progs.unlink(link)
    with progs.inside("host", other) as sock:
        progs.choose(sock.fileno())
        prog, link = attach("lookup_steer")
        unknown(lab, edge, "lookup_steer", progs.id(prog), ("silent",))
        progs.unlink(link)
    passes(lab, edge)


def test_netfilter(lab, edge, progs):
    lab.listen("host", "0.0.0.0", 443, name="web")
    AF_INET, PREROUTING, LOCAL_IN, FORWARD = 2, 0, 1, 2

    def attach(ns, verdict, hook, pf=AF_INET):
        try:
            return progs.inside(ns, lambda: progs.netfilter(verdict, pf, hook, -500 + hook))
        except OSError as err:
            pytest.skip(f"no netfilter link here: {err}")
    _, link = attach("host", 1, LOCAL_IN)
    passes(lab, edge)
    progs.unlink(link)
    # Another namespace's program, another hook's and another family's are not in the way.
    for ns, hook, pf in (("c1", LOCAL_IN, 2), ("host", FORWARD, 2), ("host", LOCAL_IN, 10)):
        _, link = attach(ns, 0, hook, pf)
        passes(lab, edge)
        progs.unlink(link)
    prog, link = attach("host", 0, PREROUTING)
    unknown(lab, edge, "nf_verdict", progs.id(prog))
    progs.unlink(link)


def test_cgroup_ingress(lab, edge, progs):
    group = cgroup(lab)
    inner = cgroup(lab, "inner", group)
    inner.add(lab.spaces["host"].pid)
    lab.listen("host", "0.0.0.0", 443, name="web")
    for where in (inner, group):
        for name in ("in_pass", "in_count"):
            link = progs.link("cgroup-ingress", progs.fd(name), where.fd)
            passes(lab, edge)
            progs.unlink(link)
        prog = progs.fd("in_drop")
        link = progs.link("cgroup-ingress", prog, where.fd)
        unknown(lab, edge, "in_drop", 0)
        run = lab.path("host", edge.host4, 443, edge.client4, 40000)
        assert f"id {progs.id(prog)}) of cgroup {where.name} may" in run.outcomes[0]["reason"]
        # A listener that is in another group is not subject to it.
        passes_elsewhere(lab, edge, where)
        progs.unlink(link)
    # The group goes with the process that was in it when the socket was made.
    link = progs.link("cgroup-ingress", progs.fd("in_drop"), inner.fd)
    for pid in [x.pid for x in lab.listeners] + [lab.spaces["host"].pid]:
        with open(group.root + "/cgroup.procs", "w") as procs:
            procs.write(str(pid))
    unknown(lab, edge, "in_drop", 0)


def passes_elsewhere(lab, edge, where):
    lab.listen("c1", "0.0.0.0", 443, name="c1")
    lab.nft("host", "table ip n { chain p { type nat hook prerouting priority -100; "
                    f"tcp dport 8443 dnat to {edge.container(1, 4)}:443; }}\n}}")
    passes(lab, edge, port=8443, sport=40001)
    lab.nft("host", ["delete", "table", "ip", "n"])
    lab.stop(next(x for x in lab.listeners if x.ns == "c1"))


def test_a_proxys_cgroup(lab, edge, progs):
    """connect() and what is sent from a control group."""
    need("socat")
    group = cgroup(lab)
    lab.listen("c1", "0.0.0.0", 9443, name="c1")
    lab.listen("c1", "0.0.0.0", 9444, name="other")
    proxy = lab.spawn("host", ["sh", "-c", f"echo $$ >{group.path}/cgroup.procs && exec socat "
                               f"TCP4-LISTEN:443,fork,reuseaddr TCP4:{edge.container(1, 4)}:9443"])
    wait_listening(lab, "host", 443, proxy)
    passes(lab, edge, timeout=1)
    link = progs.link("cgroup-connect4", progs.fd("connect_pass"), group.fd)
    passes(lab, edge, timeout=1)
    progs.unlink(link)
    prog = progs.fd("connect_other")
    link = progs.link("cgroup-connect4", prog, group.fd)
    real, run = compare(lab, edge, timeout=1)
    assert (real.name, real.port) == ("other", 9444)
    assert [o["verdict"] for o in run.outcomes] == ["unknown"]
    assert f"id {progs.id(prog)}) of cgroup {group.name} may" in run.outcomes[0]["reason"]
    progs.unlink(link)
    passes(lab, edge, timeout=1)


SO_ATTACH_BPF, SO_ATTACH_FILTER, SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF = 50, 26, 51, 52

LISTEN = """
import os, socket, struct, sys, ctypes
port, option, value = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("0.0.0.0", port))
s.listen(16)
if option in (26, 51):
    code = ctypes.create_string_buffer(struct.pack("=HBBI", 6, 0, 0, int(value, 0)))
    arg = struct.pack("=HxxxxxxQ", 1, ctypes.addressof(code))
else:
    arg = struct.pack("=i", int(value))
if option:
    s.setsockopt(socket.SOL_SOCKET, option, arg)
print("ready", flush=True)
while True:
    conn, peer = s.accept()
    with conn:
        here = conn.getsockname()
        conn.sendall(f"{value} {os.getpid()} {here[0]} {here[1]} {peer[0]} {peer[1]}\\n".encode())
"""


def listen(lab, port, option=0, value="0", keep=()):
    child = lab.spawn("host", ["/usr/bin/python3", "-c", LISTEN, str(port), str(option),
                               str(value)], stdout=subprocess.PIPE, text=True, pass_fds=keep)
    assert child.stdout.readline() == "ready\n"
    return child


def test_socket_filters(lab, edge, progs):
    good, bad = progs.fd("filter_pass"), progs.fd("filter_drop")
    listen(lab, 443, SO_ATTACH_BPF, good, (good,))
    listen(lab, 444, SO_ATTACH_BPF, bad, (bad,))
    listen(lab, 445, SO_ATTACH_FILTER, 0)
    passes(lab, edge)
    unknown(lab, edge, "filter_drop", progs.id(bad), port=444)
    unknown(lab, edge, "socket-filter", 0, port=445)


def test_reuseport_programs(lab, edge, progs):
    # Whom a program picks is not known, where it can't be told from a hash.
    listen(lab, 443)
    listen(lab, 443, SO_ATTACH_REUSEPORT_CBPF, 1)
    unknown(lab, edge, "reuseport", 0, ("delivered",))
    listen(lab, 444)
    bad = progs.fd("pick_refuse")
    listen(lab, 444, SO_ATTACH_REUSEPORT_EBPF, bad, (bad,))
    unknown(lab, edge, "pick_refuse", progs.id(bad), ("refused",), port=444)
    # A program that picks none leaves it to the hash.
    good = progs.fd("pick_none")
    listen(lab, 446, SO_ATTACH_REUSEPORT_EBPF, good, (good,))
    passes(lab, edge, port=446)


def test_finding(lab, edge, progs):
    """check names the program, where it is attached, and how to look at it."""
    lab.listen("host", "0.0.0.0", 443, name="web")
    prog, _ = at_device(progs, "tcx-ingress", "tc_drop")
    run = lab.check("host", "443")
    found = [f for f in run.findings if f["id"] == "opaque-hook"]
    assert len(found) == 1
    text = " ".join(found[0]["evidence"])
    assert "tc_drop" in text and f"id {progs.id(prog)}" in text
    assert any(r["command"] == f"bpftool prog show id {progs.id(prog)}"
               for r in found[0]["remedies"])

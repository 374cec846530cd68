# SPDX-License-Identifier: GPL-2.0-or-later
"""`edgepath watch` where BPF is refused: conntrack's events and lists of sockets stand in."""

import os
import subprocess

import pytest

import netlab
from netlab import have_edgepath
from watching import Watch, held

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

DNAT = ("table ip n { chain p { type nat hook prerouting priority -100; "
        "ip daddr 198.51.100.1 tcp dport 443 dnat to 172.18.0.2:8443; "
        "tcp dport 8080 redirect to :8081; }; }")


def watching(lab, *args, **more):
    return Watch(lab, "host", "--source", "conntrack", *args, **more)


def settled(watch, number):
    """Until so many flows were told."""
    watch.wait(lambda _: len(watch.flows) >= number)


def test_translated(lab, edge):
    lab.listen("host", "::", [80, 8081], name="web")
    lab.listen("c1", "0.0.0.0", 8443, name="c1")
    lab.nft("host", DNAT)
    with watching(lab, code=0) as watch:
        real = {port: lab.connect("cl", edge.host4, port, sport=41000 + port)
                for port in (80, 443, 8080)}
        settled(watch, 3)
    assert {p: r.name for p, r in real.items()} == {80: "web", 443: "c1", 8080: "web"}
    for port, met in real.items():
        flow = watch.flow(edge.client4, 41000 + port)
        held(flow, met, edge.host4, port)
        assert flow["predicted"] is True and flow["synack_us"] is None
    assert watch.pieces[0]["source"] == "conntrack"
    assert watch.pieces[0]["lacks"] == "BPF was not asked for"


def test_two_translations(lab, edge):
    lab.listen("c2", "0.0.0.0", 9443, name="c2")
    lab.nft("host", DNAT)
    lab.nft("c1", "table ip n { chain p { type nat hook prerouting priority -100; "
            "tcp dport 8443 dnat to 172.18.0.3:9443; }; chain o { type nat hook postrouting "
            "priority 100; meta l4proto tcp masquerade; }; }")
    with watching(lab, code=0) as watch:
        real = lab.connect("cl", edge.host4, 443, sport=41000)
        settled(watch, 1)
    assert real.name == "c2"
    held(watch.flow(edge.client4, 41000), real, edge.host4, 443)


HOLD = ("import socket, sys; held = [socket.create_connection((sys.argv[1], 443), 5, "
        "('', 41000 + n)) for n in range(5)]; [print(s.recv(99).split()[1].decode()) for s in held]; "
        "print('held', flush=True); sys.stdin.read()")
GREET = ("import os, socket, sys\nkeep = []\n"
         "s = socket.create_server(('::', 443), family=socket.AF_INET6, dualstack_ipv6=True)\n"
         "print('ready', flush=True)\n"
         "while True:\n    c, _ = s.accept(); keep.append(c); c.sendall(b'pid %d\\n' % os.getpid())")


@pytest.mark.parametrize("family", [4, 6])
def test_without_conntrack(lab, edge, family):
    """No rule, so nothing is tracked: the lists of sockets tell of those that stay for a while."""
    server = lab.spawn("host", ["/usr/bin/python3", "-c", GREET], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    with watching(lab, code=0) as watch:
        client = lab.spawn("cl", ["/usr/bin/python3", "-c", HOLD, edge.host(family)],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        while client.stdout.readline() != b"held\n":
            pass
        settled(watch, 5)
    for sport in range(41000, 41005):
        flow = watch.flow(edge.client(family), sport)
        assert flow["receiver"]["pid"] == server.pid and flow["predicted"] is True
        assert (flow["result"], flow["final"]["addr"]) == ("landed", edge.host(family))
    assert watch.row(port=443)["total"] == 5


def test_refused(lab, edge):
    lab.nft("host", DNAT)
    with watching(lab, code=0) as watch:
        real = lab.connect("cl", edge.host4, 443, sport=41000)
        settled(watch, 1)
    assert real.kind == "refused"
    held(watch.flow(edge.client4, 41000), real, edge.host4, 443)


def test_counts(lab, edge):
    lab.listen("c1", "0.0.0.0", 8443, name="c1")
    lab.nft("host", DNAT)
    with watching(lab, flows=False, code=0) as watch:
        for start in range(0, 300, 50):
            cases = [dict(dst=edge.host4, port=443, sport=20000 + start + n) for n in range(50)]
            assert all(r.name == "c1" for r in lab.connect_many("cl", cases, timeout=5))
        watch.wait_total(300)
    assert watch.row(port=443)["total"] == 300


def refused(lab, *capabilities):
    """edgepath watch in the lab's namespace without some capabilities."""
    drop = ",".join("-" + c for c in capabilities)
    return [*lab.argv("host", []), "setpriv", "--bounding-set", drop, "--inh-caps", drop]


@pytest.mark.parametrize("gone,words", [
    (["bpf", "perfmon", "sys_admin"], "CAP_BPF is missing, and CAP_PERFMON"),
    (["bpf", "sys_admin"], "CAP_BPF is missing"),
    (["perfmon", "sys_admin"], "CAP_PERFMON is missing")])
def test_what_is_missing_is_said(lab, edge, gone, words):
    """By the name of the capability; and conntrack stands in by itself."""
    lab.listen("host", "::", 443, name="web")
    lab.nft("host", DNAT)
    argv = [*refused(lab, *gone), netlab.EDGEPATH, "watch", "--duration", "300ms"]
    text = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert text.returncode == 0, text.stderr
    said = " ".join(text.stdout.split())
    assert "Not by BPF" in said and words in said, text.stdout
    child = subprocess.Popen([*argv[:-2], "--flows", "--once", "1"], stdout=subprocess.PIPE,
                             text=True)
    while "conntrack" not in (line := child.stdout.readline()):
        assert line, "it ended"
    assert lab.connect("cl", edge.host4, 8080, sport=41000).kind == "refused"
    out, _ = child.communicate(timeout=30)
    assert "refused" in out


def test_no_source_at_all(lab, edge):
    argv = [*refused(lab, "bpf", "sys_admin"), netlab.EDGEPATH, "watch", "--source", "bpf",
            "--duration", "1"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30)
    assert done.returncode == 3 and "CAP_BPF is missing" in done.stderr
    assert os.linesep not in done.stderr.strip()

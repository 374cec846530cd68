# SPDX-License-Identifier: GPL-2.0-or-later
"""`check --observe`, `check --verify --via` and stale-conntrack: prediction and reality in one."""

import json

import subprocess
import threading

import pytest

from netlab import edgepath, have_edgepath

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

DNAT = ("table ip n { chain p { type nat hook prerouting priority -100; "
        "ip daddr 198.51.100.1 tcp dport 443 dnat to 172.18.0.2:8443; }; }")


def ids(run):
    return {f["id"] for f in run.findings}


def while_connecting(lab, run, *cases):
    """Connects the cases, over and over, while run() runs."""
    done = threading.Event()

    def connect():
        sport = 30000
        while not done.is_set():
            for case in cases:
                lab.connect("cl", sport=sport, **case)
                sport += 1

    thread = threading.Thread(target=connect)
    thread.start()
    try:
        return run()
    finally:
        done.set()
        thread.join()


# ---------------------------------------------------------------- --observe


def test_observed_as_predicted(lab, edge):
    lab.listen("host", "::", [80, 443], name="web")
    lab.listen("c1", "0.0.0.0", 8443, name="c1")
    lab.nft("host", DNAT)
    run = while_connecting(lab, lambda: lab.check("host", "--observe", "600ms", "80", "443"),
                           dict(dst=edge.host4, port=443), dict(dst=edge.host4, port=80))
    assert "observed-mismatch" not in ids(run)
    seen = {r["port"]: r for r in run.json["observed"]["rows"]}
    assert seen[443]["receiver"]["comm"] == "c1" and seen[80]["receiver"]["comm"] == "web"
    assert all(r["predicted"] is True and r["total"] > 0 for r in seen.values())
    assert run.json["observed"]["source"] == "bpf" and run.json["verified"] is None
    text = edgepath("check", "--netns", lab.name("host"), "--observe", "100ms", "80")
    assert "Seen in 0 s: 0 connections" in text.stdout


def test_observed_mismatch(lab, edge):
    """The walk is told that the listener is gone, so that it is wrong."""
    web = lab.listen("host", "::", 443, name="web")
    run = while_connecting(lab, lambda: lab.check("host", "--observe", "500ms", "443", "--without",
                                                  f"pid:{web.pid}"),
                           dict(dst=edge.host4, port=443))
    (found,) = [f for f in run.findings if f["id"] == "observed-mismatch"]
    assert found["severity"] == "critical" and run.code == 2 and found["port"] == 443
    assert found["taken_by"]["pid"] == web.pid and "refused" in found["summary"]
    (evidence,) = found["evidence"]
    assert edge.client4 in evidence and f"{edge.host4}:443" in evidence


# ---------------------------------------------------------------- --verify


@pytest.mark.parametrize("via", ["cl", "c2"])
def test_verify(lab, edge, via):
    """One connection for each port and address, from a neighbour or from a container."""
    web = lab.listen("host", "::", [80, 443], name="web")
    c1 = lab.listen("c1", "0.0.0.0", 8443, name="c1")
    lab.nft("host", DNAT)
    lab.nft("host", "table ip m { chain p { type nat hook postrouting priority 100; "
            "oifname br0 ip saddr 172.18.0.0/16 masquerade; }; }")
    lab.nft("host", "table inet f { chain c { type filter hook input priority 0; "
            "tcp dport 25 drop; }; }")
    run = lab.check("host", "--verify", "--via", lab.name(via), "25", "80", "443", "8080")
    tried = {(c["address"], c["port"]): c for c in run.json["verified"]["connections"]}
    assert run.json["verified"]["via"] == lab.name(via)
    want = {(edge.host4, 25): None, (edge.host6, 25): None,
            (edge.host4, 80): web, (edge.host6, 80): web,
            (edge.host4, 443): c1, (edge.host6, 443): web,
            (edge.host4, 8080): "refused", (edge.host6, 8080): "refused"}
    assert set(tried) == set(want)
    for key, receiver in want.items():
        one = tried[key]
        if receiver is None:
            assert (one["client"], one["seen"]["result"]) == ("no answer", "dropped"), one
        elif receiver == "refused":
            assert (one["client"], one["seen"]["result"]) == ("refused", "refused"), one
        else:
            assert one["client"] == "connected" and one["seen"]["result"] == "landed", one
            assert one["seen"]["receiver"]["pid"] == receiver.pid, one
        assert one["seen"]["predicted"] is True, one
        assert one["src"] in (edge.client4, edge.client6, edge.container(2, 4),
                              edge.container(2, 6))
    assert "observed-mismatch" not in ids(run)


def test_verify_finds_a_mismatch(lab, edge):
    web = lab.listen("host", "::", 443, name="web")
    run = lab.check("host", "--verify", "--via", lab.name("cl"), "443", "--without",
                    f"pid:{web.pid}")
    assert {f["family"] for f in run.findings if f["id"] == "observed-mismatch"} == {"ip", "ip6"}
    assert run.code == 2


def test_nothing_is_sent_without_verify(lab, edge):
    """A counter before everything sees no packet of check's own."""
    lab.listen("host", "::", [80, 443], name="web")
    lab.nft("host", "table inet count { counter every { }; chain c { type filter hook input "
            "priority raw; meta l4proto tcp counter name every; }; chain o { type filter hook "
            "output priority raw; meta l4proto tcp counter name every; }; }")
    lab.check("host", "--observe", "300ms")
    lab.check("host")
    listed = json.loads(lab.nft("host", ["-j", "list", "counters"]))
    (counter,) = [o["counter"] for o in listed["nftables"] if "counter" in o]
    assert counter["packets"] == 0


@pytest.mark.parametrize("args,code,words", [
    (["--verify"], 64, "go together"), (["--via", "x"], 64, "go together"),
    (["--verify", "--via", "no-such-namespace"], 3, "no such network namespace"),
    (["--observe", "never"], 64, "no time")])
def test_usage(args, code, words):
    run = edgepath("check", "80", *args)
    assert run.code == code and words in run.stderr


# ---------------------------------------------------------------- stale-conntrack


def hold(lab, ns, sport, dst, dport):
    """An established connection that stays open; it is the client's socket."""
    script = ("import socket, sys; s = socket.socket(); s.bind(('', int(sys.argv[3]))); "
              "s.connect((sys.argv[1], int(sys.argv[2]))); print('open', flush=True); "
              "sys.stdin.read()")
    child = lab.spawn(ns, ["/usr/bin/python3", "-c", script, dst, str(dport), str(sport)],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"open\n"
    return child


IDLE = ("import socket; s = socket.create_server(('0.0.0.0', 8443)); print('ready', flush=True)\n"
        "keep = []\nwhile True: keep.append(s.accept())")


def idle_server(lab, ns):
    child = lab.spawn(ns, ["/usr/bin/python3", "-c", IDLE], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    return child


def stale(run):
    return [f for f in run.findings if f["id"] == "stale-conntrack"]


def test_stale_conntrack(lab, edge):
    """Rules move on to c2; c1's connections stay, first alive and then with nobody there."""
    first = idle_server(lab, "c1")
    lab.listen("c2", "0.0.0.0", 8443, name="c2")
    lab.nft("host", DNAT)
    for sport in (41000, 41001):
        hold(lab, "cl", sport, edge.host4, 443)
    assert not stale(lab.check("host"))  # they are where new ones go
    lab.nft("host", "flush chain ip n p; add rule ip n p tcp dport 443 dnat to 172.18.0.3:8443")
    (found,) = stale(lab.check("host"))
    assert (found["severity"], found["port"]) == ("info", 443)
    assert "2 tracked connections still go to 172.18.0.2:8443" in found["summary"]
    assert any(f"{edge.client4}:41000 (ESTABLISHED)" in e for e in found["evidence"])
    assert "conntrack -D" in found["remedies"][0]["command"]
    first.kill()
    first.wait()
    lab.ip("host", "link set ve-c1 down")  # no FIN comes through, and nobody is there
    (found,) = stale(lab.check("host"))
    assert found["severity"] == "warning" and "nobody listens" in found["summary"]
    # The remedy is a command that works.
    lab.run("host", found["remedies"][0]["command"].split()[4:])
    assert not stale(lab.check("host"))


def test_a_syn_that_is_sent_on_to_a_dead_target(lab, edge):
    """What misdirects: an unanswered request keeps its translation while it is sent again."""
    lab.listen("c2", "0.0.0.0", 8443, name="c2")
    lab.nft("host", DNAT)
    lab.run("host", ["ip", "neigh", "replace", "172.18.0.2", "lladdr", "02:00:00:00:00:99",
                     "dev", "br0"])
    assert lab.connect("cl", edge.host4, 443, sport=41000).kind == "timeout"
    lab.nft("host", "flush chain ip n p; add rule ip n p tcp dport 443 dnat to 172.18.0.3:8443")
    (found,) = stale(lab.check("host"))
    assert any("41000 (SYN_SENT)" in e for e in found["evidence"]) and found["severity"] == "warning"


def test_no_stale_conntrack(lab, edge):
    """Connections without translation, other ports, and those that are over."""
    lab.listen("host", "::", [443, 444], name="web")
    lab.listen("c1", "0.0.0.0", 8443, name="c1")
    lab.nft("host", "table ip n { chain p { type nat hook prerouting priority -100; "
            "tcp dport 444 dnat to 172.18.0.2:8443; tcp dport 80 redirect to :443; }; }")
    for sport, port in ((41000, 443), (41001, 444), (41002, 80)):
        assert lab.connect("cl", edge.host4, port, sport=sport).kind == "delivered"
    lab.run("host", ["nft", "flush", "ruleset"])
    assert not stale(lab.check("host"))

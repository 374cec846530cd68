# SPDX-License-Identifier: GPL-2.0-or-later
"""`edgepath watch` against real connections: every one has the end that it says, and no other."""

import json
import os
import select
import signal
import subprocess
import time

import pytest

import netlab
from netlab import have_edgepath
from watching import Watch, held

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

BACKENDS = ["nft", "iptables-nft", "iptables-legacy"]
FAMILIES = [4, 6]


def load(lab, ns, backend, family, nft=(), xt=(), post=(), xt_post=()):
    """nat rules of prerouting and postrouting, in the words of each tool."""
    ip = "ip6" if family == 6 else "ip"
    if backend == "nft":
        text = f"table {ip} n {{\nchain pre {{ type nat hook prerouting priority -100;\n" + \
            "".join(f"{rule}\n" for rule in nft) + "}\n"
        if post:
            text += "chain post { type nat hook postrouting priority 100;\n" + \
                "".join(f"{rule}\n" for rule in post) + "}\n"
        lab.nft(ns, text + "}\n")
        return
    text = "*nat\n" + "".join(f"-A PREROUTING {rule}\n" for rule in xt) + \
        "".join(f"-A POSTROUTING {rule}\n" for rule in xt_post) + "COMMIT\n"
    tool = "ip6tables" if family == 6 else "iptables"
    getattr(lab, f"{tool}_{backend.split('-')[1]}")(ns, text)


def at(addr, port):
    return f"[{addr}]:{port}" if ":" in addr else f"{addr}:{port}"


def dnat(lab, edge, backend, family, target, port=443, **post):
    load(lab, "host", backend, family,
         nft=[f"tcp dport {port} dnat to {target}"],
         xt=[f"-p tcp --dport {port} -j DNAT --to-destination {target}"], **post)


# ---------------------------------------------------------------- where they land


@pytest.mark.parametrize("family", FAMILIES)
def test_direct_listener(lab, edge, family):
    lab.listen("host", "::", [80, 443], name="web")
    dst, src = edge.host(family), edge.client(family)
    with Watch(lab, "host", code=0) as watch:
        real = {port: lab.connect("cl", dst, port, sport=41000 + port) for port in (80, 443)}
    for port, met in real.items():
        flow = watch.flow(src, 41000 + port)
        held(flow, met, dst, port)
        assert flow["predicted"] is True and flow["origin"] == "external" and flow["via"] is None
        assert watch.row(address=dst, port=port)["total"] == 1
    assert watch.pieces[0]["source"] == "bpf" and watch.pieces[0]["lacks"] is None


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_dnat_to_a_container(lab, edge, backend, family):
    """What listens on the host gets nothing; each backend's rule sends it on."""
    lab.listen("host", "::", 443, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    dst = edge.host(family)
    dnat(lab, edge, backend, family, at(edge.container(1, family), 8443))
    with Watch(lab, "host", code=0) as watch:
        real = lab.connect("cl", dst, 443, sport=41000)
    assert real.name == "c1"
    flow = watch.flow(edge.client(family), 41000)
    held(flow, real, dst, 443)
    assert flow["predicted"] is True
    assert 0 < flow["synack_us"] < 1e6
    row = watch.row(address=dst, port=443)
    assert (row["total"], row["result"]) == (1, "landed") and row["synack_us"] > 0


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_redirect(lab, edge, backend, family):
    lab.listen("host", "::", 8443, name="web")
    dst = edge.host(family)
    load(lab, "host", backend, family, nft=["tcp dport 443 redirect to :8443"],
         xt=["-p tcp --dport 443 -j REDIRECT --to-ports 8443"])
    with Watch(lab, "host", code=0) as watch:
        real = lab.connect("cl", dst, 443, sport=41000)
        other = lab.connect("cl", dst, 8443, sport=41001)  # no edge port
    assert (real.name, other.name) == ("web", "web")
    held(watch.flow(edge.client(family), 41000), real, dst, 443)
    assert len(watch.flows) == 1 and len(watch.rows) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_two_translations_on_the_way(lab, edge, backend, family):
    """A hostPort into a pod that translates on to another one, as k3s' servicelb does."""
    lab.listen("c2", "::", 9443, name="c2")
    lab.listen("c1", "::", 8443, name="c1")
    dst = edge.host(family)
    dnat(lab, edge, backend, family, at(edge.container(1, family), 8443))
    target = at(edge.container(2, family), 9443)
    load(lab, "c1", backend, family, nft=[f"tcp dport 8443 dnat to {target}"],
         xt=[f"-p tcp --dport 8443 -j DNAT --to-destination {target}"],
         post=["meta l4proto tcp masquerade"], xt_post=["-p tcp -j MASQUERADE"])
    with Watch(lab, "host", code=0) as watch:
        real = lab.connect("cl", dst, 443, sport=41000)
    assert real.name == "c2" and real.peer == edge.container(1, family)
    flow = watch.flow(edge.client(family), 41000)
    held(flow, real, dst, 443)
    assert flow["predicted"] is True and len(watch.rows) == 1


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_masquerade_and_hairpin(lab, edge, backend, family):
    """Clients outside and in a container, whose own service it may be."""
    lab.listen("c1", "::", 8443, name="c1")
    dst = edge.host(family)
    dnat(lab, edge, backend, family, at(edge.container(1, family), 8443),
         post=["oifname br0 masquerade"], xt_post=["-o br0 -j MASQUERADE"])
    lab.ip("host", "link set ve-c1 type bridge_slave hairpin on")
    with Watch(lab, "host") as watch:
        real = {"cl": lab.connect("cl", dst, 443, sport=41000),
                "c2": lab.connect("c2", dst, 443, sport=41001),
                "c1": lab.connect("c1", dst, 443, sport=41002)}
    for number, (ns, src) in enumerate([("cl", edge.client(family)),
                                        ("c2", edge.container(2, family)),
                                        ("c1", edge.container(1, family))]):
        assert real[ns].kind == "delivered", (ns, str(real[ns]))
        flow = watch.flow(src, 41000 + number)
        held(flow, real[ns], dst, 443)
        assert flow["origin"] == ("external" if ns == "cl" else "inside")
        assert flow["predicted"] is True, flow
    assert {r["origin"]: r["total"] for r in watch.rows} == {"external": 1, "inside": 2}


def test_from_the_host_itself(lab, edge):
    lab.listen("host", "::", 443, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    lab.nft("host", "table ip n { chain o { type nat hook output priority -100; "
            f"ip daddr {edge.host4} tcp dport 443 dnat to 172.18.0.2:8443; }}; }}")
    with Watch(lab, "host", code=0) as watch:
        four = lab.connect("host", edge.host4, 443, sport=41000)
        six = lab.connect("host", edge.host6, 443, sport=41001)
    assert (four.name, six.name) == ("c1", "web")
    for src, sport, real in ((edge.host4, 41000, four), (edge.host6, 41001, six)):
        flow = watch.flow(src, sport)
        held(flow, real, src, 443)
        assert flow["origin"] == "host" and flow["predicted"] is True


def test_what_leaves_the_host_is_not_told(lab, edge):
    """Connections of the host and its containers to somebody else's port 443, and those among them."""
    lab.listen("cl", "::", 443, name="other")
    lab.listen("c1", "::", 443, name="c1")
    lab.nft("host", "table ip n { chain post { type nat hook postrouting priority 100; "
            "oifname eth0 masquerade; }; }")
    with Watch(lab, "host", code=0) as watch:
        assert lab.connect("host", edge.client4, 443).name == "other"
        assert lab.connect("c1", edge.client4, 443).name == "other"
        assert lab.connect("c2", edge.container(1, 4), 443).name == "c1"
        assert lab.connect("cl", edge.host4, 443, sport=41000).kind == "refused"
    assert [(f["src"], f["sport"]) for f in watch.flows] == [(edge.client4, 41000)]


def test_other_namespaces_are_not_told(lab, edge):
    """A host beside it with the same addresses."""
    with netlab.Lab() as other:
        twin = netlab.edge_topology(other)
        for each in (lab, other):
            each.listen("c1", "::", 8443, name="c1")
            dnat(each, twin, "nft", 4, "172.18.0.2:8443")
        with Watch(lab, "host", code=0) as watch:
            for sport in range(41000, 41010):
                assert other.connect("cl", twin.host4, 443, sport=sport).name == "c1"
            real = lab.connect("cl", edge.host4, 443, sport=41005)
        held(watch.flow(edge.client4, 41005), real, edge.host4, 443)
        assert len(watch.flows) == 1 and watch.rows[0]["total"] == 1


# ---------------------------------------------------------------- refused and dropped


@pytest.mark.parametrize("family", FAMILIES)
def test_refused(lab, edge, family):
    """By the host, by a container, and by a port that REDIRECT names."""
    dst, src = edge.host(family), edge.client(family)
    load(lab, "host", "nft", family,
         nft=[f"tcp dport 443 dnat to {at(edge.container(1, family), 8443)}",
              "tcp dport 8080 redirect to :8081"])
    with Watch(lab, "host", code=0) as watch:
        real = {port: lab.connect("cl", dst, port, sport=41000 + port)
                for port in (80, 443, 8080)}
    ends = {80: (dst, 80), 443: (edge.container(1, family), 8443), 8080: (dst, 8081)}
    for port, end in ends.items():
        assert real[port].kind == "refused"
        flow = watch.flow(src, 41000 + port)
        held(flow, real[port], dst, port)
        assert (flow["final"]["addr"], flow["final"]["port"]) == end
        assert flow["predicted"] is True and flow["receiver"]["kind"] == "none"
        assert watch.row(port=port)["total"] == 1


DROPS = [
    # where, hook, final address (h: the host's, c: the container's), who knows of it
    ("host", "type filter hook prerouting priority raw", "h"),
    ("host", "type filter hook input priority 0", "h"),
    ("host", "type filter hook forward priority 0", "c"),
    ("host", "type filter hook postrouting priority 0", "c"),
    ("c1", "type filter hook input priority 0", "c"),
    ("c1", "type filter hook prerouting priority raw", "c"),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("where,hook,final", DROPS, ids=[f"{d[0]}-{d[1].split()[3]}" for d in DROPS])
def test_dropped_by_a_rule(lab, edge, where, hook, final, family):
    port = 80 if "input" in hook and where == "host" else 443
    dst, src = edge.host(family), edge.client(family)
    lab.listen("host", "::", 80, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    dnat(lab, edge, "nft", family, at(edge.container(1, family), 8443))
    ports = f"{{ {port}, 8443 }}" if port == 443 else str(port)
    lab.nft(where, f"table inet f {{ chain c {{ {hook}; tcp dport {ports} drop; }}; }}")
    with Watch(lab, "host", code=0) as watch:
        real = lab.connect("cl", dst, port, sport=41000)
    assert real.kind == "timeout"
    flow = watch.flow(src, 41000)
    held(flow, real, dst, port)
    assert flow["reason"] == "NETFILTER_DROP" and flow["predicted"] is True
    assert flow["location"] and flow["location"].startswith("nf"), flow["location"]
    early = where == "host" and "raw" in hook
    assert flow["final"]["addr"] == (dst if final == "h" or early else edge.container(1, family))


def test_dropped_counts_attempts_not_repetitions(lab, edge):
    """A SYN that is sent again is the same connection."""
    lab.nft("host", "table ip f { chain c { type filter hook input priority 0; "
            "tcp dport 443 drop; }; }")
    with Watch(lab, "host", flows=False) as watch:
        lab.connect("cl", edge.host4, 443, sport=41000, timeout=2.5)  # SYNs at 0 and 1 s
        lab.connect("cl", edge.host4, 443, sport=41001)
    assert watch.row(port=443)["total"] == 2


def test_no_route(lab, edge):
    lab.nft("host", "table ip n { chain p { type nat hook prerouting priority -100; "
            "tcp dport 443 dnat to 192.0.2.77:443; tcp dport 80 dnat to 172.18.0.99:80; }; }")
    lab.ip("host", "route add unreachable 192.0.2.77/32")
    with Watch(lab, "host") as watch:
        lab.connect("cl", edge.host4, 443, sport=41000)
        lab.connect("cl", edge.host4, 80, sport=41001)
        watch.wait(lambda p: p["type"] == "flow" and p["sport"] == 41001)
    routed = watch.flow(edge.client4, 41000)
    assert (routed["result"], routed["final"]["addr"]) == ("dropped", "192.0.2.77")
    dead = watch.flow(edge.client4, 41001)
    assert (dead["result"], dead["reason"]) == ("dropped", "NEIGH_FAILED")
    assert routed["predicted"] is True and dead["predicted"] is True


def test_full_listen_queue(lab, edge):
    """A listener that does not accept: its queue of two is full, and further requests are dropped."""
    lab.spawn("host", ["/usr/bin/python3", "-c", "import socket, time\n"
              "s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
              "s.bind(('0.0.0.0', 443)); s.listen(1); print('ready', flush=True); time.sleep(600)"],
              stdout=subprocess.PIPE).stdout.readline()
    with Watch(lab, "host", flows=False) as watch:
        cases = [dict(dst=edge.host4, port=443, sport=41000 + n) for n in range(8)]
        lab.connect_many("cl", cases, timeout=0.5)
        watch.wait(lambda p: p["type"] == "interval" and
                   any(r["result"] == "overflowed" for r in p["rows"]))
    assert watch.row(result="landed")["total"] == 2
    full = watch.row(result="overflowed")
    assert full["total"] >= 6 and full["receiver"]["comm"] == "python3"
    assert (full["address"], full["port"]) == (edge.host4, 443)


# ---------------------------------------------------------------- counts


def test_a_thousand_over_three_receivers(lab):
    """`statistic` spreads them; the counts are those of the servers' own logs."""
    edge = netlab.edge_topology(lab, containers=3)
    for number in (1, 2, 3):
        lab.listen(f"c{number}", "0.0.0.0", 8443, name=f"c{number}")
    lab.iptables_nft("host", "*nat\n"
                     "-A PREROUTING -p tcp --dport 443 -m statistic --mode random "
                     "--probability 0.33333 -j DNAT --to-destination 172.18.0.2:8443\n"
                     "-A PREROUTING -p tcp --dport 443 -m statistic --mode random "
                     "--probability 0.5 -j DNAT --to-destination 172.18.0.3:8443\n"
                     "-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination 172.18.0.4:8443\n"
                     "COMMIT\n")
    logs = {}
    with Watch(lab, "host", flows=False, code=0) as watch:
        for start in range(0, 1000, 50):
            cases = [dict(dst=edge.host4, port=443, sport=20000 + start + n) for n in range(50)]
            for real in lab.connect_many("cl", cases, timeout=5):
                assert real.kind == "delivered", str(real)
                logs[real.pid] = logs.get(real.pid, 0) + 1
    assert len(logs) == 3 and sum(logs.values()) == 1000
    assert {r["receiver"]["pid"]: r["total"] for r in watch.rows} == logs
    assert all(r["predicted"] is True and r["result"] == "landed" for r in watch.rows)


def test_accounting_with_a_ring_of_one_page(lab, edge):
    """The stream loses nearly everything; the counts lose nothing, and each CPU's books balance."""
    lab.listen("c1", "::", 8443, name="c1")
    dnat(lab, edge, "nft", 4, "172.18.0.2:8443")
    with Watch(lab, "host", "--ring", 4, code=0) as watch:
        for start in range(0, 2000, 200):
            cases = [dict(dst=edge.host4, port=443, sport=20000 + start + n) for n in range(200)]
            assert all(r.name == "c1" for r in lab.connect_many("cl", cases, timeout=5))
    books = watch.accounting
    assert books["lost"] > 0 and books["seen"] == 2000
    for cpu in books["per_cpu"]:
        assert cpu["seen"] == cpu["delivered"] + cpu["lost"], books
    assert sum(cpu["seen"] for cpu in books["per_cpu"]) == books["seen"]
    assert len(watch.flows) == books["delivered"]
    assert watch.row(port=443, result="landed")["total"] == 2000 and books["unrowed"] == 0


# ---------------------------------------------------------------- while the host changes


def test_rules_change_in_mid_watch(lab, edge):
    lab.listen("host", "::", 443, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    with Watch(lab, "host", code=0) as watch:
        before = lab.connect("cl", edge.host4, 443, sport=41000)
        dnat(lab, edge, "nft", 4, "172.18.0.2:8443")
        after = lab.connect("cl", edge.host4, 443, sport=41001)
        watch.wait(lambda p: p["type"] == "flow" and p["sport"] == 41001)
        lab.run("host", ["nft", "flush", "ruleset"])
        again = lab.connect("cl", edge.host4, 443, sport=41002)
    assert [r.name for r in (before, after, again)] == ["web", "c1", "web"]
    for sport, real in ((41000, before), (41001, after), (41002, again)):
        flow = watch.flow(edge.client4, sport)
        held(flow, real, edge.host4, 443)
        assert flow["predicted"] is True, flow
    assert any(p["type"] == "change" and p["change"] == "rules" for p in watch.pieces)


def test_legacy_rules_change_in_mid_watch(lab, edge):
    lab.listen("host", "::", 443, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    lab.iptables_legacy("host", ["-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "9",
                                 "-j", "ACCEPT"])
    with Watch(lab, "host") as watch:
        dnat(lab, edge, "iptables-legacy", 4, "172.18.0.2:8443")
        real = lab.connect("cl", edge.host4, 443, sport=41000)
    assert real.name == "c1"
    held(watch.flow(edge.client4, 41000), real, edge.host4, 443)


def test_listeners_and_containers_come_and_go(lab, edge):
    with Watch(lab, "host", code=0) as watch:
        ends = []
        for number in range(3):
            web = lab.listen("host", "::", 443, name=f"web{number}")
            ends.append(lab.connect("cl", edge.host4, 443, sport=41000 + number))
            lab.stop(web)
        lab.ns("c9")
        lab.veth("host", "ve-c9", [], "c9", "eth0", ["172.18.0.9/16"])
        lab.ip("host", "link set ve-c9 master br0")
        lab.ip("c9", "route add default via 172.18.0.1")
        lab.listen("c9", "0.0.0.0", 8443, name="c9")
        lab.wait_reachable("c9", edge.bridge4)
        dnat(lab, edge, "nft", 4, "172.18.0.9:8443")
        watch.wait(lambda p: p["type"] == "change")
        ends.append(lab.connect("cl", edge.host4, 443, sport=41003))
    assert [r.name for r in ends] == ["web0", "web1", "web2", "c9"]
    held(watch.flow(edge.client4, 41003), ends[3], edge.host4, 443)
    for number, real in enumerate(ends[:3]):
        flow = watch.flow(edge.client4, 41000 + number)
        assert flow["result"] == "landed" and flow["predicted"] is not False
        # A listener that was gone before anybody could look is not given another's name.
        assert flow["receiver"]["pid"] in (real.pid, None), flow


def test_not_predicted(lab, edge):
    """What an sk_lookup program, a tc program or anything unread does: here a listener that hides in
    --without, so that the walk must get it wrong."""
    web = lab.listen("host", "::", 443, name="web")
    with Watch(lab, "host", "--without", f"pid:{web.pid}", code=2) as watch:
        real = lab.connect("cl", edge.host4, 443, sport=41000)
    assert real.name == "web"
    flow = watch.flow(edge.client4, 41000)
    assert flow["predicted"] is False and flow["prediction"].startswith("refused")
    row = watch.row(port=443)
    assert row["predicted"] is False and row["receiver"]["pid"] == web.pid


# ---------------------------------------------------------------- how it is run


def test_once_and_duration(lab, edge):
    lab.listen("host", "::", 443, name="web")
    argv = [netlab.EDGEPATH, "watch", "--netns", lab.name("host"), "--json"]
    child = subprocess.Popen([*argv, "--once", "3"], stdout=subprocess.PIPE, text=True)
    assert json.loads(child.stdout.readline())["type"] == "start"
    for sport in (41000, 41001, 41002):
        lab.connect("cl", edge.host4, 443, sport=sport)
    out, _ = child.communicate(timeout=20)
    (end,) = [json.loads(line) for line in out.splitlines()]
    assert end["type"] == "end" and end["rows"][0]["total"] == 3 and child.returncode == 0
    done = subprocess.run([*argv, "--duration", "300ms"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and done.stderr == ""
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == ["start", "end"]


def test_ports(lab, edge):
    lab.listen("host", "::", [25, 443], name="web")
    with Watch(lab, "host", "--ports", "25") as watch:
        lab.connect("cl", edge.host4, 443, sport=41000)
        lab.connect("cl", edge.host4, 25, sport=41001)
    assert [f["sport"] for f in watch.flows] == [41001]


def held_by(pid, key):
    """Ids of the BPF links, programs or maps that a process holds."""
    found = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        with open(f"/proc/{pid}/fdinfo/{fd}") as info:
            found |= {int(line.split()[1]) for line in info if line.startswith(key + ":")}
    return found


def existing(kind):
    listed = subprocess.run(["bpftool", "-j", kind, "show"], capture_output=True, text=True)
    return {each["id"] for each in json.loads(listed.stdout)}


@pytest.mark.parametrize("end", ["SIGINT", "SIGKILL"])
def test_nothing_is_left(lab, edge, end):
    with Watch(lab, "host") as watch:
        mine = {kind: held_by(watch.child.pid, key) for kind, key in
                (("link", "link_id"), ("prog", "prog_id"), ("map", "map_id"))}
        assert all(mine.values()), mine
        assert all(mine[kind] <= existing(kind) for kind in mine)
        watch.child.send_signal(getattr(signal, end))
        watch.child.wait(20)
        # The kernel frees maps a little later, after their readers.
        end_at = time.monotonic() + 10
        while any(mine[kind] & existing(kind) for kind in mine):
            assert time.monotonic() < end_at, mine
            select.select([], [], [], 0.05)
    if end == "SIGINT":
        assert watch.pieces[-1]["type"] == "end"


def test_nothing_is_changed(lab, edge):
    lab.listen("c1", "::", 8443, name="c1")
    dnat(lab, edge, "iptables-legacy", 4, "172.18.0.2:8443")
    before = lab.rules("host")
    with Watch(lab, "host"):
        lab.connect("cl", edge.host4, 443)
    assert lab.rules("host") == before


def test_text_in_lines(lab, edge):
    lab.listen("host", "::", 443, name="web")
    child = subprocess.Popen([netlab.EDGEPATH, "watch", "--netns", lab.name("host"), "--flows"],
                             stdout=subprocess.PIPE, text=True)
    assert lab.name("host") in child.stdout.readline()
    lab.connect("cl", edge.host4, 443, sport=41000)
    line = child.stdout.readline()
    assert f"{edge.client4}:41000" in line and "web (pid" in line
    child.terminate()
    out, _ = child.communicate(timeout=20)
    assert "PREDICTED" in out and " yes" in out and "\033" not in out
    assert child.returncode == 0


def test_redrawn_on_a_terminal(lab, edge):
    lab.listen("host", "::", 443, name="web")
    main, terminal = os.openpty()
    child = subprocess.Popen([netlab.EDGEPATH, "watch", "--netns", lab.name("host"),
                              "--interval", "100ms"], stdout=terminal, stderr=terminal,
                             env={**os.environ, "TERM": "xterm"})
    os.close(terminal)
    seen = b""
    while b"no connection yet" not in seen:
        seen += os.read(main, 65536)
    lab.connect("cl", edge.host4, 443, sport=41000)
    while b"web (pid" not in seen:
        seen += os.read(main, 65536)
    child.terminate()
    try:
        while piece := os.read(main, 65536):
            seen += piece
    except OSError:  # the other end is closed
        pass
    assert child.wait(20) == 0
    os.close(main)
    # Another screen, no cursor; and back.
    assert seen.index(b"\033[?1049h") < seen.index(b"\033[H\033[J") < seen.rindex(b"\033[?1049l")
    assert b"in all" in seen[seen.rindex(b"\033[?1049l"):]


@pytest.mark.parametrize("args,words", [
    (["--duration", "soon"], "no time"), (["--once", "0"], "no number"),
    (["--ring", "5"], "power of two"), (["--source", "ebpf"], "none of")])
def test_usage(args, words):
    done = subprocess.run([netlab.EDGEPATH, "watch", *args], capture_output=True, text=True)
    assert done.returncode == 64 and words in done.stderr

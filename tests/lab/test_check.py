# SPDX-License-Identifier: GPL-2.0-or-later
"""`edgepath check`: each finding in a lab where it is so, and in one where it is not."""

from dataclasses import dataclass
from typing import Union

import pytest

from netlab import edgepath, have_edgepath
from scenario import World, listen

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

PORTS = [80, 443, 8080]
WEB = listen("web", PORTS, addr="::")
C1 = listen("c1", [8443, 9000], "c1", addr="::")
NO_443 = listen("web", [80, 8080], addr="::")


@dataclass
class Rules:
    """The same rules for iptables and for nft; both for both families unless one is given."""

    xt: Union[str, None]
    nft: str
    families: tuple = (4, 6)


def dnat(target="$C1:8443", port=443, families=(4, 6), output=False):
    chains = ["PREROUTING"] + (["OUTPUT"] if output else [])
    hooks = ["prerouting"] + (["output"] if output else [])
    return Rules(
        "*nat\n" + "".join(f"-A {c} -d $host -p tcp --dport {port} -j DNAT "
                           f"--to-destination {target}\n" for c in chains) + "COMMIT\n",
        "table $ip n {\n" + "".join(
            f"chain {h} {{ type nat hook {h} priority -100; $ip daddr $host tcp dport {port} "
            f"dnat to {target}; }}\n" for h in hooks) + "}\n", families)


def rules(xt, nft):
    return Rules(xt, nft)


FORWARD_DROP = rules("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n",
                     "table $ip f { chain c { type filter hook forward priority 0; "
                     "policy drop; }; }")
FORWARD_ACCEPT = rules("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -d $c1 -j ACCEPT\nCOMMIT\n",
                       "table $ip f { chain c { type filter hook forward priority 0; policy drop; "
                       "$ip daddr $c1 accept; }; }")
SECOND_RULE = rules("*nat\n-A PREROUTING -d $host -p tcp --dport 443 -j DNAT --to-destination "
                    "$C1:9000\nCOMMIT\n",
                    "add rule $ip n prerouting tcp dport 443 dnat to $C1:9000")
OTHER_RULE = rules("*nat\n-A PREROUTING -p tcp --dport 444 -j DNAT --to-destination $C1:9000\n"
                   "COMMIT\n", "add rule $ip n prerouting tcp dport 444 dnat to $C1:9000")

# finding, port it must name (None: any), listeners, rules where it is so; the same where it is not
FINDINGS = [
    ("intercepted-listener", 443, (WEB, C1), [dnat()], (NO_443, C1), [dnat()]),
    ("no-receiver", 443, (NO_443, C1), [dnat("$C1:8444")], (WEB, C1), [dnat(port=444)]),
    ("stale-rule", 443, (NO_443,), [dnat("$Dead:8443")], (NO_443, C1), [dnat()]),
    ("shadowed-rule", 443, (NO_443, C1), [dnat(), SECOND_RULE],
     (NO_443, C1), [dnat(), OTHER_RULE]),
    ("forward-blocked", 443, (NO_443, C1), [dnat(), FORWARD_DROP],
     (NO_443, C1), [dnat(), FORWARD_ACCEPT]),
    ("family-divergence", 443, (WEB, C1), [dnat(families=(4,))], (NO_443, C1), [dnat()]),
    ("origin-divergence", 443, (WEB, C1), [dnat()], (NO_443, C1), [dnat(output=True)]),
]


def _world(lab, listeners, all_rules, backend):
    world = World(lab, 4)
    for spec in listeners:
        world.listen(spec)
    six = World(lab, 6, world.edge)
    for loaded in all_rules:
        for side in (world, six):
            if side.family in loaded.families:
                side.load(backend, loaded.nft if backend == "nft" else loaded.xt)
    return world


def _ids(run, port=None):
    return {f["id"] for f in run.findings if port is None or f.get("port") == port}


BACKENDS = ["nft", "iptables-nft", "iptables-legacy"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("finding,port,so,so_rules,otherwise,other_rules", FINDINGS,
                         ids=[f[0] for f in FINDINGS])
def test_finding(lab, finding, port, so, so_rules, otherwise, other_rules, backend):
    _world(lab, so, so_rules, backend)
    run = lab.check("host")
    assert run.json, run
    assert finding in _ids(run, port), [(f["id"], f.get("port"), f["summary"])
                                        for f in run.findings]
    assert run.json["status"] in ("warning", "critical")
    assert run.code == {"warning": 1, "critical": 2}[run.json["status"]]
    for found in run.findings:
        assert found["severity"] in ("critical", "warning", "info", "ok"), found
        assert found["summary"].strip() and "\n" not in found["summary"]
        assert isinstance(found["evidence"], list)
        for remedy in found.get("remedies") or []:
            assert remedy["text"].strip()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("finding,port,so,so_rules,otherwise,other_rules", FINDINGS,
                         ids=[f[0] for f in FINDINGS])
def test_no_finding(lab, finding, port, so, so_rules, otherwise, other_rules, backend):
    _world(lab, otherwise, other_rules, backend)
    run = lab.check("host")
    assert run.json, run
    assert finding not in _ids(run), [(f["id"], f.get("port"), f["summary"])
                                      for f in run.findings]


def test_healthy_host(lab, edge):
    """Nothing is wrong: every port has one receiver, for both families and origins."""
    web = lab.listen("host", "::", PORTS, name="web")
    run = lab.check("host")
    assert (run.code, run.json["status"], run.findings) == (0, "ok", []), run.stdout
    assert run.stderr == ""
    asked = {(p["port"], p["address"]) for p in run.json["ports"] if p["origin"] == "external"}
    assert asked == {(p, a) for p in PORTS for a in (edge.host4, edge.host6)}
    for port in run.json["ports"]:
        assert [o["receiver"]["pid"] for o in port["outcomes"] if o["verdict"] == "delivered"] \
            == [web.pid], port
    mine = [x for x in run.json["listeners"] if x["receiver"] and x["receiver"]["pid"] == web.pid]
    assert mine and all(x["reached_from_outside"] is True for x in mine)


@pytest.mark.parametrize("backend", BACKENDS)
def test_interception_names_both_sides(lab, backend):
    world = _world(lab, (WEB, C1), [dnat()], backend)
    run = lab.check("host")
    found = [f for f in run.findings if f["id"] == "intercepted-listener" and f["port"] == 443]
    assert {f["family"] for f in found} == {"ip", "ip6"}
    for finding in found:
        assert finding["subject"]["pid"] == world.listeners["web"].pid
        assert finding["taken_by"]["pid"] == world.listeners["c1"].pid
        assert finding["rule"]["backend"] == backend
        assert "dnat" in finding["rule"]["text"].lower()
        assert finding["severity"] == "critical"
    assert run.code == 2
    by_port = {(x["port"], x["receiver"]["pid"]): x["reached_from_outside"]
               for x in run.json["listeners"] if x["receiver"]}
    assert by_port[443, world.listeners["web"].pid] is False
    assert by_port[80, world.listeners["web"].pid] is True


@pytest.mark.parametrize("first,second,fires", [
    ("iptables-legacy", "nft", True), ("iptables-legacy", "iptables-nft", True),
    ("nft", "nft", False), ("iptables-nft", "iptables-nft", False),
    ("iptables-legacy", "iptables-legacy", False)])
def test_mixed_backends(lab, first, second, fires):
    world = _world(lab, (NO_443, C1), [dnat()], first)
    more = FORWARD_ACCEPT
    world.load(second, more.nft if second == "nft" else more.xt)
    run = lab.check("host")
    assert ("mixed-backends" in _ids(run)) == fires, run.findings


def test_ports_may_be_chosen(lab, edge):
    lab.listen("host", "::", [25, 2222], name="mail")
    run = edgepath("check", "25", "2222", "--netns", lab.name("host"), "--json")
    assert {p["port"] for p in run.json["ports"]} == {25, 2222}
    run = edgepath("check", "--ports", "25", "--netns", lab.name("host"), "--json")
    assert {p["port"] for p in run.json["ports"]} == {25}


WITHOUT = [
    ("rule", "rule:ip/n/prerouting/$handle", "web",
     "nft delete rule ip n prerouting handle $handle"),
    ("chain", "chain:ip/n/prerouting", "web", "nft delete chain ip n prerouting"),
    ("table", "table:ip/n", "web", "nft delete table ip n"),
]


@pytest.mark.parametrize("what,without,name,command", WITHOUT, ids=[w[0] for w in WITHOUT])
def test_without_rules(lab, what, without, name, command):
    """What would be if something were gone, against the kernel once it is gone."""
    world = _world(lab, (WEB, C1), [dnat(families=(4,))], "nft")
    listed = lab.nft("host", ["-a", "list", "chain", "ip", "n", "prerouting"])
    handle = next(line.rsplit("handle ", 1)[1] for line in listed.splitlines()
                  if "dnat to" in line)
    edge = world.edge
    now = lab.path("host", edge.host4, 443, edge.client4, 40001)
    assert now.outcomes[0]["receiver"]["pid"] == world.listeners["c1"].pid
    then = lab.path("host", edge.host4, 443, edge.client4, 40001, "eth0", "--without",
                    without.replace("$handle", handle))
    assert then.outcomes[0]["receiver"]["pid"] == world.listeners[name].pid
    lab.run("host", command.replace("$handle", handle).split())
    assert lab.connect("cl", edge.host4, 443, sport=40001).name == name


def test_without_a_process(lab):
    world = _world(lab, (WEB, C1), [dnat(families=(4,))], "nft")
    edge, c1 = world.edge, world.listeners["c1"]
    then = lab.path("host", edge.host4, 443, edge.client4, 40001, "eth0", "--without",
                    f"pid:{c1.pid}")
    assert then.outcomes[0]["verdict"] == "refused"
    lab.stop(c1)
    assert lab.connect("cl", edge.host4, 443, sport=40001).kind == "refused"

# SPDX-License-Identifier: GPL-2.0-or-later
"""The configuration says who should own a port; check says when somebody else does."""

import re

import pytest

from netlab import edgepath
from scenario import World, listen


def _check(lab, tmp_path, text, *more):
    path = tmp_path / "edgepath.yaml"
    path.write_text(text)
    return lab.check("host", "--config", str(path), *more)


def _unexpected(run):
    return [f for f in run.findings if f["id"] == "unexpected-receiver"]


@pytest.mark.parametrize("backend", ["nft", "iptables-nft", "iptables-legacy"])
def test_somebody_else_receives(lab, tmp_path, backend):
    """nginx should have 443, a DNAT sends it to a container; without the rule nginx gets it."""
    world = World(lab, 4)
    world.listen(listen("nginx", 443))
    world.listen(listen("traefik", 8443, "c1"))
    rules = "table ip n { chain c { type nat hook prerouting priority dstnat; " \
            "tcp dport 443 dnat to $C1:8443; }; }" if backend == "nft" else \
            "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\nCOMMIT\n"
    world.load(backend, rules)
    run = _check(lab, tmp_path, "ports: [443]\nowners:\n  443: process:nginx\n", "-4")
    found = _unexpected(run)
    assert run.code == 2 and len(found) == 1, run.stdout
    assert found[0]["taken_by"]["comm"] == "traefik"
    assert found[0]["subject"]["comm"] == "nginx"
    assert any(r["verified"] and "nginx" in r["then"] for r in found[0]["remedies"]), found
    command = next(r["command"] for r in found[0]["remedies"] if r["verified"])
    real = lab.connect("cl", world.edge.host4, 443, world.edge.client4, 40001)
    assert real.name == "traefik"
    lab.run("host", ["sh", "-c", re.sub(r"^ip netns exec \S+ ", "", command)])
    real = lab.connect("cl", world.edge.host4, 443, world.edge.client4, 40002)
    assert real.name == "nginx"
    run = _check(lab, tmp_path, "ports: [443]\nowners:\n  443: process:nginx\n", "-4")
    assert not _unexpected(run), run.stdout


def test_nobody_and_nobody_else(lab, tmp_path):
    world = World(lab, 4)
    world.listen(listen("nginx", 80))
    text = "owners:\n  80: nobody\n  443: process:nginx\n  9999: nobody\n"
    run = _check(lab, tmp_path, text, "-4")
    found = {f["port"]: f["summary"] for f in _unexpected(run)}
    assert sorted(found) == [80, 443], run.stdout
    assert "nginx" in found[80] and "nobody" in found[80]
    assert "refused" in found[443]
    assert {p["port"] for p in run.json["ports"]} == {80, 443, 8080, 9999}


def test_learn_and_hold(lab, tmp_path):
    """What is learnt holds now, and no longer when a rule changes it."""
    world = World(lab, 4)
    world.listen(listen("nginx", [80, 443]))
    world.listen(listen("other", 8443))
    learnt = edgepath("check", "--netns", lab.name("host"), "--learn", "-4")
    assert learnt.code == 0, learnt.stderr
    assert re.search(r"^  443: process:nginx #", learnt.stdout, re.M), learnt.stdout
    assert re.search(r"^  8080: nobody #", learnt.stdout, re.M), learnt.stdout
    assert not _unexpected(_check(lab, tmp_path, learnt.stdout, "-4"))
    world.load("nft", "table ip n { chain c { type nat hook prerouting priority dstnat; "
               "tcp dport 443 redirect to :8443; }; }")
    assert [f["port"] for f in _unexpected(_check(lab, tmp_path, learnt.stdout, "-4"))] == [443]


def test_errors_name_the_place(lab, tmp_path):
    World(lab, 4)
    for text, place in (("owners:\n  443: traefik\n", ":2:8: traefik names no owner"),
                        ("ports: [80, x]\n", ":1:13: x is no port")):
        run = _check(lab, tmp_path, text)
        assert run.code == 3 and run.stdout == ""
        assert place in run.stderr
    run = lab.check("host", "--config", str(tmp_path / "none.yaml"))
    assert run.code == 3 and "No such file" in run.stderr

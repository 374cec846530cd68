# SPDX-License-Identifier: GPL-2.0-or-later
"""What check advises is done for real: the kernel must then do what was foretold."""

import itertools
import json
import re
import time

import pytest

from netlab import EDGEPATH
from scenario import World, listen
from test_software import UFW

BACKENDS = ["nft", "iptables-nft", "iptables-legacy"]


def _check(lab, *more):
    """From inside the namespace, so that commands are written without a prefix."""
    # lab.run raises on a nonzero exit, which is check's answer.
    out = lab.run("host", ["sh", "-c", f"{EDGEPATH} check --json {' '.join(more)} || true"])
    return json.loads(out)


def _remedies(document, finding):
    return [r for f in document["findings"] if f["id"] == finding for r in f["remedies"]]


def _carry_out(world, remedy, receiver, port=443):
    lab, edge, family = world.lab, world.edge, world.family
    assert remedy["verified"], remedy
    assert receiver in remedy["then"], remedy
    lab.run("host", ["sh", "-ec", remedy["command"]])
    # A process that is told to end does so when it can.
    deadline, real = time.monotonic() + 5, None
    for sport in itertools.count(40009):
        real = lab.connect("cl", edge.host(family), port, edge.client(family), sport)
        if real.name == receiver or time.monotonic() > deadline:
            break
    assert real.name == receiver, f"{remedy}: {real}"


def _nft(hook, rules, policy="accept", kind="filter", priority="filter"):
    return f"table $ip f {{ chain c {{ type {kind} hook {hook} priority {priority}; " \
           f"policy {policy}; {rules} }}; }}"


# name: (finding, rules for nft, rules for iptables, who gets it then)
BLOCKED = {
    "forward-policy": ("forward-blocked",
                       "table $ip n { chain c { type nat hook prerouting priority dstnat; "
                       "tcp dport 443 dnat to $C1:8443; }; }\n"
                       "table $ip f { chain c { type filter hook forward priority 0; policy drop; "
                       "ct state established,related accept; }; }",
                       "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\n"
                       "COMMIT\n*filter\n:FORWARD DROP [0:0]\n"
                       "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\nCOMMIT\n",
                       "c1"),
    "forward-rule": ("forward-blocked",
                     "table $ip n { chain c { type nat hook prerouting priority dstnat; "
                     "tcp dport 443 dnat to $C1:8443; }; }\n"
                     "table $ip f { chain d { tcp dport 8443 drop; }; chain c { type filter hook "
                     "forward priority 0; iifname eth0 jump d; }; }",
                     "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\n"
                     "COMMIT\n*filter\n:DENY - [0:0]\n-A FORWARD -i eth0 -j DENY\n"
                     "-A DENY -p tcp --dport 8443 -j DROP\nCOMMIT\n", "c1"),
    "input-policy": ("no-receiver",
                     "table $ip f { chain c { type filter hook input priority 0; policy drop; "
                     "ct state established,related accept; tcp dport 22 accept; }; }",
                     "*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate "
                     "ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n",
                     "web"),
    "input-rule": ("no-receiver",
                   "table inet f { chain c { type filter hook input priority 0; "
                   "tcp dport { 80, 443 } reject with tcp reset; }; }",
                   "*filter\n-A INPUT -p tcp -m multiport --dports 80,443 -j REJECT "
                   "--reject-with tcp-reset\nCOMMIT\n", "web"),
}


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", BLOCKED)
def test_let_it_pass(lab, name, backend, family):
    finding, nft, xt, receiver = BLOCKED[name]
    world = World(lab, family)
    world.listen(listen("web", 443))
    world.listen(listen("c1", 8443, "c1"))
    world.load(backend, nft if backend == "nft" else xt)
    found = _remedies(_check(lab, "443", f"-{family}"), finding)
    assert len(found) == 1, found
    _carry_out(world, found[0], receiver)


def test_two_blocks_one_behind_the_other(lab):
    world = World(lab, 4)
    world.listen(listen("web", 443))
    world.load("nft", "table inet f { chain c { type filter hook input priority -5; policy drop; "
               "ct state established accept; }; }")
    world.load("iptables-legacy", "*filter\n-A INPUT -p tcp --dport 443 -j DROP\nCOMMIT\n")
    found = _remedies(_check(lab, "443", "-4"), "no-receiver")
    assert " && " in found[0]["command"], found
    _carry_out(world, found[0], "web")


def test_the_programs_own_words(lab):
    """ufw's rules are changed by ufw. Its command is not run here: it would change this machine."""
    world = World(lab, 4)
    world.listen(listen("web", 8443))
    world.load("iptables-nft", UFW)
    found = _remedies(_check(lab, "8443", "-4"), "no-receiver")
    assert found and found[0]["command"] == "ufw allow 8443/tcp" and found[0]["verified"], found


@pytest.mark.parametrize("backend", BACKENDS)
def test_delete_the_rule(lab, backend):
    world = World(lab, 4)
    world.listen(listen("web", 443))
    world.listen(listen("c1", 8443, "c1"))
    world.load(backend, "table ip n { chain c { type nat hook prerouting priority dstnat; "
               "tcp dport 443 dnat to $C1:8443; }; }" if backend == "nft" else
               "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT --to-destination $C1:8443\nCOMMIT\n")
    found = _remedies(_check(lab, "443", "-4"), "intercepted-listener")
    _carry_out(world, found[0], "web")


def test_end_the_other_process(lab, tmp_path):
    """A more specific listener takes the port from the one that the configuration names."""
    world = World(lab, 4)
    world.listen(listen("nginx", 443, reuseport=True))
    world.listen(listen("other", 443, addr="$host", reuseport=True))
    config = tmp_path / "edgepath.yaml"
    config.write_text("owners:\n  443: process:nginx\n")
    found = _remedies(_check(lab, "443", "-4", "--config", str(config)), "unexpected-receiver")
    assert re.fullmatch(rf"kill {world.listeners['other'].pid}", found[0]["command"]), found
    _carry_out(world, found[0], "nginx")

# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets start: outside, in the LAN, on the host, in a container; against real connections."""

import ipaddress

import pytest

from netlab import agree, edgepath, have_edgepath

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

LAN, LAN_HOST, LAN_CLIENT = "192.168.50.0/24", "192.168.50.1", "192.168.50.7"


def lan(lab):
    """Another client in a network of its own, on the host's eth1."""
    lab.ns("lan")
    lab.veth("host", "eth1", [LAN_HOST + "/24"], "lan", "eth0", [LAN_CLIENT + "/24"])
    lab.ip("lan", f"route add default via {LAN_HOST}")
    lab.wait_reachable("lan", LAN_HOST)


def ask(lab, origin, port=443, *more):
    return edgepath("path", "--netns", lab.name("host"), "--origin", origin, str(port), *more, "--json")


def held(lab, edge, sender, dst, family=4, port=443, sport=40000):
    """One connection of a local process, and edgepath's answer for it."""
    said = edgepath("path", "--netns", lab.name("host"), "--json", "--dst", dst, "--dport", str(port),
                    "--sport", str(sport), "--origin",
                    "host" if sender == "host" else f"netns:{lab.name(sender)}")
    real = lab.connect(sender, dst, port, sport=sport)
    assert agree(said, real) is None, (sender, dst, said.stdout)
    return said.outcomes[0]


def test_lan_is_the_other_network(lab, edge):
    lan(lab)
    web = lab.listen("host", "0.0.0.0", 443, name="web")
    lab.nft("host", "table ip f { chain c { type filter hook input priority 0; "
                    "iifname \"eth1\" tcp dport 443 accept; tcp dport 443 drop; }; }")
    said = ask(lab, "lan")
    assert said.json["query"]["origin"] == "lan"
    assert (said.json["query"]["iif"], said.json["query"]["dst"]) == ("eth1", LAN_HOST)
    delivered = [o for o in said.outcomes if o["verdict"] == "delivered"]
    assert [o["receiver"]["pid"] for o in delivered] == [web.pid]
    for outcome in said.outcomes:
        assert all(ipaddress.ip_network(net).subnet_of(ipaddress.ip_network(LAN))
                   for net in outcome["saddr"]), said.stdout
    assert any(ipaddress.ip_address(LAN_CLIENT) in ipaddress.ip_network(net) for net in delivered[0]["saddr"])
    assert lab.connect("lan", LAN_HOST, 443).pid == web.pid
    assert lab.connect("cl", edge.host4, 443).kind == "timeout"
    assert {o["verdict"] for o in ask(lab, "external", 443, "-4").outcomes} == {"dropped"}


def test_lan_of_the_only_uplink(lab, edge):
    lab.listen("host", "0.0.0.0", 443, name="web")
    said = ask(lab, "lan", 443, "-4")
    assert said.json["query"]["iif"] == "eth0"
    assert any("uplink eth0" in note for note in said.json["notes"])
    named = ask(lab, "lan", 443, "-4", "--iif", "br0")
    assert named.json["query"]["dst"] == edge.bridge4
    assert any(ipaddress.ip_address(edge.container(1, 4)) in ipaddress.ip_network(net)
               for o in named.outcomes for net in o["saddr"])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("masquerade", [False, True])
def test_from_a_container(lab, edge, family, masquerade):
    """To its own published port and to the neighbour's, with and without masquerade; by its own rules."""
    ip = "ip6" if family == 6 else "ip"
    at = (lambda n: f"[{edge.container(n, 6)}]") if family == 6 else (lambda n: edge.container(n, 4))
    for short in ("c1", "c2"):
        lab.listen(short, "::", 443, name=short)
    for key in ("iptables", "ip6tables"):
        lab.sysctl("host", f"net.bridge.bridge-nf-call-{key}", 0)
    net = "fd00:18::/64" if family == 6 else "172.18.0.0/16"
    lab.nft("host", f"table {ip} n {{ chain pre {{ type nat hook prerouting priority -100; "
                    f"{ip} daddr {edge.host(family)} tcp dport vmap {{ 1001 : jump a, 1002 : jump b }}; }}; "
                    f"chain a {{ tcp dport 1001 dnat to {at(1)}:443; }}; "
                    f"chain b {{ tcp dport 1002 dnat to {at(2)}:443; }}; "
                    "chain post { type nat hook postrouting priority 100; "
                    + (f"{ip} saddr {net} {ip} daddr {net} masquerade; " if masquerade else "") + "}; }")
    lab.nft("c1", f"table {ip} o {{ chain out {{ type nat hook output priority -100; "
                  f"tcp dport 1003 dnat to {at(2)}:443; tcp dport 1004 redirect to :443; }}; }}")
    host = edge.host(family)
    own = edgepath("path", "--netns", lab.name("host"), "--json", "--dst", host, "--dport", "1001",
                   "--origin", f"netns:{lab.name('c1')}")
    if masquerade:
        assert held(lab, edge, "c1", host, family, 1001)["receiver"]["comm"] == "c1"
        assert held(lab, edge, "c1", host, family, 1002, 40001)["receiver"]["comm"] == "c2"
    elif family == 4:
        # Its own address comes back to it as a source: a martian.
        assert [o["verdict"] for o in own.outcomes] == ["dropped"]
        assert lab.connect("c1", host, 1001, sport=40000).kind == "timeout"
    assert held(lab, edge, "c1", host, family, 1003, 40002)["receiver"]["comm"] == "c2"
    assert held(lab, edge, "c1", host, family, 1004, 40003)["receiver"]["comm"] == "c1"
    assert held(lab, edge, "c1", edge.container(2, family), family, 443, 40004)["receiver"]["comm"] == "c2"
    assert held(lab, edge, "c1", host, family, 443, 40005)["verdict"] == "refused"


@pytest.mark.parametrize("word,says", [
    ("container:nosuch", "nosuch"), ("pod:a/b", "a/b"), ("netns:nosuch", "Known:")])
def test_nobody_of_that_name(lab, edge, word, says):
    said = ask(lab, word)
    assert said.code == 64 and says in said.stderr and said.stdout == ""


def test_works_here_but_not_outside(lab, edge):
    web = lab.listen("host", "::", 443, name="web")
    lab.nft("host", "table ip f { chain c { type filter hook input priority 0; "
                    "iifname \"eth0\" tcp dport 443 drop; }; }")
    run = lab.check("host", "443")
    found = [f for f in run.findings if f["id"] == "origin-divergence"]
    assert [f["family"] for f in found] == ["ip"], run.stdout
    assert "not from outside" in found[0]["summary"]
    assert found[0]["severity"] == "warning"
    text = "\n".join(found[0]["evidence"])
    for part in (f"from outside to {edge.host4}:443: dropped by ip f c",
                 f"from this host to {edge.host4}:443: delivered to web (pid {web.pid})",
                 f"from this host to 127.0.0.1:443: delivered to web (pid {web.pid})"):
        assert part in text, text
    assert lab.connect("cl", edge.host4, 443).kind == "timeout"
    for dst in (edge.host4, "127.0.0.1"):
        assert lab.connect("host", dst, 443).pid == web.pid


def test_bound_to_loopback_is_no_alarm(lab, edge):
    lab.listen("host", "127.0.0.1", 8080, name="dev")
    run = lab.check("host", "8080")
    assert (run.code, run.json["status"]) == (0, "ok")
    assert [(f["id"], f["severity"]) for f in run.findings] == [("origin-divergence", "info")]


def test_check_of_chosen_origins(lab, edge):
    lan(lab)
    web = lab.listen("host", "::", 443, name="web")
    run = lab.check("host", "443", "-4", "--origin", f"external,lan,host,netns:{lab.name('c1')}")
    rows = {(p["origin"], p["address"]) for p in run.json["ports"]}
    assert {("external", edge.host4), ("lan", LAN_HOST), ("host", edge.host4),
            (f"netns:{lab.name('c1')}", edge.host4)} <= rows
    for port in run.json["ports"]:
        assert [o["receiver"]["pid"] for o in port["outcomes"] if o["verdict"] == "delivered"] == [web.pid]
    text = edgepath("check", "--netns", lab.name("host"), "443", "--origin", "lan").stdout
    assert "FROM THE LAN" in text and "FROM OUTSIDE" not in text

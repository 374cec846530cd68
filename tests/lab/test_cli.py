# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands as such: bad input, what may be left out, reading without changing."""

import ipaddress
import os
import re
import shutil
import subprocess

import pytest

from netlab import EDGEPATH, edgepath, have_edgepath

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

USAGE = [
    ("unknown-option", ["path", "443", "--bogus"]),
    ("unknown-option-of-check", ["check", "--bogus"]),
    ("unknown-global-option", ["--bogus"]),
    ("unknown-command", ["frobnicate"]),
    ("path-without-port", ["path"]),
    ("port-zero", ["path", "0"]),
    ("port-too-big", ["path", "70000"]),
    ("port-huge", ["path", "99999999999999999999"]),
    ("port-negative", ["path", "--dport", "-1"]),
    ("port-with-tail", ["path", "443x"]),
    ("port-is-a-word", ["path", "https:"]),
    ("dport-zero", ["path", "--dst", "198.51.100.1", "--dport", "0"]),
    ("dport-too-big", ["path", "--dst", "198.51.100.1", "--dport", "70000"]),
    ("sport-too-big", ["path", "443", "--sport", "65536"]),
    ("check-port-zero", ["check", "0"]),
    ("check-port-too-big", ["check", "70000"]),
    ("ports-list-with-zero", ["check", "--ports", "80,0"]),
    ("bad-address", ["path", "--dst", "999.1.1.1", "--dport", "443"]),
    ("bad-source", ["path", "443", "--src", "not-an-address"]),
    ("source-of-another-family", ["path", "--dst", "198.51.100.1", "--dport", "443",
                                  "--src", "2001:db8::1"]),
    ("address-against-4", ["path", "-4", "--dst", "2001:db8::1", "--dport", "443"]),
    ("address-against-6", ["path", "-6", "--dst", "198.51.100.1", "--dport", "443"]),
    ("value-missing", ["path", "--dst"]),
    ("two-ports", ["path", "443", "444"]),
    ("unknown-origin", ["path", "443", "--origin", "moon"]),
    ("unknown-colour", ["check", "--color", "sometimes"]),
    ("unknown-without", ["path", "443", "--without", "nonsense"]),
]


def one_line(run):
    lines = run.stderr.splitlines()
    assert len(lines) == 1 and lines[0].strip(), f"stderr: {run.stderr!r}"
    assert len(lines[0]) < 300 and "\x1b" not in lines[0]
    return lines[0]


@pytest.mark.parametrize("args", [u[1] for u in USAGE], ids=[u[0] for u in USAGE])
def test_usage_error(lab, args):
    lab.ns("empty")
    run = edgepath(*args, *(["--netns", lab.name("empty")] if args[0] in ("path", "check") and
                            args[-1] != "--dst" else []))
    assert run.code == 64, run
    assert run.stdout == ""
    one_line(run)


@pytest.mark.parametrize("command", [["path", "443"], ["check"]])
@pytest.mark.parametrize("netns", ["ept-no-such-netns", "/run/netns/ept-no-such-netns",
                                   "/proc/self/ns/mnt", "/dev/null", "/"])
def test_netns_is_gone(command, netns):
    run = edgepath(*command, "--netns", netns)
    assert run.code == 3, run
    assert run.stdout == ""
    one_line(run)


def test_unknown_device(lab, edge):
    run = edgepath("path", "--netns", lab.name("host"), "--iif", "nosuch0", "443")
    assert run.code in (3, 64)
    one_line(run)


@pytest.mark.parametrize("args", [["--help"], ["path", "--help"], ["check", "--help"],
                                  ["--version"]])
def test_help(args):
    run = edgepath(*args)
    assert run.code == 0 and run.stdout.strip() and run.stderr == ""
    assert all(len(line) <= 80 for line in run.stdout.splitlines())


@pytest.mark.parametrize("command", [["check"], ["path", "443"]])
def test_not_root(lab, edge, command):
    """One line that says so; what can be found out without is said all the same."""
    lab.listen("host", "0.0.0.0", 443, name="web")
    place = lab.tempdir()
    os.chmod(place, 0o755)
    binary = shutil.copy(EDGEPATH, place)
    os.chmod(binary, 0o755)
    done = subprocess.run(
        lab.argv("host", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                          binary, *command]), capture_output=True, text=True, timeout=30)
    assert done.returncode == 3, done
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert re.search(r"root|privilege|permission|CAP_", done.stderr, re.I), done.stderr


@pytest.mark.parametrize("command", [["check"], ["path", "443"], ["check", "--json"],
                                     ["path", "443", "--json"]])
def test_full_disk(lab, edge, command):
    """Output that cannot be written is an error, not a success."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([EDGEPATH, *command, "--netns", lab.name("host")], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 3, done
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_what_may_be_left_out(lab, edge):
    """A port alone means the first global address, and the device of the default route."""
    lab.listen("host", "::", 443, name="web")
    ns = ["--netns", lab.name("host"), "--json"]
    for args, dst in (
            (["443"], edge.host4), (["-4", "443"], edge.host4), (["-6", "443"], edge.host6),
            ([f"{edge.host4}:443"], edge.host4), ([f"[{edge.host6}]:443"], edge.host6),
            (["--dst", edge.host6, "--dport", "443"], edge.host6),
            (["--dst", edge.host4, "443"], edge.host4)):
        run = edgepath("path", *args, *ns)
        assert run.json, (args, run)
        query = run.json["query"]
        assert (query["dst"], query["dport"], query["iif"]) == (dst, 443, "eth0"), args
        assert (query["src"], query["sport"], query["origin"]) == (None, None, "external")
        assert any(o["verdict"] == "delivered" for o in run.outcomes), (args, run.stdout)


def test_json_stands_alone(lab, edge):
    lab.listen("host", "::", 443, name="web")
    for command in (["check"], ["path", "443"]):
        run = edgepath(*command, "--netns", lab.name("host"), "--json")
        assert run.json["schema"] == f"edgepath.{command[0]}/1"
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", run.json["generated_at"])
        assert run.json["host"]["netns"] == lab.inode("host")
        assert {c["status"] for c in run.json["completeness"]} <= {"complete", "partial", "missing"}
        for source in run.json["completeness"]:
            assert source["status"] == "complete" or source["reason"], source


def test_text_is_for_people(lab, edge):
    """80 columns, no colour in a pipe, the receiver named first."""
    web = lab.listen("host", "::", 443, name="webserver")
    lab.listen("c1", "::", 8443, name="proxy")
    lab.nft("host", "table ip n { chain c { type nat hook prerouting priority -100; "
                    "tcp dport 443 counter dnat to 172.18.0.2:8443; }; }")
    for command in (["check"], ["path", "443"], ["path", "-6", "443"]):
        run = edgepath(*command, "--netns", lab.name("host"))
        assert "\x1b" not in run.stdout
        assert all(len(line) <= 80 for line in run.stdout.splitlines()), run.stdout
        assert ("webserver" if "-6" in command else "proxy") in run.stdout, run.stdout
        assert str(web.pid) in run.stdout or command[0] == "path", run.stdout


def _sample_rules(lab):
    lab.nft("host", """table ip n { map m { type inet_service : verdict; elements = { 80 : drop }; }
        chain c { type nat hook prerouting priority -100; 
            tcp dport 443 counter dnat to 172.18.0.2:8443; }
        chain f { type filter hook input priority 0; tcp dport vmap @m; counter; }; }""")
    lab.iptables_nft("host", "*mangle\n-A PREROUTING -p tcp -j MARK --set-mark 1\nCOMMIT\n")


@pytest.mark.parametrize("legacy", [False, True])
def test_reads_without_changing(lab, edge, legacy):
    """Rules, counters, connections and the set of legacy tables stay as they were."""
    _sample_rules(lab)
    if legacy:
        lab.iptables_legacy("host", "*mangle\n-A INPUT -p tcp --dport 80 -j ACCEPT\nCOMMIT\n")
    lab.listen("host", "::", 443, name="web")
    lab.connect("cl", edge.host4, 443, sport=40001)

    def state():
        return dict(lab.rules("host"), legacy_in_container=lab.read(
            "c1", "/proc/net/ip_tables_names"), conntrack=re.sub(r" \d+ [A-Z_]+ ", " ", lab.run(
                "host", ["conntrack", "-L", "-p", "tcp"], check=False)),
            links=lab.run("host", ["ip", "-o", "link"]),
            qdiscs=lab.run("host", ["tc", "qdisc"]), filters=lab.run(
                "host", ["tc", "filter", "show", "dev", "eth0", "ingress"], check=False))
    before = state()
    assert before["ip_names"].split() == (["mangle"] if legacy else [])
    for args in (["check"], ["path", "443"], ["path", "-6", "80", "--json"], ["check", "--json"]):
        edgepath(*args, "--netns", lab.name("host"))
    assert state() == before


def _measure(outcome, bits):
    sources = sum(2 ** (bits - ipaddress.ip_network(net).prefixlen) for net in outcome["saddr"])
    ports = sum(int(high or low) - int(low) + 1
                for low, _, high in (r.partition("-") for r in outcome["sport"]))
    return sources * ports


@pytest.mark.parametrize("family", [4, 6])
def test_open_query_is_a_partition(lab, edge, family):
    """Outcomes cover every source and port, once."""
    lab.listen("host", "::", 443, name="web")
    lab.listen("c1", "::", 8443, name="c1")
    ip, net, c1 = ("ip6", "2001:db8:2::/64", "[fd00:18::2]") if family == 6 else \
        ("ip", "192.0.2.0/24", "172.18.0.2")
    lab.nft("host", f"""table {ip} n {{
        chain c {{ type nat hook prerouting priority -100;
            {ip} saddr {net} tcp sport 1024-2000 tcp dport 443 dnat to {c1}:8443; }}
        chain i {{ type filter hook input priority 0; tcp sport 5000 drop;
            tcp dport 443 tcp sport > 60000 reject; }}; }}""")
    run = lab.path("host", edge.host(family), 443)
    bits = 128 if family == 6 else 32
    total = sum(_measure(o, bits) for o in run.outcomes)
    # Port 0 belongs to nobody; whether it is counted is left open.
    assert total in (2 ** bits * 65536, 2 ** bits * 65535), run.outcomes
    assert {o["verdict"] for o in run.outcomes} >= {"delivered", "dropped", "rejected"}
    names = {o["receiver"]["comm"] for o in run.outcomes if o["verdict"] == "delivered"}
    assert names == {"web", "c1"}

# SPDX-License-Identifier: GPL-2.0-or-later
"""edgepath against a real Docker Engine: the June outage and what else Docker does to a port.

Every scenario holds `check --json` against curl from a client outside.
"""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from dockerlab import (CLIENT4, CLIENT_OF, EDGE4, EDGE6, PORTS, DockerLab,  # noqa: E402
                       LabUnavailable, answered, holding_for, predicted, wait_until)

NGINX = "pod ingress/nginx-7d9"
TRAEFIK = "container traefik"


def running_lab(legacy):
    try:
        lab = DockerLab(legacy).__enter__()
    except LabUnavailable as why:
        pytest.skip(str(why))
    return lab


@pytest.fixture(scope="module")
def engine():
    lab = running_lab(legacy=False)
    yield lab
    lab.__exit__()


@pytest.fixture
def lab(engine):
    yield engine
    engine.reset()


@pytest.fixture(scope="module")
def legacy_engine():
    lab = running_lab(legacy=True)
    yield lab
    lab.__exit__()


@pytest.fixture(params=["nft", "legacy"])
def any_lab(request):
    """The lab, with dockerd and portmap on iptables-nft, then on iptables-legacy."""
    lab = request.getfixturevalue("engine" if request.param == "nft" else "legacy_engine")
    yield lab
    lab.reset()


def outcomes_of(doc, address, port):
    rows = [row for row in doc["ports"] if row["origin"] == "external"
            and row["address"] == address and row["port"] == port]
    assert len(rows) == 1, f"{len(rows)} rows for {address}:{port} from outside"
    return holding_for(rows[0]["outcomes"], CLIENT_OF[address])


def checked(lab, wanted, ports=PORTS):
    """`check --json`, after holding every port against curl and against what the scenario is
    built for (wanted: address → who)."""
    doc = lab.edgepath_json("check")
    assert doc["schema"] == "edgepath.check/1"
    for address, who in wanted.items():
        for port in ports:
            answer = lab.curl(address, port)
            got = answered(answer)
            assert got == who, f"the lab itself: {address}:{port}"
            outcomes = outcomes_of(doc, address, port)
            assert predicted(outcomes, CLIENT_OF[address]) == got, f"{address}:{port}"
            if answer.saw == CLIENT_OF[address]:
                steps = [s for s in outcomes[0]["steps"] if s["action"] in ("snat", "masquerade")]
                assert not steps, f"{address}:{port}: the server saw the client's own address"
    return doc


def findings(doc, ident, family="ip"):
    return [f for f in doc["findings"] if f["id"] == ident and f["family"] == family]


def assert_intercepted(doc, ports, pod, info):
    """intercepted-listener, critical, on each of `ports`: nginx loses them to Docker's rule."""
    address = info["NetworkSettings"]["Networks"]["hermes-net"]["IPAddress"]
    found = {f["port"]: f for f in findings(doc, "intercepted-listener")}
    assert sorted(found) == sorted(ports)
    for port, finding in found.items():
        assert finding["severity"] == "critical"
        subject, taken = finding["subject"], finding["taken_by"]
        assert subject["comm"] == "nginx" and subject["pid"] in pod.pids
        assert (subject["pod"]["namespace"], subject["pod"]["name"],
                subject["pod"]["container"]) == (pod.namespace, pod.name, pod.container)
        assert taken["comm"] == "traefik" and taken["pid"] == info["State"]["Pid"]
        assert taken["exe"] == "/usr/local/bin/traefik"
        container = taken["container"]
        assert (container["runtime"], container["name"], container["image"],
                container["id"]) == ("docker", "traefik", "traefik:2.11", info["Id"])
        assert (container["compose_project"], container["compose_service"]) == ("edge", "traefik")
        assert f"{address}:{port}" in finding["rule"]["text"]
        outcomes = outcomes_of(doc, EDGE4, port)
        dnat = [s for s in outcomes[0]["steps"] if s["action"] == "dnat"]
        assert len(dnat) == 1
        assert (dnat[0]["table"], dnat[0]["chain"], dnat[0]["hook"]) == (
            "nat", "DOCKER", "prerouting")
        assert dnat[0]["to"] == f"{address}:{port}"
        assert dnat[0]["rule"]["owner"] == {"kind": "docker", "name": "traefik"}
        assert finding["rule"]["position"] == dnat[0]["rule"]["position"]


def test_host_listener(any_lab):
    """The outage: nginx listens on the host, Docker's DNAT rules take IPv4 away from it."""
    lab = any_lab
    info = lab.traefik()
    lab.kill_proxies()
    pod = lab.pod()
    doc = checked(lab, {EDGE4: TRAEFIK, EDGE6: NGINX})
    assert doc["status"] == "critical"
    assert_intercepted(doc, PORTS, pod, info)
    step = next(s for s in outcomes_of(doc, EDGE4, 443)[0]["steps"] if s["action"] == "dnat")
    assert step["rule"]["backend"] == ("iptables-legacy" if lab.legacy else "iptables-nft")
    assert {f["port"] for f in doc["findings"] if f["id"] == "family-divergence"} == set(PORTS)
    reached = {(row["addr"], row["port"]): row["reached_from_outside"]
               for row in doc["listeners"] if row["receiver"].get("comm") == "nginx"}
    for port in PORTS:
        assert reached["0.0.0.0", port] is False
        assert reached["::", port] is True
    assert lab.edgepath("check").returncode == 2

    remedies = [r for f in findings(doc, "intercepted-listener") for r in f["remedies"]
                if r["command"] == "docker stop traefik"]
    assert remedies and all(r["verified"] and "nginx" in r["then"] for r in remedies)
    lab.docker.stop("traefik")
    doc = checked(lab, {EDGE4: NGINX, EDGE6: NGINX})
    assert not findings(doc, "intercepted-listener")


def test_hostport_pod(any_lab):
    """The same with nginx in a pod's namespace, its hostPort rules behind Docker's."""
    lab = any_lab
    info = lab.traefik()
    pod = lab.hostport_pod()
    doc = checked(lab, {EDGE4: TRAEFIK, EDGE6: TRAEFIK})
    assert_intercepted(doc, PORTS, pod, info)
    lab.docker.stop("traefik")
    doc = checked(lab, {EDGE4: NGINX, EDGE6: "refused"})
    outcome = outcomes_of(doc, EDGE4, 443)[0]
    assert outcome["final"]["addr"] == "10.42.0.7" and outcome["receiver"]["pid"] in pod.pids
    step = next(s for s in outcome["steps"] if s["action"] == "dnat")
    assert step["chain"].startswith("CNI-DN-")


def test_without_container(lab):
    """`path --without container:traefik` foretells what docker stop then does."""
    lab.traefik()
    lab.kill_proxies()
    lab.pod()
    foretold = lab.edgepath_json("path", "443", "--without", "container:traefik")
    assert predicted(foretold["outcomes"], CLIENT4) == NGINX
    lab.docker.stop("traefik")
    assert answered(lab.curl(EDGE4, 443)) == NGINX


def test_path_text_names_rule_and_receiver(lab):
    lab.traefik()
    lab.kill_proxies()
    lab.pod()
    done = lab.edgepath("path", "443")
    assert done.returncode == 0, done.stderr
    for words in ("172.18.0.2:443", "DOCKER", "traefik", "nginx"):
        assert words in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\033" not in done.stdout
    # Docker masquerades only what its own networks send; the container sees the client's address.
    assert lab.curl(EDGE4, 443).saw == CLIENT4 and "masquerade" not in done.stdout.lower()


def test_docker_proxy_is_followed(lab):
    """IPv6 has no rule in this Docker: docker-proxy takes it, and it hands on to the container."""
    info = lab.traefik()
    proxies = lab.proxies()
    doc = checked(lab, {EDGE4: TRAEFIK, EDGE6: TRAEFIK})
    for port in PORTS:
        outcome = outcomes_of(doc, EDGE6, port)[0]
        assert outcome["receiver"]["pid"] == info["State"]["Pid"]
        (via,) = outcome["via"]
        assert via["comm"] == "docker-proxy"
        argv = proxies[via["pid"]]
        assert argv[argv.index("-host-port") + 1] == str(port)
        assert outcomes_of(doc, EDGE4, port)[0]["via"] == []
    assert not findings(doc, "intercepted-listener")


def test_published_on_loopback_only(lab):
    lab.traefik(publish=[("127.0.0.1", 8080, 8080)])
    checked(lab, {EDGE4: "refused", EDGE6: "refused"}, ports=(8080,))
    inside = lab.edgepath_json("path", "--origin", "host", "127.0.0.1:8080")
    assert predicted(inside["outcomes"], "127.0.0.1") == TRAEFIK
    assert [via["comm"] for via in inside["outcomes"][0]["via"]] == ["docker-proxy"]
    assert answered(lab.curl("127.0.0.1", 8080, netns=lab.edge)) == TRAEFIK


def test_from_inside_a_container(lab):
    """Its own published port, by its name and by its id; Docker's userland proxy or a hairpin serves it."""
    info = lab.traefik()
    for name in ("traefik", info["Id"][:6]):
        said = lab.edgepath_json("path", "--origin", f"container:{name}", f"{EDGE4}:8080")
        assert said["query"]["origin"] == "container:traefik"
        assert said["routing"]["disagreements"] == []
        (outcome,) = said["outcomes"]
        assert predicted([outcome], "172.18.0.2") == TRAEFIK
    real = lab.run(["nsenter", f"--net=/proc/{info['State']['Pid']}/ns/net", "curl", "-s", "-m", "6", "-o",
                    "/dev/null", "-D", "-", f"http://{EDGE4}:8080/"], check=False)
    assert "x-answered-by: container traefik" in real.stdout.lower() or \
        "traefik" in real.stdout.lower(), real.stdout
    wrong = lab.edgepath("path", "--origin", "container:trafik", "8080")
    assert wrong.returncode == 64 and "did you mean container:traefik" in wrong.stderr


def test_names_when_daemon_is_down(lab):
    """dockerd crashed: the container's name comes from its file under /var/lib/docker."""
    info = lab.traefik()
    lab.crash_dockerd()
    doc = checked(lab, {EDGE4: TRAEFIK, EDGE6: "refused"})
    receiver = outcomes_of(doc, EDGE4, 443)[0]["receiver"]
    assert receiver["pid"] == info["State"]["Pid"]
    assert receiver["container"]["id"] == info["Id"]
    assert receiver["container"]["image"] == "traefik:2.11"
    (docker,) = [c for c in doc["completeness"] if c["source"] == "docker"]
    assert docker["status"] == "partial" and docker["reason"]


def test_rules_outlive_container(lab):
    """dockerd is dead and then the container too: first its namespace is there but nobody in it,
    then nobody owns the rules' target at all."""
    info = lab.traefik()
    pid = info["State"]["Pid"]
    lab.crash_dockerd()
    os.kill(pid, 9)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "the container's process ends")
    doc = checked(lab, {EDGE4: "refused"})
    assert {f["port"] for f in findings(doc, "no-receiver")} == set(PORTS)

    bridge = f"br-{info['NetworkSettings']['Networks']['hermes-net']['NetworkID'][:12]}"
    lab.run(["umount", lab.run(["readlink", "-f", info["NetworkSettings"]["SandboxKey"]]
                               ).stdout.strip()])
    wait_until(lambda: not lab.ip("-br", "link", "show", "master", bridge,
                                  netns=lab.edge).stdout.strip(), "the container's veth goes")
    doc = checked(lab, {EDGE4: "unreachable"}, ports=(443,))
    stale = {f["port"]: f for f in findings(doc, "stale-rule")}
    assert sorted(stale) == sorted(PORTS)
    assert all(f"172.18.0.2:{port}" in f["rule"]["text"] for port, f in stale.items())


def test_second_network(lab):
    """A container on two networks is the same container at both of its addresses."""
    info = lab.traefik(publish=[("", 80, 80)])
    lab.docker.network("obsidian-net", "172.19.0.0/16")
    lab.docker.join("obsidian-net", "traefik")
    checked(lab, {EDGE4: TRAEFIK}, ports=(80,))
    address = lab.docker.inspect("traefik")["NetworkSettings"]["Networks"]["obsidian-net"][
        "IPAddress"]
    rule = ("PREROUTING", "-d", EDGE4, "-p", "tcp", "--dport", "8080", "-j", "DNAT",
            "--to-destination", f"{address}:8080")
    accept = ("DOCKER-USER", "-i", "eth0", "-j", "ACCEPT")
    lab.iptables("-t", "nat", "-I", *rule)
    lab.iptables("-I", *accept)
    try:
        # The container's default route is by the other bridge: its answers come back that way.
        doc = checked(lab, {EDGE4: TRAEFIK}, ports=(8080,))
    finally:
        lab.iptables("-t", "nat", "-D", *rule)
        lab.iptables("-D", *accept)
    outcome = outcomes_of(doc, EDGE4, 8080)[0]
    assert outcome["final"]["addr"] == address
    assert outcome["receiver"]["pid"] == info["State"]["Pid"]


def test_host_network(lab):
    """--network host: no rule, no proxy; the container's process listens on the host."""
    info = lab.docker.run("web", "host", conf="web")
    doc = checked(lab, {EDGE4: "container web", EDGE6: "container web"}, ports=(8080,))
    outcome = outcomes_of(doc, EDGE4, 8080)[0]
    assert outcome["receiver"]["pid"] == info["State"]["Pid"]
    assert outcome["receiver"]["container"]["id"] == info["Id"]
    assert not [s for s in outcome["steps"] if s["action"] == "dnat"]

# SPDX-License-Identifier: GPL-2.0-or-later
"""`edgepath watch`: who of several processes serves, and what userland proxies connect to."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from netlab import have_edgepath
from watching import Watch, held

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")

HERE = os.path.dirname(os.path.abspath(__file__))
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/libexec/docker"


# ---------------------------------------------------------------- workers


PREFORK = """
import os, socket, sys
mode, port = sys.argv[1], int(sys.argv[2])
def listener():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mode == "reuseport":
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("0.0.0.0", port))
    s.listen(128)
    return s
shared = None if mode == "reuseport" else listener()
for n in range(3):
    if os.fork() == 0:
        __import__('ctypes').CDLL(None).prctl(1, 9, 0, 0, 0)
        s = shared or listener()
        os.write(1, b"ready\\n")
        while True:
            c, _ = s.accept()
            if mode != "close":
                c.recv(10)
            c.sendall(b"worker %d\\n" % os.getpid())
            c.close()
os.wait()
"""

CLIENT = """
import socket, sys
for n in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
    s.sendall(b"x")
    print(s.makefile().readline().split()[1])
    s.close()
"""


def talk(lab, ns, dst, port, number):
    said = lab.run(ns, ["/usr/bin/python3", "-c", CLIENT, dst, str(port), str(number)])
    return Counter(map(int, said.split()))


@pytest.mark.parametrize("mode,by", [("prefork", "read"), ("close", "close"),
                                     ("reuseport", "read")])
def test_workers(lab, edge, mode, by):
    """Three processes with one socket, or with one each: the counts are their own."""
    child = lab.spawn("host", ["/usr/bin/python3", "-c", PREFORK, mode, "443"],
                      stdout=subprocess.PIPE)
    for _ in range(3):
        assert child.stdout.readline() == b"ready\n"
    with Watch(lab, "host", flows=False, code=0) as watch:
        served = talk(lab, "cl", edge.host4, 443, 60)
    assert sum(served.values()) == 60
    row = watch.row(port=443)
    assert row["total"] == 60 and row["predicted"] is True
    seen = {w["receiver"]["pid"]: w["connections"] for w in row["workers"]}
    assert seen == served
    if mode != "close":  # a process that writes only is first seen to close
        assert {w["by"] for w in row["workers"]} == {by}


def test_a_worker_that_waits_is_not_guessed(lab, edge):
    """Accepted, but neither read nor closed: it counts for the holder of the socket, and says so."""
    script = PREFORK.replace("c.recv(10)", "import time; time.sleep(600)")
    child = lab.spawn("host", ["/usr/bin/python3", "-c", script, "prefork", "443"],
                      stdout=subprocess.PIPE)
    for _ in range(3):
        child.stdout.readline()
    with Watch(lab, "host", flows=False, code=0) as watch:
        lab.connect("cl", edge.host4, 443, sport=41000)
    (worker,) = watch.row(port=443)["workers"]
    assert (worker["connections"], worker["by"]) == (1, "listener")


def test_accept_by_io_uring(lab, edge, tmp_path):
    """Two processes, one socket, and accept, recv and send by io_uring: no system call tells of it."""
    if not shutil.which("gcc"):
        pytest.skip("gcc is not installed")
    program = tmp_path / "uring"
    subprocess.run(["gcc", "-O1", "-o", program, os.path.join(HERE, "..", "lib", "uring_accept.c")],
                   check=True)
    child = lab.spawn("host", [str(program), "443", "2"], stdout=subprocess.PIPE)
    first = child.stdout.readline()
    if first == b"no io_uring\n":
        pytest.skip("this kernel refuses io_uring")
    assert first == b"ready\n"
    with Watch(lab, "host", flows=False, code=0) as watch:
        served = talk(lab, "cl", edge.host4, 443, 20)
    row = watch.row(port=443)
    assert {w["receiver"]["pid"]: w["connections"] for w in row["workers"]} == served
    assert {w["by"] for w in row["workers"]} == {"read"}


# ---------------------------------------------------------------- userland proxies


@pytest.fixture
def docker_proxy(lab, edge):
    program = shutil.which("docker-proxy", path=PATH)
    if not program:
        pytest.skip("docker-proxy is not installed")

    def start(host_ip, container_port):
        child = lab.spawn("host", ["sh", "-c", 'exec "$0" "$@" 3>&1', program, "-proto", "tcp",
                                   "-host-ip", host_ip, "-host-port", "443", "-container-ip",
                                   edge.container(1, 4), "-container-port", str(container_port)],
                          stdout=subprocess.PIPE)
        assert child.stdout.readline().startswith(b"0")
        return child.pid
    return start


@pytest.mark.parametrize("family", [4, 6])
def test_docker_proxy(lab, edge, docker_proxy, family):
    """What ends in the proxy is told with the proxy's own connection into the container."""
    pid = docker_proxy("::" if family == 6 else "0.0.0.0", 8443)
    c1 = lab.listen("c1", "0.0.0.0", 8443, name="c1")
    dst = edge.host(family)
    with Watch(lab, "host", code=0) as watch:
        for sport in range(41000, 41010):
            real = lab.connect("cl", dst, 443, sport=sport)
            assert real.pid == c1.pid
        # The host's own connection to the container is none of an edge port.
        assert lab.connect("host", edge.container(1, 4), 8443).pid == c1.pid
    flow = watch.flow(edge.client(family), 41009)
    held(flow, real, dst, 443)
    assert flow["via"]["pid"] == pid and flow["predicted"] is True
    row = watch.row(port=443)
    assert (row["total"], row["via"]["comm"]) == (10, "docker-proxy")
    assert row["receiver"]["pid"] == c1.pid and len(watch.rows) == 1


def test_docker_proxy_with_a_dead_target(lab, edge, docker_proxy):
    """The client is accepted by the proxy, which is refused by the container."""
    pid = docker_proxy("0.0.0.0", 9999)
    with Watch(lab, "host") as watch:
        lab.connect("cl", edge.host4, 443, sport=41000)
    landed = watch.row(port=443, result="landed")
    assert landed["receiver"]["pid"] == pid and landed["total"] == 1
    refused = watch.row(port=443, result="refused")
    assert refused["via"]["pid"] == pid and refused["total"] == 1
    assert landed["predicted"] is True and refused["predicted"] is True
    assert (refused["final"]["addr"], refused["final"]["port"]) == (edge.container(1, 4), 9999)


def test_real_docker():
    """A published port of a real Engine: IPv4 by its rules, IPv6 by docker-proxy."""
    import json
    from dockerlab import CLIENT4, CLIENT6, EDGE4, EDGE6, DockerLab, LabUnavailable, answered
    try:
        lab = DockerLab().__enter__()
    except LabUnavailable as why:
        pytest.skip(str(why))
    try:
        info = lab.traefik()
        child = lab.popen_edgepath("watch", "--json", "--flows")
        assert json.loads(child.stdout.readline())["type"] == "start"
        assert answered(lab.curl(EDGE4, 443)) == answered(lab.curl(EDGE6, 443)) \
            == "container traefik"
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=30)
        pieces = [json.loads(line) for line in out.splitlines()]
        flows = {p["address"]: p for p in pieces if p["type"] == "flow"}
        assert (flows[EDGE4]["src"], flows[EDGE6]["src"]) == (CLIENT4, CLIENT6)
        for flow in flows.values():
            assert flow["receiver"]["pid"] == info["State"]["Pid"]
            assert flow["receiver"]["container"]["name"] == "traefik"
            assert flow["predicted"] is True
        assert flows[EDGE4]["via"] is None and flows[EDGE6]["via"]["comm"] == "docker-proxy"
    finally:
        lab.__exit__(None, None, None)

# SPDX-License-Identifier: GPL-2.0-or-later
"""Real userland proxies on the host: who gets what they pass on, against a real connect()."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

import pytest

from netlab import LabError, Result, agree
from nsworker import _parse

LIB = os.path.join(os.path.dirname(__file__), "..", "lib")
PROXYD = "/lib/systemd/systemd-socket-proxyd"

# A socket for systemd-socket-proxyd as systemd hands it over: sd_listen_fds(3).
ACTIVATE = """
import os, socket, sys
addr, port, *argv = sys.argv[1:]
s = socket.socket(socket.AF_INET6 if ":" in addr else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((addr, int(port)))
s.listen(16)
os.dup2(s.fileno(), 3) if s.fileno() != 3 else os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(argv[0], argv)
"""

# A listener of netlab's kind, for namespaces that a proxy makes.
SERVE = """
import sys
sys.path.insert(0, sys.argv[1])
from nsworker import _listening_socket, _serve
_serve([_listening_socket({"addr": "0.0.0.0", "port": int(p)}) for p in sys.argv[2:]], "inner")
"""


# pasta of 2023 acknowledges nothing before the client has spoken, so this client speaks first.
TALK = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3,
                             ("", int(sys.argv[3])) if sys.argv[3] != "0" else None)
s.sendall(b"hello\\n")
sys.stdout.write(s.makefile().readline())
"""


ANSWER = """
import os, select, socket, sys
socks = [socket.create_server(("0.0.0.0", int(p))) for p in sys.argv[1:]]
while True:
    for s in select.select(socks, [], [])[0]:
        conn, peer = s.accept()
        with conn:
            here = conn.getsockname()
            conn.recv(100)
            conn.sendall(f"inner {os.getpid()} {here[0]} {here[1]} {peer[0]} {peer[1]}\\n".encode())
"""


def answer(lab, ns, *ports):
    """A listener that reads before it says its name; its pid."""
    child = lab.spawn(ns, ["/usr/bin/python3", "-c", ANSWER, *map(str, ports)])
    for port in ports:
        wait_listening(lab, ns, port, child)
    return child.pid


def talk(lab, ns, dst, port, sport=0):
    said = lab.run(ns, ["/usr/bin/python3", "-c", TALK, dst, str(port), str(sport)], check=False)
    return Result(**_parse(said.encode()))


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def wait_listening(lab, ns, port, child, path=None, deadline=15):
    """Until somebody listens on the port: in the lab's namespace, or that of a process."""
    end = time.monotonic() + deadline
    want = f":{port:04X} "
    while time.monotonic() < end:
        for table in ("tcp", "tcp6"):
            rows = lab.read(ns, f"/proc/net/{table}") if path is None else open(
                f"{path}/net/{table}").read()
            if any(want in row.split(" st ")[0][:50] and " 0A " in row
                   for row in rows.splitlines()):
                return
        try:
            child.wait(0.02)
            raise LabError(f"the proxy ended with {child.returncode}")
        except subprocess.TimeoutExpired:
            pass
    raise LabError(f"nobody came to listen on port {port}")


def proxy(lab, argv, port, ns="host"):
    child = lab.spawn(ns, argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL)
    wait_listening(lab, ns, port, child)
    return child


def socat(lab, port, to, family=4, ns="host"):
    return proxy(lab, ["socat", f"TCP{family}-LISTEN:{port},fork,reuseaddr", to], port, ns)


def proxyd(lab, port, to, addr="0.0.0.0", ns="host"):
    if not os.access(PROXYD, os.X_OK):
        pytest.skip("systemd-socket-proxyd is not installed")
    return proxy(lab, ["/usr/bin/python3", "-c", ACTIVATE, addr, str(port), PROXYD, to], port, ns)


def hold(lab, edge, port, via, family=4, src=None, sport=40000):
    """One connection from the client, and what edgepath says of it: the same receiver, and via."""
    dst = edge.host4 if family == 4 else edge.host6
    src = src or (edge.client4 if family == 4 else edge.client6)
    real = lab.connect("cl", dst, port, src=src, sport=sport, timeout=1)
    run = lab.path("host", dst, port, src, sport)
    assert real.kind == "delivered", real
    assert agree(run, real) is None
    assert [v["comm"] for v in run.outcomes[0]["via"]] == via
    return run.outcomes[0]


def addr_of(edge, number, family):
    addr = edge.container(number, family)
    return addr if family == 4 else f"[{addr}]"


@pytest.mark.parametrize("family", (4, 6))
def test_socat(lab, edge, family):
    need("socat")
    lab.listen("c1", "0.0.0.0" if family == 4 else "::", 8443, name="c1")
    socat(lab, 8080, f"TCP{family}:{addr_of(edge, 1, family)}:8443", family)
    out = hold(lab, edge, 8080, ["socat"], family)
    assert out["final"]["netns"] == lab.inode("c1")


def test_socat_to_a_name(lab, edge):
    need("socat")
    # A dual-stack listener is both of localhost's addresses.
    web = lab.listen("host", "::", 9000, name="web")
    child = socat(lab, 8080, "TCP:localhost:9000")
    assert lab.connect("cl", edge.host4, 8080).pid == web.pid
    said = lab.path("host", edge.host4, 8080, edge.client4, 40000).outcomes
    assert {o["verdict"] for o in said} == {"unknown"} or said[0]["receiver"]["pid"] == web.pid
    child.kill()
    child.wait()
    only = socat(lab, 8081, "TCP4:localhost:9000")
    assert hold(lab, edge, 8081, ["socat"])["final"]["addr"] == "127.0.0.1"
    other = socat(lab, 8082, "TCP:no-such-host.invalid:9000")
    for port, child in ((8082, other), (8083, socat(lab, 8083, "EXEC:cat"))):
        run = lab.path("host", edge.host4, port, edge.client4, 40000)
        assert [o["verdict"] for o in run.outcomes] == ["delivered"]
        assert run.outcomes[0]["receiver"]["comm"] == "socat"
        assert "is a proxy" in run.outcomes[0]["reason"]
    assert only.poll() is None


@pytest.mark.parametrize("family", (4, 6))
def test_socket_proxyd(lab, edge, family):
    lab.listen("c1", "0.0.0.0" if family == 4 else "::", 8443, name="c1")
    if family == 6:
        # Where the host is in brackets, this version resolves nothing: the first colon from the end.
        proxyd(lab, 8080, f"{edge.container(1, 6)}:8443", addr="::")
    else:
        proxyd(lab, 8080, f"{edge.container(1, 4)}:8443")
    hold(lab, edge, 8080, ["systemd-socket-"], family)


def test_socket_proxyd_to_a_unix_socket(lab, edge):
    proxyd(lab, 8080, "/run/no-such-socket")
    run = lab.path("host", edge.host4, 8080, edge.client4, 40000)
    assert run.outcomes[0]["receiver"]["comm"] == "systemd-socket-"
    assert "/run/no-such-socket" in run.outcomes[0]["reason"]


def test_proxies_in_a_row(lab, edge):
    need("socat")
    lab.listen("c2", "0.0.0.0", 9443, name="c2")
    proxyd(lab, 8443, f"{edge.container(2, 4)}:9443", ns="c1")
    socat(lab, 8080, f"TCP:{edge.container(1, 4)}:8443")
    hold(lab, edge, 8080, ["socat", "systemd-socket-"])
    # The second hop is filtered by the container's own rules.
    lab.nft("c1", "table ip f { chain o { type filter hook output priority 0; "
                  "tcp dport 9443 reject with tcp reset; }\n}")
    run = lab.path("host", edge.host4, 8080, edge.client4, 40000)
    assert [o["verdict"] for o in run.outcomes] == ["rejected"]


def pasta(lab, *ports):
    need("pasta")
    lab.ns("box")
    return proxy(lab, ["pasta", "--config-net", "-f", "-q", "--netns-only", "--runas", "0",
                       *(w for p in ports for w in ("-t", p)), "-u", "none", "-T", "none",
                       "-U", "none", "--netns", "/run/netns/" + lab.name("box")], 8080)


def test_pasta(lab, edge):
    pasta(lab, "8080:80,8443-8444:443-444")
    box = answer(lab, "box", 80, 443, 444)
    for sport, (port, inner) in enumerate(((8080, 80), (8443, 443), (8444, 444)), 40000):
        real = talk(lab, "cl", edge.host4, port, sport)
        run = lab.path("host", edge.host4, port, edge.client4, sport)
        assert (real.pid, real.port) == (box, inner), real
        assert agree(run, real) is None
        assert run.outcomes[0]["via"][0]["comm"].startswith("pas")
        assert real.peer == edge.client4
    # A local client's data comes by a socket, and it depends on the version whose address that has.
    real = talk(lab, "host", "127.0.0.1", 8080)
    run = lab.path("host", "127.0.0.1", 8080, None, None, None, "--origin", "host")
    assert real.pid == box
    assert all(o["verdict"] == "unknown" or o["receiver"]["pid"] == box for o in run.outcomes)


def test_pasta_shows_the_client(lab, edge):
    """Rules of the namespace see the client's own address, since pasta makes packets of it."""
    pasta(lab, "8080:80")
    answer(lab, "box", 80)
    lab.nft("box", "table ip f { chain i { type filter hook input priority 0; "
                   f"ip saddr {edge.client4} tcp dport 80 drop; }}\n}}")
    real = talk(lab, "cl", edge.host4, 8080, 40000)
    run = lab.path("host", edge.host4, 8080, edge.client4, 40000)
    assert real.kind != "delivered"
    assert [o["verdict"] for o in run.outcomes] == ["dropped"]


@pytest.mark.parametrize("driver", ("builtin", "slirp4netns"))
def test_rootlesskit(lab, edge, driver):
    need("rootlesskit", "slirp4netns", "newuidmap")
    home = lab.tempdir()
    subid = os.path.join(home, "subid")
    with open(subid, "w") as table:
        table.write("root:100000:65536\n")
    inner = f"mount --bind {subid} /etc/subuid && mount --bind {subid} /etc/subgid && " \
        f"exec rootlesskit --state-dir {home}/state --net=slirp4netns --port-driver={driver} " \
        f"-p 0.0.0.0:8080:80/tcp -p 0.0.0.0:8443:127.0.0.1:443/tcp " \
        f"/usr/bin/python3 -c '{SERVE}' {LIB} 80 443"
    if driver == "slirp4netns":
        inner = inner.replace("127.0.0.1:443", "443")
    child = lab.spawn("host", ["unshare", "-m", "sh", "-c", inner], stdin=subprocess.DEVNULL,
                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                      env=dict(os.environ, HOME=home, XDG_RUNTIME_DIR=home))
    wait_listening(lab, "host", 8443, child)
    with open(os.path.join(home, "state", "child_pid")) as pid_file:
        inner_pid = int(pid_file.read())
    wait_listening(lab, "host", 443, child, path=f"/proc/{inner_pid}")
    for sport, (port, to) in enumerate(((8080, 80), (8443, 443)), 40000):
        real = lab.connect("cl", edge.host4, port, sport=sport, timeout=1)
        run = lab.path("host", edge.host4, port, edge.client4, sport)
        assert (real.name, real.port) == ("inner", to)
        assert agree(run, real) is None
        assert run.outcomes[0]["via"][0]["comm"] == \
            ("rootlesskit" if driver == "builtin" else "slirp4netns")


# Podman as a user of no rights: it needs a name, subordinate ids, a tun device and one kind of cgroups.
PODMAN = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mknod {dir}/tun c 10 200 && chmod 666 {dir}/tun && mount --bind {dir}/tun /dev/net/tun
for f in passwd group subuid subgid; do mount --bind {dir}/$f /etc/$f; done
cd / && exec setpriv --reuid 12345 --regid 12345 --clear-groups env -i PATH="$PATH" \\
    HOME={dir}/home XDG_RUNTIME_DIR={dir}/run sh {dir}/user.sh
"""
PODMAN_USER = """
cd "$HOME"
pod="podman --storage-driver vfs --cgroup-manager cgroupfs --runtime crun"
mkdir -p image/bin && cp {busybox} image/bin/busybox && tar -C image -c . | $pod import - edge:1
$pod run -d --cgroups=disabled --name web --network slirp4netns:port_handler={handler} \\
    -p 8080:80 -p 8443-8444:443-444 edge:1 /bin/busybox sleep 100 || exit 1
exec sleep 100
"""


def podman(lab, handler):
    """A rootless container; returns a process of it."""
    need("podman", "crun", "slirp4netns", "newuidmap", "setpriv", "busybox")
    where = lab.tempdir()
    os.chmod(where, 0o755)
    for name, extra in (("passwd", f"edge:x:12345:12345::{where}/home:/bin/sh"),
                        ("group", "edge:x:12345:")):
        with open("/etc/" + name) as old, open(os.path.join(where, name), "w") as new:
            new.write(old.read().rstrip("\n") + "\n" + extra + "\n")
    for name in ("subuid", "subgid"):
        with open(os.path.join(where, name), "w") as new:
            new.write("edge:200000:65536\n")
    for name in ("home", "run"):
        os.mkdir(os.path.join(where, name))
        os.chown(os.path.join(where, name), 12345, 12345)
    with open(os.path.join(where, "user.sh"), "w") as script:
        script.write(PODMAN_USER.format(handler=handler, busybox=shutil.which("busybox")))
    log = open(os.path.join(where, "log"), "w")
    # Whatever it starts lives in a pid namespace of its own, and ends with it.
    child = lab.spawn("host", ["unshare", "--mount", "--pid", "--fork", "--kill-child",
                               "sh", "-c", "mount -t proc proc /proc; " + PODMAN.format(dir=where)],
                      stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_listening(lab, "host", 8444, child, deadline=40)
    except LabError:
        with open(os.path.join(where, "log")) as text:
            pytest.skip("rootless Podman does not run here: " + text.read()[-300:])
    # Podman has the ports before the container's process runs.
    end = time.monotonic() + 20
    while time.monotonic() < end:
        inner = inside(os.readlink(f"/proc/{child.pid}/ns/pid_for_children"))
        if inner:
            return inner
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise LabError(f"Podman ended with {child.wait(0.02)}")
    raise LabError("the container's process is not there")


def inside(pid_namespace):
    """The `busybox sleep` somewhere below a pid namespace; None if it is not there (yet)."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline") as words:
            if words.read() == "/bin/busybox\0sleep\x00100\0" and \
                    pid_namespace in ancestors(pid):
                return int(pid)
    return None


def ancestors(pid):
    """Pid namespaces of a process and those above it."""
    found = []
    while int(pid) > 1:
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/ns/pid"))
        with open(f"/proc/{pid}/stat") as text:
            pid = text.read().rsplit(")", 1)[1].split()[1]
    return found


def test_podmans_rootlessport(lab, edge):
    inner = podman(lab, "rootlesskit")
    child = lab.spawn("host", ["nsenter", f"--net=/proc/{inner}/ns/net", "/usr/bin/python3", "-c",
                               SERVE, LIB, "80", "443", "444"])
    wait_listening(lab, "host", 444, child, path=f"/proc/{inner}")
    for sport, (port, to) in enumerate(((8080, 80), (8443, 443), (8444, 444)), 40000):
        real = lab.connect("cl", edge.host4, port, sport=sport, timeout=1)
        run = lab.path("host", edge.host4, port, edge.client4, sport)
        assert (real.name, real.port) == ("inner", to)
        assert agree(run, real) is None
        assert run.outcomes[0]["via"][0]["comm"] == "rootlessport"


if __name__ == "__main__":
    sys.exit("run by pytest")

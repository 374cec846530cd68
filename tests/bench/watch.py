#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What watching costs: connections per second and bulk throughput through a DNATed nginx, with nothing
beside it and with `edgepath watch`, tcpdump, bpftrace and `nft monitor trace`.

    tests/bench/watch.py [--runs N] [--seconds S] [--connections N]

Every watcher is measured in pairs with nothing, in turn, and the median of the pairs' ratios is shown
with the smallest and the largest. Exit 1 if a target is missed.
"""

import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(os.path.dirname(_HERE), "lib")]

import netlab

NGINX = """daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error crit;
events {{ worker_connections 4096; }}
http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c;
uwsgi_temp_path {0}/d; scgi_temp_path {0}/e; sendfile on;
server {{ listen 8443 backlog=4096; root {0}/www; }} }}
"""
TRACE = ("table ip trace {{ chain c {{ type filter hook prerouting priority -400; "
         "tcp dport 443 tcp flags syn / syn,ack meta nftrace set 1; }}; }}")
BPFTRACE = "tracepoint:syscalls:sys_exit_accept4 /args->ret >= 0/ { @[comm] = count(); }"

# bpftrace wants these file systems; they go with the mount namespace.
TRACING = ("mount -t debugfs debugfs /sys/kernel/debug; mount -t tracefs tracefs /sys/kernel/tracing; "
           'exec bpftrace -e "$0"')


class Bench:
    def __init__(self, lab, seconds):
        self.lab, self.seconds = lab, seconds
        self.edge = netlab.edge_topology(lab, containers=1)
        folder = lab.tempdir()
        self.client = os.path.join(folder, "connections")
        subprocess.run(["gcc", "-O2", "-pthread", "-o", self.client,
                        os.path.join(_HERE, "connections.c")], check=True)
        www = os.path.join(folder, "www")
        os.makedirs(www)
        os.chmod(folder, 0o755)
        with open(os.path.join(www, "index.html"), "w") as page:
            page.write("a page\n" * 20)
        with open(os.path.join(www, "big"), "wb") as big:
            big.truncate(1 << 30)
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w") as text:
            text.write(NGINX.format(folder))
        lab.spawn("c1", ["nginx", "-c", conf, "-e", os.path.join(folder, "error")])
        lab.iptables_nft("host", "*nat\n-A PREROUTING -p tcp --dport 443 -j DNAT "
                         "--to-destination 172.18.0.2:8443\nCOMMIT\n")
        lab.sysctl("cl", "net.ipv4.ip_local_port_range", "1024 65535")
        lab.sysctl("host", "net.netfilter.nf_conntrack_tcp_timeout_close", 1)
        while lab.connect("cl", self.edge.host4, 443).kind == "refused":
            pass

    def run(self, what, seconds=None):
        """Connections, or bytes, per second; and how many."""
        out = self.lab.run("cl", [self.client, what, self.edge.host4, "443",
                                  str(seconds or self.seconds)])
        number, failed, took = out.split()
        if int(failed):
            raise netlab.LabError(f"{failed} connections failed")
        return int(number) / float(took), int(number)

    # -- watchers: each is running inside the block

    @contextlib.contextmanager
    def nothing(self):
        yield None

    @contextlib.contextmanager
    def _child(self, ns, argv, ready=b""):
        """Its output goes to a file: nobody has to read it meanwhile."""
        with tempfile.TemporaryFile() as log:
            child = self.lab.spawn(ns, argv, stdout=log, stderr=subprocess.STDOUT)
            try:
                while ready not in os.pread(log.fileno(), 1 << 16, 0):
                    if child.poll() is not None:
                        said = os.pread(log.fileno(), 300, 0).decode(errors="replace").strip()
                        raise netlab.LabError(f"{argv[0]} does not run here: {said}")
                    select.select([], [], [], 0.01)
                yield child
            finally:
                if child.poll() is None:
                    child.send_signal(signal.SIGINT)
                child.wait(30)
                size = os.fstat(log.fileno()).st_size
                self.last = os.pread(log.fileno(), 1 << 20, max(0, size - (1 << 20))).decode()

    def edgepath(self, *args):
        return self._child("host", [netlab.EDGEPATH, "watch", "--json", "443", *args],
                           b'"type":"start"')

    def conntrack(self):
        return self.edgepath("--source", "conntrack")

    def flows(self):
        return self.edgepath("--flows")

    def tcpdump(self):
        return self._child("host", ["tcpdump", "-n", "-i", "eth0", "-w", "/dev/null",
                                    "tcp dst port 443"], b"listening on")

    def bpftrace(self):
        return self._child("host", ["unshare", "--mount", "sh", "-c", TRACING, BPFTRACE],
                           b"Attaching")

    @contextlib.contextmanager
    def nft_trace(self):
        self.lab.nft("host", TRACE.format())
        try:
            with self._child("host", ["nft", "monitor", "trace"]) as child:
                yield child
        finally:
            self.lab.run("host", ["nft", "delete", "table", "ip", "trace"])


def resident_mb(child):
    with open(f"/proc/{child.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def row(what, ours, theirs, ratios, target):
    ratio = statistics.median(ratios)
    met = target is None or ratio >= target
    goal = f">= {target}  {'met' if met else 'MISSED'}" if target else ""
    print(f"{what:<42} {ours:>12} {theirs:>12} {ratio:>7.3f} {min(ratios):>6.3f} {max(ratios):>6.3f}  "
          f"{goal}", flush=True)
    return not met


def compare(bench, what, name, watcher, runs, target):
    unit, scale = ("/s", 1) if what == "rate" else (" MB/s", 1e6)
    base, mine = [], []
    for _ in range(runs):
        base.append(bench.run(what)[0])
        with watcher():
            mine.append(bench.run(what)[0])
    return row(f"{what}: {name}", f"{statistics.median(mine) / scale:.0f}{unit}",
               f"{statistics.median(base) / scale:.0f}{unit}",
               [a / b for a, b in zip(mine, base)], target)


def exactness(bench, connections):
    """As many connections as asked for, as fast as the machine makes them: none uncounted."""
    made, seconds = 0, 0.0
    with bench.edgepath() as child:
        while made < connections:
            rate, number = bench.run("rate", max(2.0, min(30.0, (connections - made) / 8000)))
            made += number
            seconds += number / rate
        resident = resident_mb(child)
    end = [json.loads(line) for line in bench.last.splitlines()[-1:]][-1]
    counted = sum(r["total"] for r in end["rows"] if r["result"] == "landed")
    books = end["accounting"]
    good = counted == made and not books["unrowed"] and \
        books["seen"] == books["delivered"] + books["lost"]
    print(f"counts: {made} connections at {made / seconds:.0f}/s, {counted} counted, "
          f"{books['lost']} of {books['seen']} single ones lost  {'met' if good else 'MISSED'}")
    print(f"memory: {resident:.1f} MB resident after {made} connections  < 24 MB  "
          f"{'met' if resident < 24 else 'MISSED'}", flush=True)
    return (not good) + (resident >= 24)


def main():
    parser = argparse.ArgumentParser(description="what watching costs")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=1000000)
    options = parser.parse_args()
    if os.geteuid():
        print("bench: needs root")
        return 77
    missing = [p for p in ("nginx", "gcc") if not shutil.which(p)]
    if missing:
        print("bench: not installed: " + ", ".join(missing))
        return 77
    missed = 0
    print(f"{'what':<42} {'with':>12} {'without':>12} {'ratio':>7} {'min':>6} {'max':>6}  target")
    with netlab.Lab() as lab:
        bench = Bench(lab, options.seconds)
        bench.run("rate")
        watchers = [("nothing", bench.nothing, None, None),
                    ("edgepath watch", bench.edgepath, 0.98, 0.99),
                    ("edgepath watch --source conntrack", bench.conntrack, None, None),
                    ("edgepath watch --flows", bench.flows, None, None),
                    ("tcpdump -w", bench.tcpdump, None, None),
                    ("bpftrace, accept4", bench.bpftrace, None, None),
                    ("nft monitor trace", bench.nft_trace, None, None)]
        for what, column in (("rate", 2), ("bulk", 3)):
            for entry in watchers:
                name, watcher = entry[:2]
                program = name.split()[0].rstrip(",")
                if program not in ("nothing", "edgepath") and not shutil.which(program):
                    print(f"{what}: {name}: {program} is not installed")
                    continue
                try:
                    missed += compare(bench, what, name, watcher, options.runs, entry[column])
                except netlab.LabError as why:
                    print(f"{what}: {name}: {why}")
        missed += exactness(bench, options.connections)
    print("all targets met" if not missed else f"{missed} targets missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

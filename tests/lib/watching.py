# SPDX-License-Identifier: GPL-2.0-or-later
"""`edgepath watch` beside a lab: what it tells, held against what the connections met.

    with Watch(lab, "host") as watch:
        real = lab.connect("cl", edge.host4, 443, sport=41000)
    flow = watch.flow(edge.client4, 41000)
"""

import json
import os
import select
import signal
import subprocess
import time

import netlab

DEADLINE = 20


class Watch:
    """Runs until the block ends, then Ctrl-C; .pieces are all objects, .rows the totals."""

    def __init__(self, lab, ns, *args, flows=True, prefix=(), code=None):
        options = ["--flows"] if flows else []
        self.argv = [*prefix, netlab.EDGEPATH, "watch", "--netns", lab.name(ns), "--json",
                     *options, *map(str, args)]
        self.pieces, self.buffer, self.want_code = [], b"", code

    def __enter__(self):
        self.child = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait(lambda piece: piece["type"] == "start")
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind is None and self.want_code is not None:
            assert self.code == self.want_code, (self.code, self.stderr)

    def _read(self, timeout):
        """Takes what there is; False at the end of the stream."""
        if not select.select([self.child.stdout], [], [], timeout)[0]:
            return True
        data = os.read(self.child.stdout.fileno(), 1 << 20)
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        self.pieces += [json.loads(line) for line in lines if line]
        return bool(data)

    def wait(self, is_it, deadline=DEADLINE):
        """The first piece, of those before or to come, for which is_it() holds."""
        end, looked_at = time.monotonic() + deadline, 0
        while True:
            for piece in self.pieces[looked_at:]:
                if is_it(piece):
                    return piece
            looked_at = len(self.pieces)
            left = end - time.monotonic()
            assert left > 0, f"{self.argv}: it did not come; {self.pieces[-3:]}"
            if not self._read(left):
                raise AssertionError(f"{self.argv}: ended: {self.child.stderr.read().decode()}")

    def wait_total(self, number, result=None):
        """Until so many connections were counted in an interval's totals."""
        self.wait(lambda p: p["type"] == "interval" and number <= sum(
            r["total"] for r in p["rows"] if result in (None, r["result"])))

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        end = time.monotonic() + DEADLINE
        while self._read(0.2) and time.monotonic() < end:
            pass
        self.code = self.child.wait(DEADLINE)
        self.stderr = self.child.stderr.read().decode()
        self.child.stdout.close()
        self.child.stderr.close()

    @property
    def flows(self):
        return [p for p in self.pieces if p["type"] == "flow"]

    @property
    def rows(self):
        assert self.pieces[-1]["type"] == "end", self.stderr
        return self.pieces[-1]["rows"]

    @property
    def accounting(self):
        return self.pieces[-1]["accounting"]

    def flow(self, src, sport):
        found = [f for f in self.flows if (f["src"], f["sport"]) == (src, sport)]
        assert len(found) == 1, (src, sport, found, self.stderr)
        return found[0]

    def row(self, **wanted):
        """The only row in which these fields have these values."""
        found = [r for r in self.rows if all(r[k] == v for k, v in wanted.items())]
        assert len(found) == 1, (wanted, self.rows)
        return found[0]


def held(flow, real, dst, port):
    """The flow is what the client met."""
    assert (flow["address"], flow["port"]) == (dst, port), flow
    if real.kind == "delivered":
        assert flow["result"] == "landed", (flow, str(real))
        assert flow["receiver"]["pid"] == real.pid, (flow, str(real))
        assert (flow["final"]["addr"], flow["final"]["port"]) == (real.addr, real.port), flow
        seen = flow["seen_as"]
        assert (seen["src"], seen["sport"]) == (real.peer, real.peer_port), (flow, str(real))
    elif real.kind == "refused":
        assert flow["result"] == "refused", flow
    else:
        assert real.kind == "timeout" and flow["result"] == "dropped", (flow, str(real))

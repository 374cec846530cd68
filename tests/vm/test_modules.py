# SPDX-License-Identifier: GPL-2.0-or-later
"""No module is loaded by asking, and listeners are told where none of their kind are loaded."""

import pytest

from netlab import edge_topology

pytestmark = pytest.mark.kernels("bullseye", "bookworm", "trixie")


def _modules():
    with open("/proc/modules") as lines:
        return {line.split()[0] for line in lines}


def test_nothing_is_loaded(lab):
    edge = edge_topology(lab)
    lab.listen("host", "0.0.0.0", 443, name="web")
    before = _modules()
    for dst, src in ((edge.host4, edge.client4), (edge.host6, edge.client6)):
        lab.path("host", dst, 443, src, 40000)
        lab.path("host", dst, 443, None, None, None, "--origin", "host")
    lab.check("host")
    assert _modules() == before


@pytest.mark.parametrize("first", ["bound", "free"])
def test_groups_of_one_port(lab, first):
    """Of two SO_REUSEPORT groups the first in the hash chain wins, whatever its score; who can't
    see the chain says so."""
    edge = edge_topology(lab)
    options = {"bound": dict(dev="eth0"), "free": {}}
    for name in (first, *(options.keys() - {first})):
        lab.listen("host", "0.0.0.0", 443, name=name, reuseport=True, **options[name])
    run = lab.path("host", edge.host4, 443, edge.client4, 40000)
    real = lab.connect("cl", edge.host4, 443, edge.client4, 40000)
    assert {o["receiver"]["name"] for o in run.outcomes if o["verdict"] == "delivered"} <= {
        real.name}

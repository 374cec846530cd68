# SPDX-License-Identifier: GPL-2.0-or-later
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
sys.path.insert(0, os.path.dirname(__file__))


@pytest.fixture
def lab():
    """An empty lab."""
    from netlab import Lab
    with Lab() as new:
        yield new


@pytest.fixture
def edge(lab):
    """The usual topology inside `lab`."""
    from netlab import edge_topology
    return edge_topology(lab)


def pytest_collection_modifyitems(config, items):
    """LAB_SHARD=1/2 and LAB_SHARD=2/2 run half of the tests each: labs mostly wait, so two runs
    side by side take little more than half of the time."""
    shard, _, shards = os.environ.get("LAB_SHARD", "").partition("/")
    if shards:
        mine = items[int(shard) - 1::int(shards)]
        config.hook.pytest_deselected(items=[item for item in items if item not in set(mine)])
        items[:] = mine
    if os.geteuid() != 0:
        skip = pytest.mark.skip(reason="root is needed to build namespaces")
        for item in items:
            item.add_marker(skip)

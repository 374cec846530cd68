# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that run inside the test machine (see run.py), where namespaces and modules are free.

A test runs under bookworm's kernel unless it says @pytest.mark.kernels("bullseye", "trixie", …).
"""

import os
import subprocess
import sys

import pytest

for _room in ("lib", "lab"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", _room))

KERNEL = os.environ.get("EDGEPATH_VM")


@pytest.fixture
def lab():
    """An empty lab."""
    from netlab import Lab
    with Lab() as new:
        yield new


@pytest.fixture
def modprobe():
    """Loads modules, as whoever configures a host does."""
    def load(*names):
        subprocess.run(["modprobe", "-a", *names], check=True)
    return load


def pytest_configure(config):
    config.addinivalue_line("markers", "kernels(suite, ...): the kernels that a test is for")


def pytest_collection_modifyitems(config, items):
    if not KERNEL:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="only for the test machine: tests/vm/run.py"))
        return
    mine = []
    for item in items:
        mark = item.get_closest_marker("kernels")
        if KERNEL in (mark.args if mark else ("bookworm",)):
            mine.append(item)
    shard, _, shards = os.environ.get("LAB_SHARD", "").partition("/")
    if shards:
        mine = mine[int(shard) - 1::int(shards)]
    config.hook.pytest_deselected(items=[item for item in items if item not in mine])
    items[:] = mine

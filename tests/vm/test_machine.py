# SPDX-License-Identifier: GPL-2.0-or-later
"""A few labs under every kernel: what edgepath reads has the same meaning there."""

import os

import pytest

import test_local
import test_nat
from scenario import every, run_scenario

pytestmark = pytest.mark.kernels("bullseye", "bookworm", "trixie")

RELEASES = {"bullseye": "5.10.", "bookworm": "6.1.", "trixie": "6.12."}
NAMES = {"direct-listener", "dnat-to-container"}
CHOSEN = [s for s in test_local.SCENARIOS + test_nat.SCENARIOS if s.name in NAMES]


def test_kernel():
    assert os.uname().release.startswith(RELEASES[os.environ["EDGEPATH_VM"]])


@every(CHOSEN)
def test_lab(scenario, backend, family, modprobe):
    modprobe("tcp_diag")  # as whoever calls ss does; edgepath loads nothing
    run_scenario(scenario, backend, family)

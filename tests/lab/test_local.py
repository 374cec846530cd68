# SPDX-License-Identifier: GPL-2.0-or-later
"""Which of the host's own listeners takes a packet when no rule is in the way."""

from scenario import Scenario, every, listen, probe, run_scenario


def _second_address(world):
    world.lab.ip("host", world.text(f"addr add $host2/{'64' if world.family == 6 else '24'} "
                                    f"dev eth0{' nodad' if world.family == 6 else ''}"))


def _address_on_lo(world):
    world.lab.ip("host", world.text("addr add $vip/$len dev lo"))
    world.ip("cl", "route add $vipnet via $host")


def _anyip(world):
    world.ip("host", "route add local $vipnet dev lo")
    world.ip("cl", "route add $vipnet via $host")


def _strict_reverse_path(world):
    world.lab.sysctl("host", "net.ipv4.conf.eth0.rp_filter", 1)
    world.ip("host", "route add $src3/$len dev br0")


SCENARIOS = [
    Scenario("direct-listener", (probe("web"),), (listen("web"),)),
    Scenario("nobody-listens", (probe("refused"),), (listen("web", 80),)),
    Scenario("specific-address-beats-wildcard",
             (probe("one"), probe("any", dst="$host2")),
             (listen("any", reuseport=True), listen("one", addr="$host", reuseport=True)),
             setup=_second_address),
    Scenario("listener-on-the-other-address", (probe("refused"), probe("web", dst="$host2")),
             (listen("web", addr="$host2"),), setup=_second_address),
    Scenario("listener-on-loopback-only", (probe("refused"), probe("web", dst="$lo", src="$lo",
                                                                   sender="host")),
             (listen("web", addr="$lo"),)),
    Scenario("dual-stack-takes-v4", (probe("web"),), (listen("web", addr="::"),)),
    Scenario("v6only-leaves-v4-out", (probe("refused", families=(4,)),
                                      probe("web", families=(6,))),
             (listen("web", addr="::", v6only=True),)),
    Scenario("v4-socket-beats-dual-stack", (probe("four", families=(4,)),
                                            probe("both", families=(6,))),
             (listen("both", addr="::", reuseport=True),
              listen("four", addr="0.0.0.0", reuseport=True))),
    Scenario("dual-stack-mapped-address-beats-v4-wildcard", (probe("mapped"),),
             (listen("mapped", addr="::ffff:198.51.100.1", reuseport=True),
              listen("four", addr="0.0.0.0", reuseport=True)), families=(4,)),
    Scenario("reuseport-group", (probe(("one", "two"), group=True),),
             (listen("one", reuseport=True), listen("two", reuseport=True))),
    Scenario("bound-to-the-arriving-device", (probe("web"),), (listen("web", dev="eth0"),)),
    Scenario("bound-to-another-device", (probe("refused"),), (listen("web", dev="br0"),)),
    # Both need SO_REUSEPORT, and of several groups the kernel takes the first in its hash chain,
    # whatever their score: IPv4 sockets enter at the head, IPv6 ones at the tail.
    Scenario("bound-and-unbound-groups", (probe("bound", families=(4,), loose=True),
                                          probe("free", families=(6,), loose=True)),
             (listen("free", reuseport=True), listen("bound", dev="eth0", reuseport=True))),
    Scenario("unbound-and-bound-groups", (probe("free", families=(4,), loose=True),
                                          probe("bound", families=(6,), loose=True)),
             (listen("bound", dev="eth0", reuseport=True), listen("free", reuseport=True))),
    Scenario("address-on-loopback-device", (probe("web", dst="$vip"),), (listen("web"),),
             setup=_address_on_lo),
    Scenario("anyip-route", (probe("web", dst="$vip"),), (listen("web"),), setup=_anyip),
    Scenario("address-of-another-device", (probe("web", dst="$br"),),
             (listen("web", addr="$br"),),
             setup=lambda w: w.ip("cl", "route add $brnet via $host")),
    Scenario("strict-reverse-path", (probe("dropped", src="$src3"), probe("web", src="$src1")),
             (listen("web"),), setup=_strict_reverse_path, families=(4,)),
    Scenario("forwarded-to-a-container-without-rules",
             (probe("c1", dst="$c1"), probe("refused", 80, dst="$c1"),
              probe("unreachable", dst="$dead")),
             (listen("web"), listen("c1", ns="c1")),
             setup=lambda w: w.ip("cl", "route add $brnet via $host")),
    Scenario("one-process-many-ports", (probe("web", 80), probe("web", 443), probe("refused", 81)),
             (listen("web", [80, 443]),)),
]


@every(SCENARIOS)
def test_local(scenario, backend, family):
    run_scenario(scenario, backend, family)

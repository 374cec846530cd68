# SPDX-License-Identifier: GPL-2.0-or-later
"""The addresses, ports and listeners that every case draws from, and the forms a value can be matched in.

    client --eth0-- host --br0-- c1, c2, c3
                     `---eth1-- remote
"""

import ipaddress

PORTS = [80, 443, 8080, 8443, 9000, 31080, 5000]
TPROXY_PORT = 15001

# Marks of random rules use the low nibble freely; these bits steer the host's routing.
MARK_LOCAL = 0x10  # table 100: everything is local (only together with tproxy)
MARK_UNREACHABLE = 0x20  # table 101
MARK_REMOTE = 0x40  # table 102: default via the remote host


class Family:
    """One address family: where everything is, and the words that rules use for it."""

    def __init__(self, number):
        self.number = number
        self.v6 = number == 6
        self.bits = 128 if self.v6 else 32
        self.nft = "ip6" if self.v6 else "ip"
        self.ipt = "ip6tables" if self.v6 else "iptables"
        if self.v6:
            self.host = ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:9::10"]
            self.bridge = "fd00:18::1"
            self.containers = {"c1": "fd00:18::2", "c2": "fd00:18::3", "c3": "fd00:18::4"}
            self.second = "fd00:18::102"  # c1's other address
            self.remote = "2001:db8:77::2"
            self.nobody = "fd00:18::77"
            self.unowned = "2001:db8:9::99"
            self.loopback = "::1"
            self.clients = ["2001:db8:1::100", "2001:db8:1::1:65", "2001:db8:5::7",
                            "2001:db8:5:0:ffff::c8", "fd12:3456::9"]
            self.snat = "fd99::5"
            self.prefixes = [16, 20, 32, 33, 48, 56, 60, 64, 65, 96, 100, 112, 120, 127, 128]
            self.masks = ["ffff:ffff::ffff", "::ff", "ffff:0:ffff::", "f0f0:ffff::f", "::1",
                          "0:ffff:ffff:ff00::7fff"]
            self.rejects = ["icmpv6 type no-route", "icmpv6 type admin-prohibited",
                            "icmpv6 type addr-unreachable", "icmpv6 type port-unreachable",
                            "icmpv6 type policy-fail", "icmpv6 type reject-route"]
            self.ipt_rejects = ["icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable",
                                "icmp6-port-unreachable", "tcp-reset", "policy-fail",
                                "reject-route"]
        else:
            self.host = ["198.51.100.1", "198.51.100.2", "203.0.113.10"]
            self.bridge = "172.18.0.1"
            self.containers = {"c1": "172.18.0.2", "c2": "172.18.0.3", "c3": "172.18.0.4"}
            self.second = "172.18.1.2"
            self.remote = "192.168.77.2"
            self.nobody = "172.18.0.77"
            self.unowned = "203.0.113.99"
            self.loopback = "127.0.0.1"
            self.clients = ["198.51.100.100", "198.51.100.165", "192.0.2.7", "192.0.2.200",
                            "10.11.12.13", "172.30.5.6"]
            self.snat = "10.99.0.5"
            self.prefixes = [4, 8, 9, 12, 15, 16, 17, 19, 22, 23, 24, 25, 28, 30, 31, 32]
            self.masks = ["255.255.0.255", "0.0.0.255", "255.0.255.0", "240.240.0.15", "0.0.0.1",
                          "0.255.255.127"]
            self.rejects = ["icmp type net-unreachable", "icmp type host-unreachable",
                            "icmp type prot-unreachable", "icmp type port-unreachable",
                            "icmp type net-prohibited", "icmp type host-prohibited",
                            "icmp type admin-prohibited"]
            self.ipt_rejects = ["icmp-net-unreachable", "icmp-host-unreachable",
                                "icmp-port-unreachable", "icmp-proto-unreachable",
                                "icmp-net-prohibited", "icmp-host-prohibited",
                                "icmp-admin-prohibited", "tcp-reset"]
        self.router = "2001:db8:77::1" if self.v6 else "192.168.77.1"  # the host's own on eth1
        # Sources that the host would answer by another device (only where rp_filter refuses them).
        self.elsewhere = [] if self.v6 else ["192.168.77.99", "172.18.0.99"]
        self.inside = list(self.containers.values()) + [self.second]
        self.dsts = self.host + self.inside + [self.bridge, self.remote, self.unowned]
        # Where a connection meets a listener: most translations go there.
        c = self.containers
        self.served = [
            (c["c1"], 80), (c["c1"], 443), (c["c2"], 80), (c["c2"], 8443), (c["c3"], 80),
            (c["c3"], 9000), (self.second, 443), (self.second, 8080), (self.host[0], 443),
            (self.host[2], 8080), (self.bridge, 9000), (self.remote, 80), (self.remote, 443)]
        self.targets = self.inside * 3 + self.host + [self.bridge, self.remote, self.nobody]

    def own(self, container):
        """The addresses of a container."""
        return [self.containers[container]] + [self.second] * (container == "c1")

    def at(self, addr, port):
        return f"[{addr}]:{port}" if self.v6 else f"{addr}:{port}"

    def num(self, addr):
        return int(ipaddress.ip_address(addr))

    def text(self, number):
        cls = ipaddress.IPv6Address if self.v6 else ipaddress.IPv4Address
        return str(cls(number & ((1 << self.bits) - 1)))

    def net(self, addr, length):
        return str(ipaddress.ip_network(f"{addr}/{length}", strict=False))

    def masked(self, addr, mask):
        return self.text(self.num(addr) & self.num(mask))

    def span(self, rng, addr):
        """A range of addresses around addr, as two texts."""
        n = self.num(addr)
        lo = max(0, n - rng.choice([0, 1, 5, 200, 70000]))
        hi = min((1 << self.bits) - 1, n + rng.choice([0, 1, 9, 300, 90000]))
        return self.text(lo), self.text(hi)


# Who listens: netns, name, address (None: all of them), port and what is special about the socket.
def listeners(v4, v6):
    rows = [
        ("host", "h80", "0.0.0.0", 80, ""),
        ("host", "h80x", v4.host[1], 80, ""),
        ("host", "h80v6", "::", 80, "v6only"),
        ("host", "h80v6x", v6.host[0], 80, ""),
        ("host", "h443dual", "::", 443, ""),
        ("host", "h443x", v4.host[0], 443, ""),
        ("host", "h8080lo", "127.0.0.1", 8080, ""),
        ("host", "h8080lo6", "::1", 8080, ""),
        ("host", "h8080x", v4.host[2], 8080, ""),
        ("host", "h8080v6x", v6.host[2], 8080, ""),
        ("host", "h9000", "0.0.0.0", 9000, ""),
        ("host", "h9000br", v4.bridge, 9000, ""),
        ("host", "h9000br6", v6.bridge, 9000, ""),
        ("host", "h8443dev", "::", 8443, "eth0"),
        ("host", "h8443", "::", 8443, ""),
        ("host", "tproxy", "::", TPROXY_PORT, "transparent"),
        ("c1", "c1web", "::", 80, ""),
        ("c1", "c1tls", "::", 443, ""),
        ("c1", "c1alt", "0.0.0.0", 8080, ""),
        ("c1", "c1alt6", v6.second, 8080, ""),
        ("c2", "c2web", v4.containers["c2"], 80, ""),
        ("c2", "c2web6", v6.containers["c2"], 80, ""),
        ("c2", "c2any", "::", 8443, ""),
        ("c3", "c3web", "::", 80, ""),
        ("c3", "c3rest", "::", 9000, ""),
        ("remote", "rweb", "::", 80, ""),
        ("remote", "rtls", "::", 443, ""),
    ]
    return rows

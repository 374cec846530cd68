# SPDX-License-Identifier: GPL-2.0-or-later
"""Lookups with a known key ask for one element, in sets and maps of every kind the kernel keeps."""

import pytest

from netlab import agree, edge_topology

PORTS = [1000, 1001, 1999, 2000, 2500, 3000, 3001, 4000, 5000, 5001, 6000, 65535]

# what tells the port apart, and the elements: ports that are accepted; the others are dropped
KINDS = {
    "hash": ("tcp dport @s accept", "set s { type inet_service; elements = { 1000, 2500, 65535 } }"),
    "hash-inverted": ("tcp dport != @s accept",
                      "set s { type inet_service; elements = { 1000, 2500, 65535 } }"),
    "intervals": ("tcp dport @s accept", "set s { type inet_service; flags interval; "
                  "elements = { 1001-1999, 3000, 5000-6000, 65535 } }"),
    "intervals-inverted": ("tcp dport != @s accept", "set s { type inet_service; flags interval; "
                           "elements = { 1001-1999, 3000, 5000-65535 } }"),
    "neighbours": ("tcp dport vmap @s", "map s { type inet_service : verdict; flags interval; "
                   "elements = { 1000-1999 : accept, 2000-2500 : drop, 2501-3000 : accept } }"),
    "vmap": ("tcp dport vmap @s", "map s { type inet_service : verdict; elements = "
             "{ 1000 : accept, 2000 : drop, 3000 : goto yes } }"),
    "catch-all": ("tcp dport vmap @s", "map s { type inet_service : verdict; elements = "
                  "{ 1000 : drop, 2000 : drop, * : accept } }"),
    "catch-all-of-intervals": ("tcp dport vmap @s", "map s { type inet_service : verdict; "
                               "flags interval; elements = { 1000-2000 : drop, * : goto yes } }"),
    "concatenation": ("meta l4proto . th dport @s accept",
                      "set s { type inet_proto . inet_service; elements = "
                      "{ tcp . 1000, udp . 2000, tcp . 65535 } }"),
    "concatenated-intervals": ("ip daddr . tcp dport vmap @s",
                               "map s { type ipv4_addr . inet_service : verdict; flags interval; "
                               "elements = { 198.51.100.0/24 . 1000-2000 : accept, "
                               "198.51.100.1 . 3000-5000 : goto yes, 10.0.0.0/8 . 0-65535 : drop } }"),
    "map": ("meta mark set tcp dport map @s meta mark 7 accept",
            "map s { type inet_service : mark; elements = { 1000 : 7, 2000 : 8, 65535 : 7 } }"),
    "empty": ("tcp dport @s accept", "set s { type inet_service; }"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_single_elements(lab, kind):
    rule, elements = KINDS[kind]
    edge = edge_topology(lab, containers=1)
    lab.listen("host", "0.0.0.0", PORTS, name="web")
    lab.nft("host", f"""table ip f {{
        chain yes {{ accept; }}
        {elements}
        chain c {{
            type filter hook input priority 0; policy drop;
            ip protocol != tcp accept
            {rule}
        }}
    }}""")
    reals = lab.connect_many("cl", [dict(dst=edge.host4, port=port, src=edge.client4,
                                         sport=40000 + n) for n, port in enumerate(PORTS)])
    wrong = []
    for n, (port, real) in enumerate(zip(PORTS, reals)):
        said = lab.path("host", edge.host4, port, edge.client4, 40000 + n)
        wrong.append((port, agree(said, real)))
    assert not [w for w in wrong if w[1]]
    assert len({r.kind for r in reals}) == (1 if kind == "empty" else 2)

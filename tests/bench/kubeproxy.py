# SPDX-License-Identifier: GPL-2.0-or-later
"""The nat rules that kube-proxy's iptables mode writes for a number of services."""

import base64
import hashlib

EXTERNAL = "203.0.113.10"
ENDPOINT = "172.18.0.2"


def _hash(kind, *words):
    digest = hashlib.sha256("".join(words).encode()).digest()
    return f"KUBE-{kind}-" + base64.b32encode(digest).decode()[:16]


def nat_rules(services, endpoints=2, external_port=443):
    """(text for iptables-nft-restore, number of rules). The last service is reached from outside,
    by the external address and by a node port; its first endpoint is a real one."""
    chains = ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"]
    rules = ['-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
             '-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
             '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
             "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
             "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
             "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
             '-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" '
             "-j MASQUERADE --random-fully"]
    portals, inner = [], []
    for number in range(services):
        name = f"team-{number % 40}/service-{number}:http"
        note = f'-m comment --comment "{name}'
        cluster = f"10.{96 + (number >> 14)}.{number >> 6 & 255}.{(number & 63) * 4 + 1}"
        svc = _hash("SVC", name, "tcp")
        chains.append(svc)
        portals.append(f'-A KUBE-SERVICES -d {cluster}/32 -p tcp {note} cluster IP" -m tcp --dport 80 -j {svc}')
        inner.append(f"-A {svc} ! -s 10.244.0.0/16 -d {cluster}/32 -p tcp {note} cluster IP\" -m tcp --dport 80 "
                     "-j KUBE-MARK-MASQ")
        if number == services - 1:
            ext = _hash("EXT", name, "tcp")
            chains.append(ext)
            portals.append(f'-A KUBE-SERVICES -d {EXTERNAL}/32 -p tcp {note} external IP" -m tcp '
                           f"--dport {external_port} -j {ext}")
            rules.append(f'-A KUBE-NODEPORTS -p tcp {note}" -m tcp --dport 31443 -j {ext}')
            inner.append(f'-A {ext} {note} external traffic" -j KUBE-MARK-MASQ')
            inner.append(f"-A {ext} -j {svc}")
        for k in range(endpoints):
            addr = f"10.244.{number >> 7 & 255}.{(number & 127) * 2 + k}"
            if number == services - 1 and k == 0:
                addr = ENDPOINT
            sep = _hash("SEP", name, addr)
            chains.append(sep)
            left = endpoints - k
            chance = f" -m statistic --mode random --probability {1 / left:.11f}" if left > 1 else ""
            inner.append(f'-A {svc} {note} -> {addr}:80"{chance} -j {sep}')
            inner.append(f'-A {sep} -s {addr}/32 {note}" -j KUBE-MARK-MASQ')
            inner.append(f'-A {sep} -p tcp {note}" -m tcp -j DNAT --to-destination {addr}:80')
    portals.append('-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the '
                   'last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS')
    rules += portals + inner
    head = [f":{c} ACCEPT [0:0]" for c in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")]
    head += [f":{c} - [0:0]" for c in chains]
    return "\n".join(["*nat", *head, *rules, "COMMIT"]) + "\n", len(rules)

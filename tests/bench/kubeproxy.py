# SPDX-License-Identifier: GPL-2.0-or-later
"""The nat rules that kube-proxy writes for a number of services, in its iptables and nftables modes."""

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


_NFT_HEAD = """
add table ip kube-proxy
add chain ip kube-proxy services
add chain ip kube-proxy mark-for-masquerade
add chain ip kube-proxy masquerading
add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100; }
add chain ip kube-proxy nat-output { type nat hook output priority -100; }
add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100; }
add map ip kube-proxy service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }
add map ip kube-proxy service-nodeports { type inet_proto . inet_service : verdict; }
"""

_NFT_RULES = ["nat-prerouting jump services", "nat-output jump services",
              "nat-postrouting jump masquerading",
              "services ip daddr . meta l4proto . th dport vmap @service-ips",
              "services fib daddr type local ip daddr != 127.0.0.0/8 "
              "meta l4proto . th dport vmap @service-nodeports",
              "masquerading meta mark & 0x4000 == 0 return",
              "masquerading meta mark set meta mark ^ 0x4000",
              "masquerading masquerade fully-random",
              "mark-for-masquerade meta mark set meta mark | 0x4000"]


def nft_rules(services, endpoints=2, external_port=443):
    """(text for nft -f, number of rules and elements): the same services in nftables mode, whose
    lookups are in maps."""
    chains, rules, elements = [], list(_NFT_RULES), []
    for number in range(services):
        cluster = f"10.{96 + (number >> 14)}.{number >> 6 & 255}.{(number & 63) * 4 + 1}"
        svc = f"service-{number:05}-http"
        chains.append(svc)
        elements.append(("service-ips", f"{cluster} . tcp . 80 : goto {svc}"))
        rules.append(f"{svc} ip daddr {cluster} tcp dport 80 ip saddr != 10.244.0.0/16 "
                     "jump mark-for-masquerade")
        ends = [f"endpoint-{number:05}-{k}" for k in range(endpoints)]
        chains += ends
        rules.append(f"{svc} numgen random mod {endpoints} vmap {{ "
                     + ", ".join(f"{k} : goto {end}" for k, end in enumerate(ends)) + " }")
        for k, end in enumerate(ends):
            addr = f"10.244.{number >> 7 & 255}.{(number & 127) * 2 + k}"
            if number == services - 1 and k == 0:
                addr = ENDPOINT
            rules += [f"{end} ip saddr {addr} jump mark-for-masquerade",
                      f"{end} meta l4proto tcp dnat to {addr}:80"]
        if number == services - 1:
            ext = f"external-{number:05}-http"
            chains.append(ext)
            rules += [f"{ext} jump mark-for-masquerade", f"{ext} goto {svc}"]
            elements += [("service-ips", f"{EXTERNAL} . tcp . {external_port} : goto {ext}"),
                         ("service-nodeports", f"tcp . 31443 : goto {ext}")]
    lines = [f"add chain ip kube-proxy {chain}" for chain in chains]
    lines += [f"add rule ip kube-proxy {rule}" for rule in rules]
    lines += [f"add element ip kube-proxy {name} {{ {element} }}" for name, element in elements]
    return _NFT_HEAD + "\n".join(lines) + "\n", len(rules) + len(elements)

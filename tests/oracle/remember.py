# SPDX-License-Identifier: GPL-2.0-or-later
"""Matches that remember packets, or look at the clock: what is sure although it is remembered, and
what must be told as states of the host. Probes change what is remembered while edgepath reads it, so
each of these answers the same before and after."""


def nft_state(gen, table):
    """(text, tags); sets and objects go into the table."""
    r, ip, addr = gen.rng, gen.fam.nft, gen.type("saddr")
    kind = r.choice(["limit", "limit", "limit-never", "quota", "quota-full", "quota-object", "limit-object",
                     "count", "count-none", "object-map", "limit-each", "quota-each", "count-each",
                     "enters", "leaves", "timeout", "dynamic", "inc", "hour", "day", "time", "cpu", "packets",
                     "last"])
    over = r.choice(["", "over "])
    client = r.choice(gen.fam.clients)

    def dynamic(elements="", more=""):
        name = gen.fresh("y")
        text = f"elements = {{ {elements} }}; " if elements else ""
        table.objects[name] = f"set {name} {{ type {addr}; size 999; flags dynamic{more}; {text}}}"
        return name

    def thing(what, body):
        name = gen.fresh("q")
        table.objects[name] = f"{what} {name} {{ {body} }}"
        return f'{what} name "{name}"'

    if kind == "limit":
        return r.choice([f"limit rate {over}1000000/second burst 1000000 packets", f"limit rate {over}5/second",
                         f"limit rate {over}1/hour burst 1 packets",
                         f"limit rate {over}10 mbytes/second"]), ("limit",)
    if kind == "limit-never":
        return f"limit rate {over}10 bytes/second burst 5 bytes", ()
    if kind == "quota":
        return f"quota {over or 'until '}1000 mbytes", ()
    if kind == "quota-full":
        return f"quota {over or 'until '}20 bytes", ()
    if kind == "quota-object":
        return thing("quota", f"{over or 'until '}{r.choice(['10 bytes', '900 mbytes'])}"), ()
    if kind == "limit-object":
        return thing("limit", f"rate {over}1000/second"), ("limit",)
    if kind == "count":
        return f"ct count {over}{r.choice([100000, 4000])}", ()
    if kind == "count-none":
        return f"ct count {over}0", ()
    if kind == "object-map":
        wide, full, name = gen.fresh("q"), gen.fresh("q"), gen.fresh("m")
        table.objects[wide] = f"quota {wide} {{ over 900 mbytes }}"
        table.objects[full] = f"quota {full} {{ over 10 bytes }}"
        table.objects[name] = (f'map {name} {{ type {addr} : quota; elements = {{ {client} : "{full}", '
                               f'{next(c for c in gen.fam.clients if c != client)} : "{wide}" }}; }}')
        return f"quota name {ip} saddr map @{name}", ()
    if kind == "limit-each":
        return (f"{r.choice(['add', 'update'])} @{dynamic(more=',timeout; timeout 1m')} {{ {ip} saddr limit rate {over}1000000/second "
                "burst 99999 packets }"), ("limit",)
    if kind == "quota-each":
        return f"add @{dynamic()} {{ {ip} saddr quota {over or 'until '}{r.choice(['900 mbytes', '9 bytes'])} }}", ()
    if kind == "count-each":
        return f"add @{dynamic()} {{ {ip} saddr ct count {over}4000 }}", ()
    if kind == "enters":
        name = dynamic()
        return f"add @{name} {{ {ip} saddr }} {ip} saddr {r.choice(['', '!= '])}@{name}", ()
    if kind == "leaves":
        name = dynamic(client)
        return f"delete @{name} {{ {ip} saddr }} {ip} saddr {r.choice(['', '!= '])}@{name}", ()
    if kind == "timeout":
        return f"{ip} saddr {r.choice(['', '!= '])}@{dynamic(f'{client} timeout 1h', ',timeout')}", ()
    if kind == "dynamic":
        return f"{ip} saddr {r.choice(['', '!= '])}@{dynamic(client)}", ()
    if kind == "inc":
        return f"numgen inc mod {r.choice([2, 3])} {r.choice(['0', '!= 1', '< 2'])}", ("chance",)
    if kind == "hour":
        return r.choice(['meta hour "06:10"-"18:20"', 'meta hour >= "00:00"', 'meta hour < "12:30"']), ()
    if kind == "day":
        return r.choice(["meta day 0", "meta day { 1, 3, 5 }", "meta day != 2", "meta day { 0, 1, 2, 3, 4, 5, 6 }"]), ()
    if kind == "time":
        return r.choice(['meta time > "2024-01-01 00:00:00"', 'meta time < "2024-01-01 00:00:00"',
                         'meta time "2024-06-01 10:00:00"-"2099-01-01 00:00:00"']), ()
    if kind == "cpu":
        return r.choice([("meta cpu < 4096", ()), ("meta cpu 0", ("cpu",)), ("meta cpu != 1", ("cpu",))])
    if kind == "packets":
        return r.choice(["ct packets 1", "ct packets < 5", "ct original packets > 1", "ct reply packets 0",
                         "ct reply bytes 0", "ct original bytes > 20"]), ()
    return "last", ()


def xt_state(gen, chain):
    """(text, tags)"""
    r = gen.rng
    kind = r.choice(["limit", "hashlimit", "hashlimit", "hashlimit-bytes", "quota", "quota-none", "recent", "recent",
                     "recent-set", "recent-unset", "connlimit", "connlimit", "time", "time", "cpu", "connbytes", "nth",
                     "cluster"])
    inverse = gen.neg()
    name = f"{gen.prefix}{gen.rng.randrange(1 << 20):x}"
    if kind == "limit":
        return r.choice(["-m limit --limit 10000/sec --limit-burst 10000", "-m limit --limit 5/min",
                         "-m limit --limit 1/hour --limit-burst 1"]), ("limit",)
    if kind == "hashlimit":
        way = r.choice(["upto", "above"])
        mode = r.choice(["srcip", "dstip", "srcip,dstip", "dstport", "srcip,dstport", "srcip,srcport,dstip,dstport"])
        return f"-p tcp -m hashlimit --hashlimit-{way} 10000/sec --hashlimit-burst 9999 --hashlimit-mode {mode} " \
            f"--hashlimit-name {name[:15]}" + r.choice(["", " --hashlimit-srcmask 24"]), ()
    if kind == "hashlimit-bytes":
        return f"-m hashlimit --hashlimit-above 10mb/s --hashlimit-mode srcip --hashlimit-name {name[:15]}", ("limit",)
    if kind == "quota":
        return f"-m quota {inverse}--quota 100000000", ("quota",)
    if kind == "quota-none":
        return f"-m quota {inverse}--quota 20", ()
    if kind == "recent":
        side, pool = r.choice([("rsource", gen.fam.clients), ("rdest", gen.fam.dsts)])
        listed = r.sample(pool, min(len(pool), r.randint(1, 3)))
        gen.writes += [(f"/proc/net/xt_recent/{name}", f"+{a}") for a in listed for _ in range(r.randint(1, 2))]
        hits = r.choice(["", " --hitcount 1", " --hitcount 2", " --seconds 1000", " --seconds 900 --hitcount 2"])
        return f"-m recent {inverse}--rcheck{hits} --name {name} --{side}", ()
    if kind == "recent-set":
        return f"-m recent --set --name {name} -m recent {inverse}--rcheck --seconds 100 --name {name}", ()
    if kind == "recent-unset":
        return f"-m recent --set --name {name} -m recent --remove --name {name} -m recent {inverse}--rcheck --name {name}", ()
    if kind == "connlimit":
        return r.choice(["-m connlimit --connlimit-upto 4000", "-m connlimit --connlimit-above 0",
                         "-m connlimit --connlimit-above 4000 --connlimit-mask 8",
                         "-m connlimit --connlimit-above 4000 --connlimit-daddr",
                         "-m connlimit --connlimit-upto 0"]), ()
    if kind == "time":
        return r.choice(["-m time --timestart 00:00 --timestop 23:59:59", "-m time --timestart 06:10 --timestop 18:20",
                         "-m time --timestart 18:20 --timestop 06:10 --contiguous", f"-m time {inverse}--weekdays Mon,Tue,Fri",
                         f"-m time {inverse}--monthdays 1,3,5,24,25", "-m time --datestart 2024-01-01T00:00:00",
                         "-m time --datestop 2024-01-01T00:00:00", "-m time --timestart 07:00 --kerneltz"]), ()
    if kind == "cpu":
        return r.choice([(f"-m cpu {inverse}--cpu 4000", ()), (f"-m cpu {inverse}--cpu 0", ("cpu",))])
    if kind == "connbytes":
        return "-m connbytes --connbytes 0:1000 --connbytes-dir both --connbytes-mode packets", ()
    if kind == "nth":
        every = r.choice([1, 2, 3])
        return f"-m statistic --mode nth --every {every} --packet 0", ("chance",) * (every > 1)
    return f"-m cluster --cluster-total-nodes 2 --cluster-local-node {r.choice([1, 2])} " \
        f"--cluster-hash-seed 0x{r.randrange(1 << 31):x}", ("chance",)

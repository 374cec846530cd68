# SPDX-License-Identifier: GPL-2.0-or-later
"""Real output against the JSON Schemas in docs/schema."""

import glob
import json
import os

import pytest

from netlab import ROOT, edgepath, have_edgepath

jsonschema = pytest.importorskip("jsonschema")
SCHEMAS = {os.path.basename(f): f for f in glob.glob(os.path.join(ROOT, "docs/schema/*.json"))}

pytestmark = pytest.mark.skipif(not have_edgepath(), reason="edgepath is not built")


def _validator(command):
    names = [n for n in SCHEMAS if command in n]
    if not names:
        pytest.skip(f"docs/schema has none for {command}")
    with open(SCHEMAS[sorted(names)[0]]) as source:
        schema = json.load(source)
    store = {}
    for path in SCHEMAS.values():
        with open(path) as source:
            document = json.load(source)
        for name in (document.get("$id"), os.path.basename(path), "file://" + path):
            if name:
                store[name] = document
    cls = jsonschema.validators.validator_for(schema)
    cls.check_schema(schema)
    resolver = jsonschema.RefResolver(base_uri="file://" + SCHEMAS[sorted(names)[0]],
                                      referrer=schema, store=store)
    return cls(schema, resolver=resolver)


RULES = {
    "none": "",
    "dnat": "table ip n { chain c { type nat hook prerouting priority -100; "
            "tcp dport 443 counter dnat to 172.18.0.2:8443; }; }",
    "dead": "table ip n { chain c { type nat hook prerouting priority -100; "
            "tcp dport 443 dnat to 172.18.0.99:8443; }; }",
    "random": "table ip n { chain c { type nat hook prerouting priority -100; tcp dport 443 "
              "dnat to numgen random mod 2 map { 0 : 172.18.0.2, 1 : 172.18.0.3 }:8443; }; }",
    "split": "table inet f { chain c { type filter hook input priority 0; "
             "ip saddr 192.0.2.0/24 drop; tcp sport 1-1023 reject; }; }",
    "unknown": "table inet f { chain c { type filter hook input priority 0; "
               "tcp dport 443 meta hour 1-2 drop; ip ttl 3 drop; }; }",
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_output_fits_its_schema(lab, edge, rules):
    lab.listen("host", "::", [80, 443], name="web")
    lab.listen("c1", "::", 8443, name="c1")
    if rules:
        lab.nft("host", rules)
    for command, args in (("path", ["443"]), ("path", ["-6", "443"]), ("path", ["81"]),
                          ("path", ["443", "--origin", "host"]), ("check", [])):
        run = edgepath(command, *args, "--netns", lab.name("host"), "--json")
        assert run.json is not None, run
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}"
                  for e in _validator(command).iter_errors(run.json)]
        assert not errors, f"{command} {args}: " + "\n".join(errors[:10])


def test_watch(lab, edge):
    """Every line of a watch, for each kind of end."""
    from watching import Watch
    check = _validator("watch")
    lab.nft("host", RULES["dnat"])
    lab.nft("host", "table inet f { chain c { type filter hook input priority 0; "
            "tcp dport 8080 drop; }; }")
    lab.listen("host", "::", [80, 443], name="web")
    with Watch(lab, "host", "--interval", "100ms") as watch:
        for number, port in enumerate((80, 443, 8080, 8443)):
            lab.connect("cl", edge.host4, port, sport=41000 + number)
        lab.run("host", ["nft", "flush ruleset"])
        lab.connect("cl", edge.host6, 8080, sport=41010)
        watch.wait(lambda p: p["type"] == "change")
        watch.wait_total(2)
    assert {p["type"] for p in watch.pieces} == {"start", "interval", "flow", "change", "end"}
    for piece in watch.pieces:
        check.validate(piece)

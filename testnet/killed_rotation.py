#!/usr/bin/env python3
"""Kills each step of `nuncio ca rotate` before each of its calls that change a file, as a power cut does, and runs it again.

After each kill every node can start with what lies in its directory, certificates of the old authority or of the new one; the same
step, run again, ends what was begun; after it nothing half written lies about. A root is replaced, then an agency, by files alone;
both have made lists, and so have their successors before they are put to use, more of them.

Usage: killed_rotation.py [--every N]    kill before every Nth call only
Exit: 0 all held · 1 something did not · 77 strace cannot be had, or may not trace

Needs strace, and the program that testnet/binary.sh names.
"""

import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# strace counts each of them for itself. A machine may lack some. Before an fsync files are as before the next of these.
CALLS = ["rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "mkdir", "mkdirat", "write", "ftruncate", "fchmod",
         "chmod"]
STEPS = {"plan": "planned", "prepare": "prepared", "issue": "issued", "switch": "switched"}
NODES = ["node0", "node1", "node2"]
# No step changes files as often.
MOST = 2000


class Wrong(Exception):
    """What was promised does not hold."""


class Consortium:
    """A root, two agencies and three nodes in a directory."""

    def __init__(self, nuncio, place):
        self.nuncio, self.place = nuncio, place
        # What was judged: most kills leave one of few sets of files.
        self.good = set()

    def run(self, *arguments, killed_before=None):
        """The exit status and what was said; negative when it was killed before that call, the Nth of its name."""
        command = [self.nuncio, *map(str, arguments)]
        if killed_before:
            call, number = killed_before
            inject = f"inject=?{call}:signal=KILL:when={number}"
            command = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace=?{call}", "-e", inject, *command]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def must(self, *arguments):
        status, said = self.run(*arguments)
        if status:
            raise Wrong(f"nuncio {' '.join(map(str, arguments))}: {status}: {said}")
        return said

    def make(self):
        root = self.place / "root"
        self.must("ca", "init", "--out", root)
        for agency in ("bank", "shop"):
            self.must("ca", "agency", agency, "--ca", root, "--out", self.place / agency)
        for node, agency in zip(NODES, ("bank", "bank", "shop")):
            self.must("cert", "issue", node, "--ca", self.place / agency, "--out", self.place / node / "conf")

    def seen(self):
        """A file as `nuncio certs --json` prints it on a node that sees all of them."""
        rows = []
        for node in NODES:
            conf = self.place / node / "conf"
            blocks = (conf / "node.crt").read_text().split("-----END CERTIFICATE-----\n")
            chain = [block + "-----END CERTIFICATE-----\n" for block in blocks if "BEGIN" in block]
            rows.append({
                "node_id": (conf / "node.nodeid").read_text().strip(), "name": node, "role": "node", "issuer": "",
                "serial": "", "not_after": 0, "days_left": 0, "reachable": True, "lists": {}, "chain": chain,
            })
        file = self.place / "seen.json"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def require_nodes_that_start(self):
        for node in NODES:
            conf = self.place / node / "conf"
            files = [conf / "node.crt", conf / "ca.crt"]
            seen = hashlib.sha256(b"".join(file.read_bytes() for file in files)).digest()
            if seen not in self.good:
                self.must("cert", "inspect", files[0], "--ca", files[1])
                self.good.add(seen)

    def require_nothing_half_written(self):
        drafts = [path for path in self.place.rglob("*") if path.name.endswith((".new", ".draft", ".tmp")) and path.is_file()]
        if drafts:
            raise Wrong(f"half written: {drafts}")


def steps(place, which, root):
    """The steps of a rotation with their arguments; what they need of the network is read when they run."""
    everything = [argument for name in ("root", "bank", "shop", *NODES) if name != which for argument in ("--at", place / name)]
    above = ["--root", root] if which != "root" else []
    last = ["--unrevoked"] if which != "root" else []
    return [
        ("plan", [*everything, "--offline"]),
        ("prepare", above),
        ("issue", ["--offline"]),
        ("switch", []),
        ("retire", ["--seen", "SEEN", "--cut-sdks", *last]),
    ]


def rotate(consortium, which, every):
    place = consortium.place
    folder = place / which
    consortium.must("ca", "crl", "--ca", folder)
    old = authority(folder).read_bytes()
    for step, arguments in steps(place, which, place / "root"):
        seen = consortium.seen()
        command = ["ca", "rotate", step, "--ca", folder, *[seen if one == "SEEN" else one for one in arguments]]
        kept = place.parent / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(place, kept, symlinks=True)
        kills = {}
        for call in CALLS:
            number = 1
            while killed(consortium, command, (call, number)):
                kills[call] = kills.get(call, 0) + 1
                run_again(consortium, which, step, command, old, (call, number))
                restore(kept, place)
                number += every
                if number > MOST:
                    raise Wrong(f"{step} changes files without an end")
            restore(kept, place)
        if not kills:
            raise Wrong(f"{step} was never killed: does strace inject?")
        consortium.must(*command)
        check(consortium, which, step, old)
        if step != "retire":
            consortium.must("ca", "rotate", "status", "--ca", folder, "--seen", seen)
        if step == "prepare":
            # So that the new one's number is another than the old one's.
            for _ in range(2):
                consortium.must("ca", "crl", "--ca", folder / "rotation" / "new")
        counts = ", ".join(f"{call} {count}" for call, count in kills.items())
        print(f"{which:5} {step:8} killed {sum(kills.values())} times: {counts}", flush=True)


def killed(consortium, command, before):
    status, said = consortium.run(*command, killed_before=before)
    if status not in (0, -9, 137):
        raise Wrong(f"{command} before {before}: {status}: {said}")
    consortium.require_nodes_that_start()
    return status != 0


def run_again(consortium, which, step, command, old, before):
    again, said = consortium.run(*command)
    # Killed after the last thing that counts, it has nothing left to do, and says so.
    if again and not (step == "retire" and "is not being rotated" in said):
        raise Wrong(f"{step} of {which}, killed before {before} and run again: {again}: {said}")
    try:
        check(consortium, which, step, old)
    except Wrong as wrong:
        raise Wrong(f"{step} of {which}, killed before {before} and run again: {wrong}") from wrong


def check(consortium, which, step, old):
    """The step is done, whatever was killed."""
    place = consortium.place
    consortium.require_nodes_that_start()
    consortium.require_nothing_half_written()
    if step != "retire":
        state = (place / which / "rotation" / "state.json").read_text()
        if STEPS[step] not in state:
            raise Wrong(f"after {step}: {state}")
        return
    if (place / which / "rotation").exists():
        raise Wrong("it is retired, and its rotation is under way")
    if which == "root":
        trusting = [path for path in place.rglob("ca.crt") if "former" not in path.parts and old.strip() in path.read_bytes()]
        if trusting:
            raise Wrong(f"the old root is trusted: {trusting}")


def authority(folder):
    agency = folder / "agency.crt"
    return agency if agency.exists() else folder / "ca.crt"


def restore(kept, place):
    shutil.rmtree(place)
    shutil.copytree(kept, place, symlinks=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    every = parser.parse_args().every
    here = pathlib.Path(__file__).resolve().parent
    nuncio = os.environ.get("NUNCIO_BINARY", here.parent / "target/release/nuncio")
    if not shutil.which("strace") or subprocess.run(["strace", "-qqq", "true"], capture_output=True).returncode:
        print("killed_rotation: SKIPPED, strace is not here, or may not trace", file=sys.stderr)
        sys.exit(77)
    with tempfile.TemporaryDirectory() as scratch:
        consortium = Consortium(nuncio, pathlib.Path(scratch) / "net")
        try:
            consortium.make()
            for which in ("root", "bank"):
                rotate(consortium, which, every)
        except Wrong as wrong:
            print(f"killed_rotation: FAILED: {wrong}", file=sys.stderr)
            sys.exit(1)


main()

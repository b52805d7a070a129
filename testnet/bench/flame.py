#!/usr/bin/env python3
"""Draws where processor time went: a small flame graph from what `perf script` prints.

    perf record --call-graph dwarf -F 499 -p PID -- sleep 5
    perf script | testnet/bench/flame.py "title" out.svg

Each box is a function, as wide as its share of all samples and above whoever called it; what takes less than half a percent is
left out. Pointing at a box tells its name and share.
"""
import html
import re
import sys

WIDTH, ROW, LEAST = 900, 15, 0.005
# Where every stack begins: it tells nothing.
BELOW = re.compile(r"^(_start|__libc_start|main$|std::rt|std::sys|core::ops::function|std::panick|__rust_begin|start_thread|clone)")
COLOURS = [  # what a function belongs to: the kernel, TLS and seals, libp2p and tokio, Nuncio, everything else
    (re.compile(r"\[k\]|^(do_|sys_|__x64|tcp_|ip_|sock_|net_|schedule|futex|ep_|entry_)"), "#d9a066"),
    (re.compile(r"aws_lc|rustls|ring::|aes|gcm|sha|secp256k1|chacha", re.I), "#7aa36f"),
    (re.compile(r"nuncio"), "#5b8bc9"),
    (re.compile(r"libp2p|yamux|tokio|futures|mio|multistream"), "#b08bc0"),
]


def stacks(lines):
    """Stacks, the outermost function first, of `perf script`."""
    stack = []
    for line in lines:
        if line.startswith(("\t", " ")) and (frame := re.match(r"\s+[0-9a-f]+ (.+?)(?:\+0x[0-9a-f]+)? \((.+)\)$", line)):
            name, where = frame.groups()
            if name == "[unknown]":
                continue
            name = re.sub(r"::h[0-9a-f]{16}$", "", name)
            stack.append(name + (" [k]" if "kernel" in where or where.startswith("[") and "vdso" not in where else ""))
        elif not line.strip() and stack:
            yield stack[::-1]
            stack = []
    if stack:
        yield stack[::-1]


def grow(tree, stack):
    tree["n"] += 1
    for name in stack:
        tree = tree["on"].setdefault(name, {"n": 0, "on": {}})
        tree["n"] += 1


def shortened(name):
    """Without generics and the paths in front of the last two names."""
    while (fewer := re.sub(r"<[^<>]*>", "", name)) != name:
        name = fewer
    return "::".join(part for part in name.split("::") if part)[-60:] if name.strip(":") else "?"


def colour(name):
    return next((colour for pattern, colour in COLOURS if pattern.search(name)), "#c4c4b4")


def boxes(tree, total, left, depth, out):
    """The boxes above a function; gives how many rows they take."""
    deepest = depth
    for name, child in sorted(tree["on"].items()):
        share = child["n"] / total
        if share >= LEAST:
            out.append((name, left, share, depth))
            deepest = max(deepest, boxes(child, total, left, depth + 1, out))
        left += share
    return deepest


def main(title, target):
    tree = {"n": 0, "on": {}}
    for stack in stacks(sys.stdin):
        while stack and BELOW.match(stack[0]):
            stack.pop(0)
        grow(tree, [shortened(name) for name in stack][:40])
    if not tree["n"]:
        sys.exit("flame: no samples")
    found = []
    rows = boxes(tree, tree["n"], 0, 0, found)
    height = (rows + 2) * ROW
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{html.escape(title)}" '
        'font-family="sans-serif" font-size="10" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="4" y="11" font-weight="bold">{html.escape(title)}: {tree["n"]:,} samples</text>',
    ]
    for name, left, share, depth in found:
        x, y, width = left * WIDTH, height - (depth + 1) * ROW, share * WIDTH
        told = html.escape(f"{name}: {share:.1%}")
        box = f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.3):.1f}" height="{ROW - 1}" fill="{colour(name)}"/>'
        fits = int((width - 4) / 5.2)
        word = name.split("::")[-1] if len(name) > fits else name
        label = f'<text x="{x + 2:.1f}" y="{y + 10}">{html.escape(word[:fits])}</text>' if fits > 4 else ""
        out.append(f"<g><title>{told}</title>{box}{label}</g>")
    with open(target, "w", encoding="utf-8") as svg:
        svg.write("\n".join(out) + "\n</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

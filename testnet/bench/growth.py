#!/usr/bin/env python3
"""Draws what `nuncio bench growth` and `nuncio simulate` have measured: one SVG with a plot for each figure.

    nuncio bench growth --nodes 4 --nodes 16 … >lines.jsonl
    testnet/bench/growth.py lines.jsonl docs/book/pictures/growth.svg

Reads JSON lines with `of` (nodes, sessions, topics, simulated), `n` and figures; plots what has two points or more.
"""
import json
import math
import sys

WIDTH, HEIGHT, MARGIN, GAP = 360, 220, 54, 24
PLOTS = [  # of, figure, title, unit
    ("nodes", "each_kib", "Memory of each node in one process", "KiB"),
    ("nodes", "idle_percent", "Each idle node", "% of a core"),
    ("nodes", "request_cpu_us", "A small request and its answer", "µs of processor time"),
    ("simulated", "each_kib", "Memory of each simulated node", "KiB"),
    ("sessions", "each_kib", "Memory of each idle SDK session", "KiB"),
    ("topics", "each_kib", "Memory of each topic", "KiB"),
    ("topics", "request_cpu_us", "A small request beside topics", "µs of processor time"),
]


def ceiling(value):
    """The next number above that people like at the end of an axis."""
    step = 10 ** math.floor(math.log10(value or 1))
    return next(step * factor for factor in (1, 2, 3, 4, 5, 6, 8, 10) if step * factor >= value)


def written(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def text(x, y, words, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{words}</text>'


def plot(points, title, unit, named, left, top):
    """One plot: numbers of a kind on a logarithmic axis, the figure on an even one from zero."""
    width, height = WIDTH - MARGIN - GAP, HEIGHT - MARGIN - GAP
    highest = ceiling(max(value for _, value in points))
    first, last = math.log(max(points[0][0], 1)), math.log(max(points[-1][0], 1))
    x = lambda n: left + MARGIN + width * (math.log(max(n, 1)) - first) / ((last - first) or 1)
    y = lambda value: top + GAP + height * (1 - value / highest)
    out = [text(left + MARGIN, top + 14, f"{title}, {unit}", 'font-weight="bold"')]
    for share in (0, 0.5, 1):
        at = y(highest * share)
        out.append(f'<line x1="{left + MARGIN}" y1="{at:.1f}" x2="{left + MARGIN + width}" y2="{at:.1f}" stroke="#bbb"/>')
        out.append(text(left + MARGIN - 6, at + 4, written(highest * share), 'text-anchor="end"'))
    out += [text(x(n), top + GAP + height + 16, f"{n:,}", 'text-anchor="middle"') for n, _ in points]
    out.append(text(left + MARGIN + width / 2, top + GAP + height + 32, named, 'text-anchor="middle"'))
    line = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in points)
    out.append(f'<polyline points="{line}" fill="none" stroke="#2266aa" stroke-width="2"/>')
    for n, value in points:
        anchor = "start" if n == points[0][0] else "end" if n == points[-1][0] else "middle"
        out.append(f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="3" fill="#2266aa"/>')
        out.append(text(x(n), y(value) - 7, written(value), f'text-anchor="{anchor}" font-size="10"'))
    return out


def main(source, target):
    with open(source, encoding="utf-8") as lines:
        measured = [json.loads(line) for line in lines if line.strip()]
    plots = []
    for of, figure, title, unit in PLOTS:
        points = sorted((line["n"], line[figure]) for line in measured if line.get("of") == of and figure in line)
        if len(points) > 1:
            plots.append((points, title, unit, of))
    if not plots:
        sys.exit(f"growth: nothing in {source} has two points")
    rows = (len(plots) + 1) // 2
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {rows * HEIGHT}" role="img" '
        'aria-label="What nodes, sessions and topics cost as they become more" '
        'font-family="sans-serif" font-size="11" fill="#222">',
        f'<rect width="{2 * WIDTH}" height="{rows * HEIGHT}" fill="#fff"/>',
    ]
    for number, (points, title, unit, named) in enumerate(plots):
        out += plot(points, title, unit, named, number % 2 * WIDTH, number // 2 * HEIGHT)
    with open(target, "w", encoding="utf-8") as svg:
        svg.write("\n".join(out) + "\n</svg>\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

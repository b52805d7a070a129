#!/usr/bin/env python3
"""How often a log told of the same: the cause with the most lines in the last part of a log, as "LINES CAUSE".

    causes.py LOG LINES_BEFORE

A cause is a line's level, part and words, without its time and without what differs: numbers, node IDs, addresses.
"""
import collections
import re
import sys

DIFFERS = re.compile(r"\b(?:[0-9a-f]{8,}|\d[\d.:]*)\b|\x1b\[[0-9;]*m")


def cause(line):
    return DIFFERS.sub("", line.split(None, 1)[-1]).split("=", 1)[0].strip()


def main(path, before):
    with open(path, errors="replace") as log:
        counts = collections.Counter(cause(line) for number, line in enumerate(log) if number >= before)
    words, lines = max(counts.items(), key=lambda entry: entry[1], default=("", 0))
    print(lines, words[:100])


main(sys.argv[1], int(sys.argv[2]))

"""Runs the commands of Markdown pages; see run.sh beside it.

What a page says to this program stands in comments, which no reader sees:

  <!-- run: COMMANDS -->       commands to run here, before what follows
  <!-- not run: REASON -->     the next block is not run
  <!-- instead: COMMANDS -->   the next block is not run; these are
  <!-- fails: STATUS -->       the last command of the next block ends with this status

A command that stays (`nuncio run`, `listen`, …) goes on in the background as soon as it says that it is ready.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs/book").rglob("*.md") if not page.name.endswith(".zh.md"))]
LIMIT_S = 280

STAYS = re.compile(
    r"(\w+=\S* )*nuncio (run|listen|testnet up|amop subscribe|amop receive-files|audit follow|join (?!.*--no-start)|simulate --stay)\b"
)
ENDS_BY_ITSELF = re.compile(r"--count|--help|[^|&]\||&$")

# What stands before the commands of each page. `at` is told before each command, so that a failure names its line.
PRELUDE = r"""
set -Eeuo pipefail
shopt -s expand_aliases
at() { where=$1; what=$2; }
trap 'status=$?; echo "FAILED with $status at $where: $what" >&2; exit 1' ERR
told() {
    local pid=$1 log=$2 limit=$((SECONDS + 40))
    until grep -qE "stop (them )?with Ctrl-C" "$log" 2>/dev/null || { [ -n "$3" ] && nuncio health --live --config "$3" >/dev/null 2>&1; }; do
        kill -0 "$pid" 2>/dev/null || { cat "$log" >&2; echo "FAILED at $where: it ended: $what" >&2; exit 1; }
        [ "$SECONDS" -lt "$limit" ] || { cat "$log" >&2; echo "FAILED at $where: not ready: $what" >&2; exit 1; }
        sleep 0.1
    done
    # What listens is known to the other nodes within a second or so, and the next command may be the first that is meant for it.
    case $what in *listen* | *subscribe* | *receive*) sleep 2 ;; esac
}
must_fail() {
    local wanted=$1 status=0
    shift
    (trap - ERR; set +e; eval "$1") || status=$?
    [ "$status" -eq "$wanted" ] || { echo "FAILED at $where: ended with $status, not $wanted: $what" >&2; exit 1; }
}
"""


class Fault(Exception):
    """A page that cannot be read by this program."""


def blocks(page):
    """(line, kind, text) of each block of code, and of each comment that says something to this program."""
    lines = (ROOT / page).read_text().splitlines()
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith("```"):
            end = next((at for at in range(index + 1, len(lines)) if lines[at].startswith("```")), None)
            if end is None:
                raise Fault(f"{page}:{index + 1}: a block that does not end")
            yield index + 1, line[3:].strip(), lines[index + 1 : end]
            index = end
        elif line.startswith("<!--"):
            end = next(at for at in range(index, len(lines)) if "-->" in lines[at])
            text = "\n".join(lines[index : end + 1])[4:].split("-->")[0].strip()
            said = re.match(r"(run|not run|instead|fails):\s*(.*)", text, re.DOTALL)
            if said:
                yield index + 1, "!" + said[1], said[2].splitlines()
            index = end
        index += 1


def commands(first, lines):
    """(line, text) of each command: lines that belong together are one."""
    pending, began = [], 0
    for number, line in enumerate(lines, first):
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        if not pending:
            began = number
        pending.append(line)
        text = "\n".join(pending)
        heredoc = re.search(r"<<-?\s*'?(\w+)'?", text)
        if line.endswith("\\") or (heredoc and (len(pending) == 1 or line != heredoc[1])):
            continue
        if subprocess.run(["bash", "-n", "-c", text], capture_output=True).returncode == 0:
            yield began, text
            pending = []
    if pending:
        raise Fault(f"line {began}: not a command: {pending[0]}")


def of_console(lines):
    """The commands behind `$ `, with what they print left empty, so that lines keep their numbers."""
    return [line[2:] if line.startswith("$ ") else "" for line in lines]


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def script(page):
    """The commands of a page as one script, how many they are, and what is not run."""
    out, count, left_out, said = [PRELUDE], 0, [], None
    for line, kind, lines in blocks(page):
        fails = None
        if kind == "!run":
            shown, first = lines, line
        elif kind.startswith("!"):
            if said:
                raise Fault(f"{page}:{line}: two comments about one block")
            said = (kind[1:], lines)
            continue
        elif kind in ("sh", "console"):
            shown, first = (lines if kind == "sh" else of_console(lines)), line + 1
            what, words = said or (None, None)
            said = None
            if what in ("not run", "instead"):
                named = next((one for one in shown if one.strip()), "")
                left_out.append(f"{page}:{first}: {named.strip()}: {' '.join(words) if what == 'not run' else 'in a form for tests'}")
                shown = words if what == "instead" else []
            elif what == "fails":
                fails = int(words[0])
        else:
            if said:
                raise Fault(f"{page}:{line}: a comment about a block that holds no commands")
            continue
        found = list(commands(first, shown))
        for index, (number, text) in enumerate(found):
            count += 1
            out.append(f"at {page}:{number} {quoted(text)}")
            bare = re.sub(r"\s+#.*$", "", text)
            if fails is not None and index == len(found) - 1:
                out.append(f"must_fail {fails} {quoted(text)}")
            elif STAYS.match(bare) and not ENDS_BY_ITSELF.search(bare):
                log = f'"$logs/{count}"'
                config = re.search(r"--config[ =](\S+)", bare)
                needs_health = config and re.match(r"(\w+=\S* )*nuncio run", bare)
                out.append(f"{bare} >{log} 2>&1 </dev/null &")
                out.append(f"told $! {log} {config[1] if needs_health else quoted('')}")
            else:
                out.append(text)
    if said:
        raise Fault(f"{page}: the last comment has no block")
    return "\n".join(out) + "\n", count, left_out


def own_network():
    """Words before a command that give it a network and processes of its own, where this user may make them."""
    words = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    may = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True).returncode == 0
    return words if may and shutil.which("ip") else []


def run(page, binary, apart):
    """(page, number of commands, what is not run, what went wrong)."""
    try:
        text, count, left_out = script(page)
    except Fault as fault:
        return page, 0, [], str(fault)
    if not count:
        return page, 0, left_out, None
    with tempfile.TemporaryDirectory(prefix="nuncio-docs-") as scratch:
        home = pathlib.Path(scratch)
        for name in ("bin", "logs", "work"):
            (home / name).mkdir()
        (home / "bin/nuncio").symlink_to(binary)
        (home / "page.sh").write_text(text)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("NUNCIO_")}
        environment |= {
            "PATH": f"{home}/bin:{environment['PATH']}",
            "HOME": str(home),
            "logs": str(home / "logs"),
            "SOURCE": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        begin = "ip link set lo up && " if apart else ""
        process = subprocess.Popen(
            [*apart, "bash", "-c", f"{begin}exec bash {home}/page.sh"],
            cwd=home / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output = process.communicate(timeout=LIMIT_S)[0] if apart else until_end(process, home)
            status = process.returncode
        except subprocess.TimeoutExpired:
            status = "no end"
            output = b""
        finally:
            end_all(process)
        if status == 0:
            return page, count, left_out, None
        return page, count, left_out, output.decode(errors="replace")[-3000:] or f"{page}: {status} within {LIMIT_S} s"


def until_end(process, home):
    """What the page printed. Its background goes on holding the pipe, so it is read through a file by the group's end."""
    process.wait(timeout=LIMIT_S)
    end_all(process)
    return process.communicate(timeout=10)[0]


def end_all(process):
    """Ends what still runs of a page; who started others gets the time to end them."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            process.poll()
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("pages", nargs="*", default=PAGES)
    asked = parser.parse_args()
    apart = own_network()
    held, failed, left_out = 0, [], []
    with concurrent.futures.ThreadPoolExecutor(2 if apart else 1) as pool:
        for page, count, rest, fault in pool.map(lambda page: run(page, asked.binary, apart), asked.pages):
            left_out += rest
            if fault:
                failed.append(page)
                print(f"docs: {page}: FAILED\n{fault}", file=sys.stderr, flush=True)
            elif count:
                held += count
                print(f"docs: {page}: {count} commands held", flush=True)
    for line in left_out:
        print(f"docs: not run: {line}")
    print(f"docs: {held} commands held, {len(left_out)} blocks not run, {len(failed)} pages failed")
    sys.exit(1 if failed else 0)


main()

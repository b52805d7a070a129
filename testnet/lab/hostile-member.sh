#!/usr/bin/env bash
# A member with a good certificate attacks one of four nodes that serve 200 requests a second: one attack after the other,
# each under another key. It is banned within 10 s of its link and named, or held off in the way that the table says;
# every honest request is answered, with a p99 of three times that of the same load without attack; no log has more than
# a line a second about one cause; no node grows by more than 32 MiB (T6-T8, T10, T15-T21, F14).
#
#   hostile-member.sh [ATTACK...]       needs nuncio-hostile beside nuncio: cargo build --release -p nuncio-hostile
export LAB_MAX_S=${LAB_MAX_S:-1100}
. "$(dirname "$0")/lib.sh"

hostile=${NUNCIO_HOSTILE:-$(dirname "$nuncio")/nuncio-hostile}
[ -x "$hostile" ] || fail "$hostile is not there; build it with: cargo build --release -p nuncio-hostile"

# What becomes of each: banned; cut, its link ends; held, its link stays and it harms nobody.
declare -A fate=(
    [nothing]=held
    [made-up-nodes]=banned [forged-announcements]=banned [broadcasts]=banned [heavy-broadcasts]=held [more]=banned [queries]=banned
    [replay-gossip]=banned [replay-request]=banned [replay-multicast]=banned [replay-batch]=banned
    [relayed-copies]=banned [relayed-nonsense]=held
    [junk-frames]=banned [introductions]=banned [junk-gossip]=banned [foreign-gossip]=banned [forged-pulses]=banned [junk-queries]=banned [oversize]=banned
    [invented-sources]=banned [foreign-seals]=held [forged-multicasts]=banned [forged-statuses]=banned
    [equivocation]=banned [churn]=banned [streams]=cut [control]=banned
    [bait]=held [silent-reader]=cut
)
# For what those are banned that would be banned for something else if what they attack were not there.
declare -A kind=(
    [made-up-nodes]='uncertified empty-promise' [forged-announcements]=forged [broadcasts]=overspent [more]=empty-promise
    [replay-request]=replayed [replay-multicast]=replayed [replay-batch]=replayed
    [junk-frames]=malformed [junk-gossip]=malformed [foreign-gossip]=malformed [oversize]=malformed
    [equivocation]=equivocation
)
# Not among those that are tried without a name: heavy-broadcasts, which is read at a pace of its own, and still slows requests down
# on two cores more than the same load of an honest member does.
order=(nothing made-up-nodes forged-announcements broadcasts more queries replay-gossip replay-request replay-multicast
    replay-batch relayed-copies relayed-nonsense
    junk-frames introductions junk-gossip foreign-gossip forged-pulses junk-queries oversize invented-sources foreign-seals forged-multicasts forged-statuses
    equivocation churn streams control bait silent-reader)

# For how long each goes on, and the load without attack.
seconds=12
base_seconds=10
growth_kib=$((32 * 1024))

honest=(0 1 2 3)
memory_begins() { for node in "${honest[@]}"; do echo 5 >"/proc/${pids[$node]}/clear_refs"; done; }
lines() { wc -l <"$scratch/node$1.log"; }
broadcasts_begin() { # FROM RATE BYTES
    python3 "$here/load.py" "$2" "$(dir "$1")/data/admin.sock=all:$3" >/dev/null 2>&1 &
    broadcasts+=("$!")
}
broadcasts_end() {
    [ "${#broadcasts[@]}" -eq 0 ] || kill "${broadcasts[@]}" 2>/dev/null || true
    broadcasts=()
}
verdict() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$scratch/verdict.json" "$1"; }
wrong() {
    faults+=("$attack: $*")
    say "$attack: $*"
}
# An address where nobody listens, and the SYNs that come to it.
bait=$LAB_NET.99
bait_syns() { lab_exec n4 nft list chain inet bait input | sed -n 's/.*counter packets \([0-9]*\) .*/\1/p'; }

attack_once() {
    local conf=$scratch/hostile/$attack node growth=0 most=0 told before_memory=() before_lines=()
    "$nuncio" cert issue "hostile-$attack" --ca "$scratch/net/agencies/agencyA" --out "$conf" >/dev/null 2>&1 ||
        fail "no certificate for the attacker"
    # A listener's command ends by itself after a minute.
    echo_anew 0 1
    memory_begins
    for node in "${honest[@]}"; do
        before_memory[node]=$(memory "$node")
        before_lines[node]=$(lines "$node")
    done
    honest_broadcasts "$attack"
    load_begins 200 0-1 1-0
    # Else what the attacker before said may be taken for what this one says.
    rm -f "$scratch/attack.out"
    lab_bg n4 "$scratch/attack.out" "$hostile" "$attack" --certs "$conf" --victim "$(address 0)" \
        --seconds "$seconds" --bait "$bait:1"
    local attacker=$LAB_PID watched=$((seconds + 3))
    # The link of one that is held off ends with the attack.
    [ "${fate[$attack]}" != held ] || watched=$((seconds - 3))
    lab_wait "$scratch/attack.out" 'attacks":"[0-9a-f]*"' 60 || fail "the attacker did not start: $(cat "$scratch/attack.out")"
    python3 "$here/watch.py" "$(dir 0)/data/admin.sock" \
        "$(sed -n 's/.*"attacks":"\([0-9a-f]*\)".*/\1/p' "$scratch/attack.out")" "$watched" \
        >"$scratch/verdict.json"
    wait "$attacker" 2>/dev/null || true
    load_ends_quietly
    broadcasts_end
    for node in "${honest[@]}"; do
        local grown=$(($(memory "$node" VmHWM) - before_memory[node]))
        [ "$grown" -le "$growth" ] || growth=$grown
        told=$(python3 "$here/causes.py" "$scratch/node$node.log" "${before_lines[node]}")
        if [ "${told%% *}" -gt "$most" ]; then most=${told%% *} most_words=${told#* }; fi
    done
    judge
}

echo_anew() {
    local pid node
    for pid in "${echoes[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    echoes=()
    for node in "$@"; do echo_at "$node"; done
    within 10 "they answer" all_answer 0-1 1-0 >/dev/null
}

# What honest nodes send each other during an attack, beside the requests: a slow reader matters where much waits for it.
honest_broadcasts() {
    broadcasts_begin 2 10 1024
    [ "$1" != silent-reader ] || broadcasts_begin 1 4 1048576
}
# base ATTACK: its limit, from the same load without it. Long broadcasts keep these processors busy whoever sends them: where
# they are the attack, an honest member sends meanwhile as many of them as are read of one that sends without end.
base() {
    honest_broadcasts "$1"
    [ "$1" != heavy-broadcasts ] || broadcasts_begin 2 4 1048576
    load_begins 200 0-1 1-0
    sleep "$base_seconds" # of load
    load_ends 150
    broadcasts_end
    limit_ms=$(p99_limit "$(figure p99)")
    say "without attack: p50 $(figure p50) ms, p99 $(figure p99) ms; limit $limit_ms ms"
}

# The same as load_ends, without judging.
load_ends_quietly() {
    kill "$load"
    wait "$load" || fail "the load ended by itself: $(cat "$scratch/load.err")"
}

judge() {
    local banned cut
    banned=$(verdict banned) cut=$(verdict cut)
    [ "$(verdict linked)" = True ] || wrong "it never had a link: $(tail -n 1 "$scratch/attack.out")"
    case ${fate[$attack]} in
        banned)
            if [ "$banned" = None ]; then wrong "it was not banned"; else
                at_most "$banned" 10 || wrong "it was banned after $banned s only"
                on 0 peers | grep banned >/dev/null || wrong "nuncio peers does not show it"
                local main
                main=$(verdict main)
                # None: it was banned before its strikes were looked at.
                [ "$main" = None ] || [[ " ${kind[$attack]:-$main} " = *" $main "* ]] ||
                    wrong "it was banned as $main, not as ${kind[$attack]}"
            fi
            ;;
        cut) if [ "$cut" = None ]; then wrong "its link did not end"; else at_most "$cut" 14 || wrong "cut after $cut s"; fi ;;
        held) [ "$cut" = None ] || wrong "its link ended" ;;
    esac
    local sent
    sent=$(sed -n 's/.*"sent":\([0-9]*\).*/\1/p' "$scratch/attack.out")
    case $attack in
        nothing | silent-reader) ;;
        *) [ "${sent:-0}" -gt 0 ] || wrong "it sent nothing" ;;
    esac
    # Five of each node that learns of it.
    [ "$attack" != bait ] || [ "$(bait_syns)" -le $((5 * ${#honest[@]})) ] || wrong "$(bait_syns) SYNs went to the bait"
    each_has 3 1 2 3 || wrong "honest nodes have cut each other off"
    if [ "$(figure asked)" != "$(figure answered)" ]; then wrong "requests were lost: $(figure faults)"; fi
    [ "$(figure answered)" -gt 1000 ] || wrong "too few answers to tell"
    at_most "$(figure p99)" "$limit_ms" || wrong "p99 is $(figure p99) ms, the limit $limit_ms ms"
    # Long broadcasts stay a while where they were published, for those who missed them: 64 MiB at the most.
    local kept_kib=0
    [ "$attack" != silent-reader ] || kept_kib=$((64 * 1024))
    [ "$growth" -le $((growth_kib + kept_kib)) ] || wrong "a node grew by $((growth / 1024)) MiB"
    # A second for each that it went on, and those that Told lets through at once.
    [ "$most" -le $((seconds + 8 + 16)) ] || wrong "$most lines in a log: $most_words"
    [ "$banned" = None ] || cut=$banned
    printf '%-21s %-7s %7s %6s  %6s %7s  %5s/%-5s %5s %6s  %s\n' "$attack" "${fate[$attack]}" "${cut/None/-}" \
        "$sent" "$(figure p50)" "$(figure p99)" \
        "$(figure answered)" "$(figure asked)" "$((growth / 1024))" "$most" "$(verdict strikes)"
}

network 5
for node in "${honest[@]}"; do configure "$node" 8 $(((node + 1) % 4)); done
start "${honest[@]}"
within 20 "a full mesh" each_has 3 "${honest[@]}"
echo_anew 0 1
ip -n "$LAB-n4" addr add "$bait/24" dev e0
lab_exec n4 nft add table inet bait
lab_exec n4 nft add chain inet bait input '{ type filter hook input priority 0; }'
lab_exec n4 nft add rule inet bait input ip daddr "$bait" 'tcp flags & (syn | ack) == syn' counter
faults=()
base nothing
printf '%-21s %-7s %7s %6s  %6s %7s  %11s %5s %6s  %s\n' attack fate after/s sent p50/ms p99/ms answered MiB lines strikes
for attack in "${@:-${order[@]}}"; do
    [ -n "${fate[$attack]:-}" ] || fail "no attack has this name: $attack"
    case $attack in silent-reader | heavy-broadcasts) base "$attack" ;; esac
    attack_once
done
[ "${#faults[@]}" -eq 0 ] || fail "$(printf '%s\n' '' "${faults[@]}")"
say "holds: a member that breaks the rules harms nobody"

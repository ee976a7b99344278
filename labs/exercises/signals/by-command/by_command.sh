#!/bin/sh
# Signals sent with the kill command, as a person would, and how the shell tells what became of
# the child: the status of `wait` is 128 plus the number of the signal that ended it.
#
# Shown as well: a script starts its background commands with SIGINT and SIGQUIT ignored, so that
# the keys of the terminal end the script's foreground only. `kill -INT` does nothing to them.
#
# Manual pages: kill(1), sh(1p) "Signals and Error Handling", wait(1p), proc(5), signal(7).
set -u

ready=./ready
never=./never
mkfifo "$ready" "$never" || exit 1

# A child that only waits, for a FIFO that nobody writes to: no `sleep` that would be left over
# when it ends. The line in the other FIFO comes when its arrangements are made.
start_child() {
    { echo "it runs" > "$ready"; read -r _ < "$never"; } &
    child=$!
    read -r _ < "$ready"
}

# 143 becomes SIGTERM: `kill -l` knows the numbers of this machine.
named() {
    if [ "$1" -gt 128 ]; then echo "SIG$(kill -l "$1")"; else echo "exit status $1"; fi
}

# $1 = a signal's name. SIGTERM follows in case that the child ignored the first; then it is
# SIGTERM that ended it. Sets `status` and `fate`.
send_to_background() {
    start_child
    kill "-$1" "$child"
    kill -TERM "$child"
    wait "$child"
    status=$?
    fate=$(named "$status")
    [ "$1" = TERM ] || [ "$fate" != SIGTERM ] || fate=ignored
    echo "kill -$1: $fate, status of wait $status"
}

# The same to a child that the script waits for. It becomes `cat`, for a shell may ignore SIGQUIT for
# itself; a helper in the background waits until `cat` has opened its FIFO and signals it then.
# Sets `fate`.
send_to_foreground() {
    { read -r target < "$ready"; exec 3> "$never"; kill "-$1" "$target"; } &
    helper=$!
    sh -c "echo \$\$ > '$ready'; exec cat '$never'"
    fate=$(named $?)
    wait "$helper"
    echo "kill -$1 in the foreground: $fate"
}

# The state letter of a process, as ps shows it.
state_of() {
    while read -r key value _; do
        if [ "$key" = State: ]; then echo "$value"; fi
    done < "/proc/$1/status"
}

# `wait` without job control tells ends only, so look. $1 = process, $2 = state to wait for.
until_state() {
    tries=0
    state=$(state_of "$1")
    until [ "$state" = "$2" ] || [ "$tries" -ge 30 ]; do
        sleep 1
        tries=$((tries + 1))
        state=$(state_of "$1")
    done
    echo "$state"
}

{
    send_to_background TERM; term=$fate term_status=$status
    send_to_background KILL; kill=$fate
    send_to_background HUP;  hup=$fate
    send_to_background USR1; usr1=$fate usr1_status=$status
    send_to_background USR2; usr2=$fate
    send_to_background INT;  int_background=$fate
    send_to_background QUIT; quit_background=$fate
    send_to_foreground INT;  int=$fate
    send_to_foreground QUIT; quit=$fate

    start_child
    kill -STOP "$child"
    stop_state=$(until_state "$child" T)
    kill -CONT "$child"
    cont_state=$(until_state "$child" S)
    kill -TERM "$child"
    wait "$child"
    echo "state after STOP: $stop_state, after CONT: $cont_state"
} 2>/dev/null # some shells remark "Terminated" there
rm -f "$ready" "$never"

printf '{"term": "%s", "kill": "%s", "hup": "%s", ' "$term" "$kill" "$hup"
printf '"usr1": "%s", "usr2": "%s", "int": "%s", "quit": "%s", ' "$usr1" "$usr2" "$int" "$quit"
printf '"int_background": "%s", "quit_background": "%s", ' "$int_background" "$quit_background"
printf '"stop_state": "%s", "cont_state": "%s", ' "$stop_state" "$cont_state"
printf '"term_status": %d, "usr1_status": %d}\n' "$term_status" "$usr1_status"

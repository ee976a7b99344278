# What system calls a small program makes, seen by strace(1).
#
# Each line of a trace is a call, its arguments and its result. The traces go into files of their own
# (-o), so that what the program prints and what strace says do not mix; they are shown at the end.
# The file `trace` is a new one each time: a refused strace must not be taken for a silent program.

WRITES='trace=write,writev' # which of the two it is, is the C library's choice

watch() { # OPTION... -- MODE: the program under strace; its status is ours
    options=
    while [ "$1" != -- ]; do
        options="$options $1"
        shift
    done
    rm -f trace
    # shellcheck disable=SC2086 # options are words
    strace -o trace $options ./calls "$2" >printed 2>said
    status=$?
    { echo "strace$options ./calls $2"; cat trace said; } >>traces 2>/dev/null
    return "$status"
}

# How many calls wrote to descriptor 1.
writes() {
    grep -cE '(write|writev)\(1,' trace
}

# The name of the error that the call with $1 in it ended with, or what it gave back.
result_of() {
    sed -nE "/$1/s/.* = (-1 )?([A-Z0-9]+).*/\\2/p" trace
}

# May we trace at all? A sandbox forbids ptrace(2), by which strace works.
rm -f traces
if ! watch -e "$WRITES" -- whole; then
    case $(cat said) in
    *"not permitted"*) answer="blocked (EPERM)" ;;
    *"Permission denied"*) answer="blocked (EACCES)" ;;
    *) answer="failed" ;;
    esac
    cat traces
    echo "{\"tracing\": \"$answer\", \"ran_all_the_same\": $([ -s printed ] && echo true || echo false)}"
    exit 0
fi
whole=$(writes)
lines=$(wc -l <printed)
watch -e "$WRITES" -- by-line
by_line=$(writes)
watch -e 'trace=?open,openat' -- unreadable
unreadable=$(result_of shadow)
silent=$([ -s said ] && echo false || echo true)
watch -e trace=sethostname -- rename
renamed=$(result_of sethostname)
watch -e "$WRITES" -- child
without_f=$(writes)
watch -f -e "$WRITES" -- child
with_f=$(writes)
watch -e "$WRITES" -e inject=write,writev:error=ENOSPC -- careful
full=$?
cat traces
echo "{\"tracing\": \"allowed\", \"lines\": $((lines)), \"whole\": $whole, \"by_line\": $by_line," \
    "\"unreadable\": \"$unreadable\", \"silent\": $silent, \"rename\": \"$renamed\"," \
    "\"child_without_f\": $without_f, \"child_with_f\": $with_f, \"status_when_full\": $full}"

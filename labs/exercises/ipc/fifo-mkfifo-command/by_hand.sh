# A FIFO by hand: mkfifo, ls, cat and echo, as one would type them.
#
#   sh by_hand.sh owner    makes FIFOs of two modes and talks through one
#   sh by_hand.sh other    as another user: tries to open them
#
# mkfifo(1), sh(1) (redirections), fifo(7), proc(5). `<>` opens for reading and writing and so does
# not wait for a partner: what it answers is about permission alone.

# The state letter of /proc/PID/stat, when the process sleeps or after a generous while.
state_when_asleep() {
    tries=0
    while [ "$tries" -lt 60 ]; do
        read -r _ _ state _ <"/proc/$1/stat"
        [ "$state" = S ] && break
        sleep 1
        tries=$((tries + 1))
    done
    echo "$state"
}

mode_of() {
    ls -l "$1" | cut -c1-10
}

# A failed redirection ends a shell, hence the inner ( ).
try_open() {
    if complaint=$( (: <>"$1") 2>&1); then
        echo allowed
        return
    fi
    case $complaint in
    *denied*) echo "blocked (EACCES)" ;;
    *) echo "blocked (another error)" ;;
    esac
}

owner() {
    umask 022
    mkfifo plain && mkfifo -m 666 public && mkfifo -m 600 private || exit 1
    ls -l
    cat private >heard & # waits for somebody to write
    reader=$!
    waiting=$(state_when_asleep "$reader")
    echo hello >private
    wait "$reader" || exit 1
    heard=$(cat heard)
    stored=false
    [ -s private ] && stored=true
    echo "cat was in state $waiting, then it heard: $heard"
    printf '{"plain_mode": "%s", "public_mode": "%s", ' "$(mode_of plain)" "$(mode_of public)"
    printf '"private_mode": "%s", "reader_state": "%s", ' "$(mode_of private)" "$waiting"
    printf '"heard": "%s", "stored": %s}\n' "$heard" "$stored"
}

other() {
    public=$(try_open public)
    private=$(try_open private)
    echo "another user opens public: $public; private: $private"
    printf '{"other_public": "%s", "other_private": "%s", ' "$public" "$private"
    printf '"other_plain": "%s"}\n' "$(try_open plain)"
}

case $1 in
owner | other) "$1" ;;
*)
    echo "usage: sh by_hand.sh owner | other" >&2
    exit 1
    ;;
esac

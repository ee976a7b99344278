# Namespaces by command, as root: unshare(1), nsenter(1), and what ps would see.
#
# A shell gets a UTS namespace and names the machine cits3007; a second command joins it there by
# nsenter; a third gets a PID namespace with a /proc of its own.

verdict() { # TEXT: what a command said, as the name of the errno behind it
    case $1 in
    *"not permitted"*) echo "blocked (EPERM)" ;;
    *"Permission denied"*) echo "blocked (EACCES)" ;;
    *"Invalid argument"*) echo "blocked (EINVAL)" ;;
    *) echo "blocked (another errno)" ;;
    esac
}

before=$(uname -n)
said=$(unshare --uts true 2>&1)
if [ $? -ne 0 ]; then
    echo "unshare --uts: $said"
    echo "{\"unshare\": \"$(verdict "$said")\"}"
    exit 0
fi

# A shell that stays in its namespace until somebody writes to it.
mkfifo ready leave
unshare --uts sh -c 'hostname cits3007; uname -n >ready; cat leave >/dev/null' &
shell=$!
inside=$(cat ready)
joined=$(nsenter --target "$shell" --uts uname -n)
theirs=$(readlink "/proc/$shell/ns/uts")
ours=$(readlink /proc/self/ns/uts)
after=$(uname -n)
: >leave # opening and closing it is enough
wait "$shell"
rm ready leave

# The shell is process 1 and, as no command has been started yet, the only one in its /proc.
seen=$(unshare --pid --fork --mount-proc sh -c 'set -- /proc/[0-9]*; echo "$$ $#"')

echo "inside: $inside ($theirs), outside: $after ($ours), by nsenter: $joined"
if [ "$before" = "$after" ]; then same=true; else same=false; fi
if [ "$theirs" != "$ours" ]; then other=true; else other=false; fi
echo "{\"unshare\": \"allowed\", \"name_inside\": \"$inside\", \"name_by_nsenter\": \"$joined\"," \
    "\"name_outside_unchanged\": $same, \"another_namespace\": $other," \
    "\"pid_inside\": ${seen% *}, \"processes_inside\": ${seen#* }}"

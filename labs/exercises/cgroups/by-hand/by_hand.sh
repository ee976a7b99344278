# A control group by hand: a directory, two numbers and a process number.
#
# The files of either version of cgroups are used as a person would, with mkdir, echo, cat and
# rmdir; then the same by cgcreate, cgset, cgexec and cgdelete, where somebody installed them.
# See cgroups(7). Run as root.

name=isolab-${ISOLAB_TAG:-by-hand}

# The errno's name for the last message of a failed command, which stands in the file `said`.
verdict() {
    case $(cat said) in
    *"Read-only file system"*) echo "blocked (EROFS)" ;;
    *"Permission denied"*) echo "blocked (EACCES)" ;;
    *"not permitted"*) echo "blocked (EPERM)" ;;
    *"busy"*) echo "blocked (EBUSY)" ;;
    *) echo "blocked (another errno)" ;;
    esac
}

try() { # COMMAND...: says "allowed" or why not
    if "$@" 2>said >/dev/null; then echo allowed; else verdict; fi
}

# Version 2, if its hierarchy has the cpu controller; else version 1, where cpu has its own.
find_hierarchy() {
    while read -r _ where type options _; do
        case $type in
        cgroup2) grep -qw cpu "$where/cgroup.controllers" 2>/dev/null && version=2 && top=$where ;;
        cgroup) case ,$options, in *,cpu,*) version=1 top=$where ;; esac ;;
        esac
    done </proc/mounts
}

set_quota() { # 350 ms in every 1000 ms
    if [ "$version" = 2 ]; then
        echo "350000 1000000" >"$group/cpu.max" && cat "$group/cpu.max"
    else
        echo 1000000 >"$group/cpu.cfs_period_us" && echo 350000 >"$group/cpu.cfs_quota_us" &&
            echo "$(cat "$group/cpu.cfs_quota_us") $(cat "$group/cpu.cfs_period_us")"
    fi
}

# A shell moves itself into the group; what it starts is born there. Its line in /proc says so.
enter() {
    sh -c 'echo $$ >"$0/cgroup.procs" && cat /proc/self/cgroup' "$group"
}

mentions_group() { # TEXT
    case $1 in *"/$name"*) echo true ;; *) echo false ;; esac
}

# A directory full of files nobody made, that rmdir removes all the same, unless it is in use.
remove_while_used() {
    mkfifo hold
    sh -c 'echo $$ >"$0/cgroup.procs" && exec cat hold' "$group" >/dev/null &
    member=$!
    exec 3>hold # goes on when the other end is open: then the member is in the group
    try rmdir "$group"
    exec 3>&-
    wait "$member"
    rm hold
}

# The last process may still be on its way out when it has been waited for.
remove() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        rmdir "$group" 2>said && echo allowed && return
        sleep 1
    done
    verdict
}

# Sets tools, what became of the four, and slide, what cgset says to names of version 1.
with_tools() {
    slide="" tools_quota="$quota"
    for tool in cgcreate cgset cgexec cgdelete; do
        command -v "$tool" >/dev/null || { tools="unavailable (no $tool)" slide=$tools; return; }
    done
    cgcreate -g "cpu:/$name" || { tools="cgcreate failed"; return; }
    if [ "$version" = 2 ]; then
        # As it is still printed in many places. Version 2 has no such files.
        if cgset -r cpu.cfs_period_us=1000000 "$name" 2>said; then slide=allowed; else slide=refused; fi
        cat said
        cgset -r cpu.max="350000 1000000" "$name"
    else
        slide=allowed
        cgset -r cpu.cfs_period_us=1000000 "$name" && cgset -r cpu.cfs_quota_us=350000 "$name"
    fi || echo "cgset failed"
    [ "$version" = 1 ] || tools_quota=$(cat "$group/cpu.max")
    inside=$(cgexec -g "cpu:$name" cat /proc/self/cgroup)
    cgdelete "cpu:/$name" || echo "cgdelete failed"
    if [ "$(mentions_group "$inside")" = true ]; then tools=allowed; else tools="cgexec failed"; fi
}

version=0 top=
find_hierarchy
if [ "$version" = 0 ]; then
    echo '{"mkdir": "unavailable (no cpu controller)"}'
    exit 0
fi
group=$top/$name
made=$(try mkdir "$group")
if [ "$made" != allowed ]; then
    echo "mkdir $group: $(cat said)"
    echo "{\"mkdir\": \"$made\"}"
    exit 0
fi
# Left on afterwards: others may rely on it by now.
[ "$version" = 1 ] || echo +cpu >"$top/cgroup.subtree_control"
quota=$(set_quota)
inside=$(enter)
outside=$(cat /proc/self/cgroup)
busy=$(remove_while_used)
removed=$(remove)
with_tools
echo "inside: $inside"
echo "{\"mkdir\": \"$made\", \"version\": $version, \"quota\": \"$quota\"," \
    "\"inside_in_group\": $(mentions_group "$inside")," \
    "\"outside_in_group\": $(mentions_group "$outside")," \
    "\"rmdir_in_use\": \"$busy\", \"rmdir\": \"$removed\", \"tools\": \"$tools\"," \
    "\"names_of_version_1\": \"$slide\", \"tools_quota\": \"$tools_quota\"}"

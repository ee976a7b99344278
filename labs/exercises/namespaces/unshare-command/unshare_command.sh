# The machine's name changed by command, as an ordinary user: unshare(1) and hostname(1).
#
# Once plainly, which takes a right that ordinary users lack, and once with a user namespace, in
# which unshare maps them to root. The options are those of util-linux; busybox has the same.

# What a command said, as the name of the errno behind it.
verdict() { # TEXT
    case $1 in
    *"not permitted"*) echo "blocked (EPERM)" ;;
    *"Permission denied"*) echo "blocked (EACCES)" ;;
    *"Invalid argument"*) echo "blocked (EINVAL)" ;;
    *"No space left"*) echo "blocked (ENOSPC)" ;;
    *) echo "blocked (another errno)" ;;
    esac
}

# Run inside: says that it got there, who it is, whether it may rename, and the name then.
inside='echo entered; id -u; hostname cits3007 2>/dev/null && echo renamed; uname -n'

judge() { # TEXT: allowed if the command inside has run
    case $1 in entered*) echo allowed ;; *) verdict "$1" ;; esac
}

before=$(uname -n)
plain=$(unshare --uts sh -c "$inside" 2>&1)
mapped=$(unshare --user --map-root-user --uts sh -c "$inside" 2>&1)
after=$(uname -n)

echo "unshare --uts: $plain"
echo "unshare --user --map-root-user --uts:" $mapped
echo "outside the name is $after"

observed="\"plain\": \"$(judge "$plain")\", \"with_user\": \"$(judge "$mapped")\""
case $mapped in
entered*renamed*)
    set -- $mapped # the words: entered, the user id, renamed, the name
    observed="$observed, \"id_inside\": $2, \"name_inside\": \"$4\""
    ;;
entered*) observed="$observed, \"name_inside\": \"may not be set\"" ;;
esac
if [ "$before" = "$after" ]; then same=true; else same=false; fi
echo "{$observed, \"name_outside_unchanged\": $same}"

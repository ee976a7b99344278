# Completion of isolab for bash: eval "$(isolab --print-completion-script bash)"
_isolab() {
    local IFS=$'\n' candidate
    COMPREPLY=()
    for candidate in $("${COMP_WORDS[0]/#\~/$HOME}" --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        COMPREPLY+=("${candidate%%$'\t'*}")
    done
}
# Without candidates: names of files.
complete -o bashdefault -o default -F _isolab isolab

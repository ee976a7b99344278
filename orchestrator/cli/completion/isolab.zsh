#compdef isolab
# Completion of isolab for zsh: eval "$(isolab --print-completion-script zsh)"
_isolab() {
    local -a lines described
    local line
    lines=("${(@f)$("${words[1]/#\~/$HOME}" --complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    for line in "${(@)lines}"; do
        [[ -n $line ]] && described+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    done
    # Without candidates: names of files.
    if (( $#described )); then
        _describe -V isolab described
    else
        _files
    fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
compdef _isolab isolab

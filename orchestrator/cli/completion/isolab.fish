# Completion of isolab for fish: isolab --print-completion-script fish | source
function __isolab_candidates
    set -l words (commandline --tokenize --cut-at-cursor --current-process) (commandline --current-token --cut-at-cursor)
    set -l program (string replace --regex '^~' "$HOME" -- $words[1])
    set -l found ($program --complete $words[2..-1] 2>/dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        # Without candidates: names of files.
        __fish_complete_path (commandline --current-token)
    end
end
complete --command isolab --no-files --arguments '(__isolab_candidates)'

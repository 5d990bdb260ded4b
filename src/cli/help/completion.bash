_mydocker() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" verb="" word flags="" things=""
    local containers="mydocker ps -a --format {{.Names}}" images="mydocker images -f dangling=false --format {{.Repository}}:{{.Tag}}"
    local networks="mydocker network ls --format {{.Name}}"
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case "$word" in -*) continue ;; esac
        case "$verb" in "" | container | image | network | system | volume) verb="${verb:+$verb }$word" ;; *) break ;; esac
    done
    case "$verb" in
@CASES
    esac
    case "$verb $prev" in
@VALUES
    esac
    case "$cur$things" in
    -*) things="" ;;
    *CONTAINER)
        things="$($containers 2>/dev/null)" flags=""
        case "$verb" in network*) things="$things $($networks 2>/dev/null)" ;; esac
        ;;
    *IMAGE) things="$($images 2>/dev/null)" flags="" ;;
    *NAME) things="$($containers 2>/dev/null) $($images 2>/dev/null)" flags="" ;;
    *NETWORK) things="$($networks 2>/dev/null)" flags="" ;;
    *VOLUME) things="$(mydocker volume ls -q 2>/dev/null)" flags="" ;;
    *FILE) compopt -o default 2>/dev/null; COMPREPLY=(); return ;;
    esac
    COMPREPLY=($(compgen -W "$flags $things" -- "$cur"))
}
complete -F _mydocker mydocker

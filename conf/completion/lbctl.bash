# Completion of lbctl for bash: commands and options as its help tells them, servers and nodes as the daemon does.
# shellcheck shell=bash

_lbctl_commands() {
	lbctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p'
}

_lbctl_options() {
	lbctl "$1" --help 2>/dev/null | sed -n 's/^  -., \(--[a-z-]*\).*/\1/p'
}

# Each name of the status with what stands behind it up to the next name tells what it is of.
_lbctl_names() {
	lbctl --json status 2>/dev/null | awk -v want="$1" 'BEGIN { RS = "\"name\":\"" }
		NR > 1 {
			name = substr($0, 1, index($0, "\"") - 1)
			if (index($0, "\"listen\":")) service = name
			if (want == "node" && index($0, "\"self\":")) print name
			if (want == "service" && index($0, "\"listen\":")) print name
			if (want == "server" && index($0, "\"effective_weight\":")) print service "/" name
		}'
}

_lbctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command="" i
	local -a choice=()

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) i=$((i + 1)) ;;
		-*) ;;
		*)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	if [[ $before == --socket ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	fi
	case $command:$before in
	:*) mapfile -t choice < <(printf '%s\n' --socket --json --help --version && _lbctl_commands) ;;
	*:--to) mapfile -t choice < <(_lbctl_names node) ;;
	*:--service) mapfile -t choice < <(_lbctl_names service) ;;
	*:--server) mapfile -t choice < <(_lbctl_names server) ;;
	*)
		mapfile -t choice < <(_lbctl_options "$command")
		case $command in
		why) mapfile -t -O "${#choice[@]}" choice < <(echo vip && _lbctl_names server) ;;
		drain | ready | maint | weight | limit | kill) mapfile -t -O "${#choice[@]}" choice < <(_lbctl_names server) ;;
		standby) choice+=(on off) ;;
		clear) choice+=(counters) ;;
		check | diff | doctor | keygen) mapfile -t -O "${#choice[@]}" choice < <(compgen -f -- "$word") ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "${choice[*]}" -- "$word")
}

complete -F _lbctl lbctl

# The client of a session without its port, as GoAccess wants it: sed -E -f clients.sed
s/ client=\[?([0-9a-fA-F.:]+)\]?:[0-9]+ / client=\1 /

#!/bin/sh
# An event listener in plain shell: recorder.sh FILE appends each event (its header, its payload, a line with --) to FILE.
while printf 'READY\n' && read -r header; do
    payload=$(dd bs=1 count="${header##*len:}" 2> /dev/null; echo .)
    printf '%s\n%s\n--\n' "$header" "${payload%.}" >> "$1"
    printf 'RESULT 2\nOK'
done

# Completion of supervisorctl_restart_group in fish. Made of the text of --help; see share/make.py.

# What supervisord knows: names and IDs, each with a tab and what it is, for the line as it is.
function __supervisorctl_restart_group_ask
    set -l words (commandline -opc)
    set -l command (string replace -r '^~/' "$HOME/" -- $words[1])
    $command --complete (commandline -ct) $words[2..-1] 2>/dev/null </dev/null
end

complete -c supervisorctl_restart_group -f -k -a '(__supervisorctl_restart_group_ask)'
complete -c supervisorctl_restart_group -s c -l configuration -r -F -d 'configuration file path'
complete -c supervisorctl_restart_group -s h -l help -d 'print usage message and exit'
complete -c supervisorctl_restart_group -l version -d 'print the version of this command and exit'
complete -c supervisorctl_restart_group -s i -l interactive -d 'start supervisorctl\'s interactive shell after the restart'
complete -c supervisorctl_restart_group -s s -l serverurl -x -d 'URL on which supervisord server is listening'
complete -c supervisorctl_restart_group -s u -l username -x -d 'username to use for authentication with server'
complete -c supervisorctl_restart_group -s p -l password -x -d 'password to use for authentication with server'
complete -c supervisorctl_restart_group -s r -l history-file -r -F -d 'keep a readline history for the shell of -i'
complete -c supervisorctl_restart_group -l max-unavailable -x -k -a '1 25% 50%' -d 'never let more than N processes of a group, or N% of them, be not ready at once'
complete -c supervisorctl_restart_group -l max-surge -x -k -a '1 25% 50%' -d 'of programs that can run twice, start the new process first and stop the old one when it is ready, for N processes of a group, or N% of them, at once'
complete -c supervisorctl_restart_group -l rolling -d 'one process after the other: --max-unavailable 1'
complete -c supervisorctl_restart_group -l min-ready -x -d 'time a new process must stay ready before it counts'
complete -c supervisorctl_restart_group -l ready-timeout -x -d 'time from its start in which a process must become ready, or it has failed'
complete -c supervisorctl_restart_group -l hook-timeout -x -d 'time that each of a program\'s commands may take, before its stop and after its start'
complete -c supervisorctl_restart_group -l scout -x -d 'how long the first process of a group must be up before the next is taken down'
complete -c supervisorctl_restart_group -l newer-than -r -F -d 'leave alone what was started after PATH changed'
complete -c supervisorctl_restart_group -l method -x -k -a 'restart start signal:HUP signal:USR1 signal:USR2 signal:WINCH signal:INT signal:QUIT signal:TERM' -d 'restart, start what is down alone, or send a signal, as signal:HUP, and wait until the process is ready again'
complete -c supervisorctl_restart_group -l stagger -x -d 'take the processes down in N waves'
complete -c supervisorctl_restart_group -l delay -x -d 'time between two waves'
complete -c supervisorctl_restart_group -l timeout -x -d 'time after which nothing more is taken down and the restart counts as timed out'
complete -c supervisorctl_restart_group -l stop-timeout -x -d 'time from the stop signal to SIGKILL'
complete -c supervisorctl_restart_group -l only-running -d 'leave processes that are not running as they are'
complete -c supervisorctl_restart_group -l on-failure -x -k -a 'abort continue' -d 'after a process failed, take no further process down, or carry on'
complete -c supervisorctl_restart_group -l queue -d 'if a group is being restarted already, restart it afterwards'
complete -c supervisorctl_restart_group -l apply -d 'touch only what has changed, process by process'
complete -c supervisorctl_restart_group -l no-rollback -d 'after a failure leave everything as it is then'
complete -c supervisorctl_restart_group -l no-prune -d 'leave groups that are no longer in the files'
complete -c supervisorctl_restart_group -l secrets -d 'with --plan: print values that look like secrets, too'
complete -c supervisorctl_restart_group -l detach -d 'start the restart, print its ID and return'
complete -c supervisorctl_restart_group -l retry -x -k -a '(__supervisorctl_restart_group_ask)' -d 'restart only what failed or was not reached in an earlier restart'
complete -c supervisorctl_restart_group -l wait -x -k -a '(__supervisorctl_restart_group_ask)' -d 'show a running restart until its end, or how a past one ended'
complete -c supervisorctl_restart_group -l plan -d 'print what would be done, in which order'
complete -c supervisorctl_restart_group -l status -d 'print a table of running and past restarts and applies, or one of them and each of its processes'
complete -c supervisorctl_restart_group -l cancel -x -k -a '(__supervisorctl_restart_group_ask)' -d 'take nothing further down'
complete -c supervisorctl_restart_group -l json -d 'one JSON object, whatever comes of it'
complete -c supervisorctl_restart_group -l quiet -d 'nothing but errors'

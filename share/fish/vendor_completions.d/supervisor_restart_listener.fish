# Completion of supervisor_restart_listener in fish. Made of the text of --help; see share/make.py.

# Names of groups and processes with what is written before and after them: in a rule.
function __supervisor_restart_listener_ask
    set -l word (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    set -l given (string match -r '^[^=]*=' -- $word)
    test "$argv[1]" = event; or test -z "$given"; or return
    set -l words (commandline -opc)
    set -l command (string replace -r '^~/' "$HOME/" -- $words[1])
    set command (string replace -r 'supervisor_restart_listener$' supervisorctl_restart_group -- $command)
    set -l begun (string replace -r '^[^=]*=' '' -- $word)
    for line in ($command --complete "$begun" 2>/dev/null </dev/null)
        set -l parts (string split -m 1 \t -- $line)
        if test "$argv[1]" = event
            echo $given$parts[1]\t$parts[2]
        else
            echo $parts[1]=\t$parts[2]
        end
    end
end

complete -c supervisor_restart_listener -f
complete -c supervisor_restart_listener -s h -l help -d 'show this help message and exit'
complete -c supervisor_restart_listener -l memory -x -k -a '(__supervisor_restart_listener_ask)' -d 'restart processes that use more memory than SIZE'
complete -c supervisor_restart_listener -l age -x -k -a '(__supervisor_restart_listener_ask)' -d 'restart processes that are older than TIME'
complete -c supervisor_restart_listener -l fatal -x -k -a '(__supervisor_restart_listener_ask)' -d 'start FATAL processes again after TIME'
complete -c supervisor_restart_listener -l when -x -a 'EVENT= GROUP_RESTART= GROUP_RESTART_CANCELLED= GROUP_RESTART_FAILED= GROUP_RESTART_STARTED= GROUP_RESTART_SUCCEEDED= PROCESS_COMMUNICATION= PROCESS_COMMUNICATION_STDERR= PROCESS_COMMUNICATION_STDOUT= PROCESS_GROUP= PROCESS_GROUP_ADDED= PROCESS_GROUP_REMOVED= PROCESS_LOG= PROCESS_LOG_STDERR= PROCESS_LOG_STDOUT= PROCESS_STATE= PROCESS_STATE_BACKOFF= PROCESS_STATE_EXITED= PROCESS_STATE_FATAL= PROCESS_STATE_RUNNING= PROCESS_STATE_STARTING= PROCESS_STATE_STOPPED= PROCESS_STATE_STOPPING= PROCESS_STATE_UNKNOWN= REMOTE_COMMUNICATION= SUPERVISOR_STATE_CHANGE= SUPERVISOR_STATE_CHANGE_RUNNING= SUPERVISOR_STATE_CHANGE_STOPPING= TICK= TICK_3600= TICK_5= TICK_60= (__supervisor_restart_listener_ask event)' -d 'restart when that event comes, such as REMOTE_COMMUNICATION or TICK_3600'
complete -c supervisor_restart_listener -l max-unavailable -x -k -a '1 25% 50%' -d 'how many processes of a group may be not ready at once'
complete -c supervisor_restart_listener -l dry-run -d 'say what would be restarted, and do nothing'

"""What supervisorctl_restart_group -h prints."""

from __future__ import annotations

COMMAND_NAME = 'supervisorctl_restart_group'

HELP = f"""\
{COMMAND_NAME} -- restart process groups of a supervisord that has the restarter interface, or
apply a changed configuration to it.

Usage: {COMMAND_NAME} [options] name [name ...]
       {COMMAND_NAME} [options] --apply [group ...]
       {COMMAND_NAME} [options] --retry ID
       {COMMAND_NAME} [options] --wait ID
       {COMMAND_NAME} [options] --status [ID]
       {COMMAND_NAME} [options] --cancel ID

Options:
-c/--configuration FILENAME -- configuration file path (searches if not given)
-h/--help -- print usage message and exit
--version -- print the version of this command and exit
-i/--interactive -- start supervisorctl's interactive shell after the restart
-s/--serverurl URL -- URL on which supervisord server is listening
     (default "http://localhost:9001").
-u/--username USERNAME -- username to use for authentication with server
-p/--password PASSWORD -- password to use for authentication with server
-r/--history-file FILENAME -- keep a readline history for the shell of -i (if
     readline is available)

How to restart (default: what [rpcinterface:restarter] of supervisord says, and
if it says nothing, the value in parentheses; SECONDS may have a unit, as 90s,
5m, 2h or 1d):
--max-unavailable N|N% -- never let more than N processes of a group, or N% of
     them, be not ready at once (100%)
--rolling -- one process after the other: --max-unavailable 1
--min-ready SECONDS -- time a new process must stay ready before it counts (0)
--ready-timeout SECONDS -- time from its start in which a process must become
     ready, or it has failed; 0: no limit (30)
--scout SECONDS -- how long the first process of a group must be up before the
     next is taken down; 0: no longer than any other (5)
--newer-than PATH -- leave alone what was started after PATH changed (a file, a
     directory or a link, on the server's machine), if it is ready; may be given
     several times: the youngest of them decides
--method restart|start|signal:NAME -- stop and start; start what is down alone;
     or send a signal, as signal:HUP, and wait until the process is ready again
     (restart)
--stagger N -- take the processes down in N waves (1)
--delay SECONDS -- time between two waves (0.2)
--timeout SECONDS -- time after which nothing more is taken down and the restart
     counts as timed out; what is down still comes back; 0: no limit (0)
--stop-timeout SECONDS -- time from the stop signal to SIGKILL (the program's
     stopwaitsecs)
--only-running -- leave processes that are not running as they are (start them)
--on-failure abort|continue -- after a process failed, take no further process
     down, or carry on (abort)
--queue -- if a group is being restarted already, restart it afterwards (refuse)

To apply the configuration files as they are now, to the groups named or to all:
--apply -- touch only what has changed, process by process; if a new process
     does not become ready, put the old configuration back. Takes the options
     above but --method, --only-running and --newer-than; --max-unavailable is
     25% where nothing else is said
--apply --plan -- print what would change, key by key; nothing is touched
--no-rollback -- after a failure leave everything as it is then
--no-prune -- leave groups that are no longer in the files
--secrets -- with --plan: print values that look like secrets, too

What to do instead of restarting and waiting for the end:
--detach -- start the restart, print its ID and return
--retry ID -- restart only what failed or was not reached in an earlier restart
--wait ID -- show a running restart until its end, or how a past one ended
--plan -- print what would be done, in which order; nothing is touched
--status [ID] -- print a table of running and past restarts and applies, or one
     of them and each of its processes
--cancel ID -- take nothing further down; what is down comes back, and an apply
     is rolled back

What to print (default: a progress bar on a terminal, elsewhere a line per
process, and last a summary):
--json -- one JSON object, whatever comes of it; it has the key exit_status, and
     for an error the keys error and code
--quiet -- nothing but errors (and with --detach the ID)

name [name ...] -- a group ("web"), a process ("web:03"), several of them
     ("web:0*", "w*"), or "all"

Ctrl-C ends the waiting only: the restart goes on.

Exit status:
  0 -- every process restarted, or all that has changed applied (or what was
       asked instead is done; with --status ID also: that restart has not ended
       yet)
  1 -- a process failed, or it was cancelled, rolled back or timed out
  2 -- bad usage, no such group or process, bad option, unreadable configuration
  3 -- supervisord runs without the restarter interface
  4 -- authentication refused
  5 -- refused: that group is being restarted, or applied, already
  7 -- supervisord cannot be reached
130 -- detached by Ctrl-C
"""

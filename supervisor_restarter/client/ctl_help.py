"""What supervisorctl's `help` says about our commands."""

from __future__ import annotations

COMMANDS = {
    'quickstart': """\
quickstart <name>\t\tStart a process
quickstart <gname>:\t\tStart all processes in a group
quickstart <name> <name>\tStart multiple processes or groups
quickstart all\t\t\tStart all processes
All of them are started at the same time.
Ex:
quickstart web:0 'web:1?'\tStart web:0, web:10, web:11 and so on
quickstart 'w*'\t\t\tStart all processes of web, worker and so on""",
    'quickstop': """\
quickstop <name>\t\tStop a process
quickstop <gname>:\t\tStop all processes in a group
quickstop <name> <name>\t\tStop multiple processes or groups
quickstop all\t\t\tStop all processes
All of them are stopped at the same time.
Ex:
quickstop web: app:3\t\tStop the group web and the process app:3
quickstop '*:0'\t\t\tStop the process 0 of each group""",
    'quickrestart': """\
quickrestart <name>\t\tRestart a process
quickrestart <gname>:\t\tRestart all processes in a group
quickrestart <name> <name>\tRestart multiple processes or groups
quickrestart all\t\tRestart all processes
All of them are restarted at the same time, and each is started as soon as it
has stopped. What was stopped on purpose is started if it, or its group, is
named, and left alone if it is matched by a pattern or by all.
Ex:
quickrestart web:\t\tRestart the group web
quickrestart 'w*' app:3\t\tRestart web, worker and so on, and app:3
Note: quickrestart does not reread config files. For that, see reread and update.""",
    'rolling': """\
rolling <name> [...]\t\tRestart processes one after the other
rolling <N> <name> [...]\tRestart them with at most N of a group not ready at once
rolling <N>% <name> [...]\tThe same, with a part of the group
--min-ready <time>\t\tHow long a new process must stay ready before it counts
--ready-timeout <time>\t\tHow soon after its start it must become ready
--hook-timeout <time>\t\tHow long each of a program's commands may take
--scout <time>\t\t\tHow long the first one must be up before the next one goes
--max-surge <N>\t\t\tHow many at once start beside the old one (or <N>%)
Names are those of quickrestart; a time is in seconds, or as 5m. Needs the
restarter interface.
Ex:
rolling web:\t\t\tRestart web, one process at a time
rolling 25% web: app:\t\tRestart web and app, a quarter of each at a time
rolling --min-ready 3 web:\tThe same one by one, each to stay ready for 3 seconds""",
    'apply': """\
apply\t\t\t\tApply the configuration files as they are now
apply <gname> [...]\t\tThe same for these groups alone
apply --plan [<gname> ...]\tShow what that would change; nothing is touched
Only what has changed is touched, process by process; what has no need of a
restart is not restarted. If a new process does not become ready, or Ctrl-C is
followed by cancelrestart, the old configuration is put back.
Needs the restarter interface.""",
    'scale': """\
scale <program> <number>\tChange how many processes a program has
The files stay as they are: the number holds until theirs changes. Processes
that stay are not restarted.
Needs the restarter interface.
Ex:
scale web 6\t\t\tHave 6 processes of [program:web]""",
    'restarts': """\
restarts\t\t\tList running and past restarts and applies
restarts <id>\t\t\tShow one of them and each of its processes
Needs the restarter interface.""",
    'waitrestart': """\
waitrestart <id>\t\tShow a running restart until its end, or how a past one
\t\t\t\tended
Needs the restarter interface.""",
    'retryrestart': """\
retryrestart <id>\t\tRestart only what failed or was not reached in an earlier
\t\t\t\trestart
Needs the restarter interface.""",
    'cancelrestart': """\
cancelrestart <id> [...]\tCancel a restart: nothing further is taken down, what is
\t\t\t\tdown comes back; an apply is rolled back
Needs the restarter interface.
Ex:
cancelrestart 7\t\t\tCancel the restart that `restarts` shows with ID 7""",
}

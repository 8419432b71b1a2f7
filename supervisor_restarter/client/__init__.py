"""The part outside of supervisord: supervisorctl_restart_group, and the commands of supervisorctl."""

"""The part outside of supervisord: the command, and what supervisorctl gets of ours."""

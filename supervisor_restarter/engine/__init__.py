"""Decides what happens in a restart. Pure: nothing of Supervisor, no input or output, no clock."""

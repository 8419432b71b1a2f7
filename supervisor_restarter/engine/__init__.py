"""Decides what happens in an operation; begin with operation.py. Pure: no Supervisor, no clock."""

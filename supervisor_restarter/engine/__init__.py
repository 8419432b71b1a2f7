"""Decides what happens in an operation; operation.py is where to begin. Pure: nothing of Supervisor, no
input or output, no clock.
"""

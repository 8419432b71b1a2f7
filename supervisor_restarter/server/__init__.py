"""The part that lives inside supervisord; plugin.py joins it."""

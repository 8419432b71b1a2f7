"""supervisor_restart_listener, an event listener that restarts by rules."""

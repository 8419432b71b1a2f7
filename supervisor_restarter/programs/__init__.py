"""May this program be started, and what keeps it from that; starting it fast."""

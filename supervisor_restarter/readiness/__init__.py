"""Is this process ready? What it is asked, by which probe, and whose answer counts."""

"""Is this process ready? Probes, READY=1, and who may say so."""

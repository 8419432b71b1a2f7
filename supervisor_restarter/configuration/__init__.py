"""A changed configuration: read beside the running one, compared with it key by key."""

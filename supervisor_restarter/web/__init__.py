"""The page in supervisord's own HTTP servers: what it is sent, and what it may ask."""

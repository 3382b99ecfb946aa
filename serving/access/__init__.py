"""Who may call, what, and how much: API keys, their scopes and quotas. Transports ask here, and so does the core."""

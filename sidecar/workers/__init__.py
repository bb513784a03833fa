"""Several processes as one instance: how they are kept, what they share and how they talk. Serves nobody itself."""

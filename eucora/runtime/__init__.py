"""Running on Temporal: the client's and the workers' shared parts."""

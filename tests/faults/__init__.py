"""A package, so that its one stack ends with its tests and not with the session."""

"""The record as evidence: exported to a file, verified from it with no server."""

"""The record as evidence: exported to a file (``export.py``), verified from it with no server (``verify.py``)."""

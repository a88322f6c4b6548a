"""Evidence: canonical JSON and digests, parsers of SBOMs and scan reports, and the evidence pack (domain.md §3)."""

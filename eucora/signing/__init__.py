"""Keys, signed claims and detached signatures (Ed25519)."""

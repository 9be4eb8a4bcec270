"""What holds bytes: image files, shards, the ledger, atomic writes, provenance and fixity."""

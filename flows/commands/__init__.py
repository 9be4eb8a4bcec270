"""One small file per command of `pentimento`; what is slow to import is imported inside it."""

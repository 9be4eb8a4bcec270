"""The methods that complete gaps, one kind a file; a new file is found by itself."""

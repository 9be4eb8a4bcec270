"""The methods that complete gaps, one kind a file; a new file is found by itself.

Nothing is imported from here by name: the registry (missing/registry.py) finds the methods.
"""

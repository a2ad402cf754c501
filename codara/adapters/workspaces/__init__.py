"""Workspace folders, their snapshots and their diffs."""

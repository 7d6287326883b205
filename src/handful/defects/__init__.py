"""Defects without training: a library cut from labelled photos, placed and blended, with exact masks."""

"""Handful."""

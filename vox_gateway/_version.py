"""The version, where packaging can read it without importing the rest."""

__version__ = "0.1.0"

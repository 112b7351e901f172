"""Endpoints that repeat what goes wrong in hand-written receivers, a few lines each."""

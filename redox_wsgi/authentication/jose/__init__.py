"""Signed tokens: their form, their keys and their one strict check."""

from __future__ import annotations

"""AWS Signature Version 4, step by step."""

from __future__ import annotations

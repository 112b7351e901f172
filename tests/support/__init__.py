"""What the tests share: how to call an application, and what to send it."""

from __future__ import annotations

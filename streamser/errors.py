"""The errors that a user can cause. Each message says what was wrong and what to do; the commands print it as one line."""

from __future__ import annotations


class StreamserError(Exception):
    """Anything that went wrong for a reason the user can act on (exit code 1)."""


class UsageError(StreamserError):
    """An option or a combination of options that makes no sense (exit code 2)."""


class AudioError(StreamserError):
    """A recording or a device that cannot be read."""


class PackError(StreamserError):
    """A model pack that is missing, incomplete, altered or of an unknown schema."""


class AcceleratorError(StreamserError):
    """The accelerator that was asked for is not the one that a session got."""

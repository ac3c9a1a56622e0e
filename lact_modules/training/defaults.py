"""Keys that every recipe understands and no YAML file need mention."""

from typing import Any

DEFAULTS: dict[str, Any] = {}
"""What holds where neither the YAML nor the command line say otherwise."""

"""The code beside a model for transformers: it imports this package."""

from pathlib import Path

from lact_modules.whole_file import whole_file

CODE_FILE = "modeling_lact.py"

_CODE = '''\
"""Classes of this model for transformers, from lact-asr, which has to be installed."""

from lact_modules.hf import LaCTConfig, LaCTForCTC, LaCTTokenizer

__all__ = ["LaCTConfig", "LaCTForCTC", "LaCTTokenizer"]
'''


def place_of(class_name: str) -> str:
    """Return where transformers finds a class, as in its ``auto_map``."""
    return f"{Path(CODE_FILE).stem}.{class_name}"


def write_code(folder: str | Path) -> None:
    """Write the code beside what refers to it."""
    with whole_file(Path(folder) / CODE_FILE) as unfinished:
        unfinished.write_text(_CODE, encoding="utf-8")


class WithOwnCode:
    """Writes its code itself, which transformers need not copy from this package."""

    @classmethod
    def register_for_auto_class(cls, auto_class: str = "") -> None:
        """Do nothing: where it is found is known without."""

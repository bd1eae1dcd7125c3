"""Import of other programs' checkpoints: recognised by names, order and shapes of tensors, and read without running
them.
"""

from imgcycle.weights.importers.registry import Imported as Imported
from imgcycle.weights.importers.registry import convert_checkpoint as convert_checkpoint
from imgcycle.weights.importers.registry import import_checkpoint as import_checkpoint
from imgcycle.weights.importers.registry import save_imported as save_imported

__all__ = ["Imported", "convert_checkpoint", "import_checkpoint", "save_imported"]

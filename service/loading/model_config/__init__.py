"""What config.pbtxt says of a model without a manifest, completed by its graph: its tensors, their axes, their roles.

The format is that of servers of the Open Inference Protocol; docs/third-party-models.md tells what we add.
"""

from service.loading.model_config.description import Description, describe
from service.loading.model_config.file import FILE, MODEL_FILE, model_filename, parse
from service.loading.model_config.parameters import LENGTH_INPUT

__all__ = ["FILE", "LENGTH_INPUT", "MODEL_FILE", "Description", "describe", "model_filename", "parse"]

"""The description of a model without a manifest by config.pbtxt and its graph: tensors, their axes, their roles.

The format is that of servers of the Open Inference Protocol; docs/third-party-models.md lists what we add.
"""

from service.loading.model_config.description import Description, describe
from service.loading.model_config.file import CONFIG_FILE, MODEL_FILE, config_type_of, model_filename, parse, text_of
from service.loading.model_config.graph_tensors import MAX_BATCH_SIZE
from service.loading.model_config.parameters import LENGTH_INPUT

__all__ = [
    "CONFIG_FILE",
    "LENGTH_INPUT",
    "MAX_BATCH_SIZE",
    "MODEL_FILE",
    "Description",
    "config_type_of",
    "describe",
    "model_filename",
    "parse",
    "text_of",
]

"""The data sets a model is trained and measured on: `load("vowels")`, `load("digits")`, `load("languages")`."""

from models.data.archive import DataError
from models.data.dataset import Dataset, Split
from models.data.tasks import TASKS, load

__all__ = ["TASKS", "DataError", "Dataset", "Split", "load"]

"""Element types of config.pbtxt in the words of our own API."""

from __future__ import annotations

from service.loading.manifest import ManifestError
from service.loading.model_config.file import FILE
from soloist.oip import model_config_pb2 as oip
from soloist.v1 import tensor_pb2

_DATA_TYPES = {
    oip.TYPE_BOOL: tensor_pb2.DATA_TYPE_BOOL,
    oip.TYPE_UINT8: tensor_pb2.DATA_TYPE_UINT8,
    oip.TYPE_UINT16: tensor_pb2.DATA_TYPE_UINT16,
    oip.TYPE_UINT32: tensor_pb2.DATA_TYPE_UINT32,
    oip.TYPE_UINT64: tensor_pb2.DATA_TYPE_UINT64,
    oip.TYPE_INT8: tensor_pb2.DATA_TYPE_INT8,
    oip.TYPE_INT16: tensor_pb2.DATA_TYPE_INT16,
    oip.TYPE_INT32: tensor_pb2.DATA_TYPE_INT32,
    oip.TYPE_INT64: tensor_pb2.DATA_TYPE_INT64,
    oip.TYPE_FP16: tensor_pb2.DATA_TYPE_FLOAT16,
    oip.TYPE_FP32: tensor_pb2.DATA_TYPE_FLOAT32,
    oip.TYPE_FP64: tensor_pb2.DATA_TYPE_FLOAT64,
}


def data_type_of(tensor: str, data_type: oip.DataType.ValueType) -> tensor_pb2.DataType.ValueType:
    """Translate the type of one tensor.

    Raises:
        ManifestError: the server doesn't take such elements, for instance strings.

    """
    if data_type not in _DATA_TYPES:
        raise ManifestError(f"{FILE}: {tensor!r} is {oip.DataType.Name(data_type)}, which is not supported")
    return _DATA_TYPES[data_type]

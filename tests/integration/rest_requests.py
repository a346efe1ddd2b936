"""Owns the raw way to ask over REST: any verb, path, header and body, and requests of gRPC in their two REST forms."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from soloist.data_types import BY_OIP_WORD
from soloist.oip import grpc_service_pb2 as pb

JSON_BYTES = "inference-header-content-length"
_TIMEOUT_SECONDS = 30
BOTH_FORMS = pytest.mark.parametrize("binary", [pytest.param(False, id="json"), pytest.param(True, id="binary")])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The JSON of the answer, without the binary data after it."""
        size = self.headers.get(JSON_BYTES)
        return json.loads(self.body if size is None else self.body[: int(size)])

    def outputs(self) -> dict[str, Any]:
        """The outputs by name, from binary data and from JSON."""
        binary, found = self.body[int(self.headers.get(JSON_BYTES, len(self.body))) :], {}
        for output in self.json["outputs"]:
            dtype = BY_OIP_WORD[output["datatype"]].dtype
            if "data" in output:
                array = np.array(output["data"], dtype)
            else:
                size = output["parameters"]["binary_data_size"]
                array, binary = np.frombuffer(binary[:size], dtype), binary[size:]
            found[output["name"]] = array.reshape(output["shape"])
        assert not binary
        return found


def ask(
    address: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request to host:port on a connection of its own."""
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=found, body=response.read())
    finally:
        connection.close()


def json_tensor(**changes: object) -> dict[str, Any]:
    """Return two frames for the model "sums", with `changes`."""
    return {"name": "frames", "shape": [1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]} | changes


def json_body(*inputs: object, **more: object) -> bytes:
    """Return the JSON of a request with these inputs."""
    return json.dumps({"inputs": list(inputs), **more}).encode()


def infer_path(request: pb.ModelInferRequest) -> str:
    """Return the path that a request is sent to."""
    version = f"/versions/{request.model_version}" if request.model_version else ""
    return f"/v2/models/{request.model_name}{version}/infer"


def post(address: str, request: pb.ModelInferRequest, *, binary: bool, binary_output: bool | None = None) -> Answer:
    """Send a request whose inputs are raw, in one of the two forms, and ask for the answer in the same."""
    form, data = _fields(request, binary=binary), b"".join(request.raw_input_contents) if binary else b""
    form["parameters"]["binary_data_output"] = binary if binary_output is None else binary_output
    text = json.dumps(form).encode()
    headers = {JSON_BYTES: str(len(text))} if binary else {}
    return ask(address, "POST", infer_path(request), text + data, headers)


def _fields(request: pb.ModelInferRequest, *, binary: bool) -> dict[str, Any]:
    inputs = []
    for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True):
        given: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
        given["parameters"] = _parameters(tensor.parameters)
        if binary:
            given["parameters"]["binary_data_size"] = len(raw)
        else:
            given["data"] = np.frombuffer(raw, BY_OIP_WORD[tensor.datatype].dtype).tolist()
        inputs.append(given)
    outputs = [{"name": each.name, "parameters": _parameters(each.parameters)} for each in request.outputs]
    whole = {"id": request.id, "inputs": inputs, "parameters": _parameters(request.parameters)}
    return whole | ({"outputs": outputs} if outputs else {})


def _parameters(given: Mapping[str, pb.InferParameter]) -> dict[str, Any]:
    found = {}
    for name, parameter in given.items():
        choice = parameter.WhichOneof("parameter_choice")
        found[name] = getattr(parameter, choice) if choice else None
    return found

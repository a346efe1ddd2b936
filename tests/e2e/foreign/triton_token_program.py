"""Owns what a user of tritonclient writes to show a token, over gRPC and over HTTP; knows nothing of Soloist.

usage: triton_token_program.py GRPC HTTP MODEL TOKEN. Prints the status of a call with it and of one without, for each.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.utils import InferenceServerException


def status_of(module: Any, client: Any, model: str, headers: dict[str, str] | None) -> str:
    tensor = module.InferInput("frames", [1, 3, 2], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 3, 2), np.float32))
    try:
        client.infer(model, [tensor], headers=headers)
    except InferenceServerException as error:
        return str(error.status())
    return "OK"


def main(grpc: str, http: str, model: str, token: str) -> None:
    for module, address in ((triton_grpc, grpc), (triton_http, http)):
        with module.InferenceServerClient(address) as client:
            for headers in ({"authorization": f"Bearer {token}"}, None):
                sys.stdout.write(status_of(module, client, model, headers) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Owns what a user of tritonclient writes for a server with mutual TLS: runs in an environment of its own.

usage: triton_tls_program.py HTTP GRPC CA CERTIFICATE KEY. Asks model "sums" over both, and prints the answers.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
import tritonclient.http.aio as triton_aio

FRAMES = np.array([[[1.0, 2.0], [3.0, 4.0]]], np.float32)


def inputs_of(module: Any) -> list[Any]:
    tensor = module.InferInput("frames", FRAMES.shape, "FP32")
    tensor.set_data_from_numpy(FRAMES)
    return [tensor]


async def over_aio(http: str, ca: str, certificate: str, key: str) -> Any:
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, key)
    async with triton_aio.InferenceServerClient(http, ssl=True, ssl_context=context) as client:
        return (await client.infer("sums", inputs_of(triton_aio))).as_numpy("outputs")


def main(http: str, grpc: str, ca: str, certificate: str, key: str) -> None:
    shown = {"ca_certs": ca, "certfile": certificate, "keyfile": key}
    with triton_http.InferenceServerClient(http, ssl=True, ssl_options=shown) as client:
        assert client.is_server_ready()
        answers = [client.infer("sums", inputs_of(triton_http)).as_numpy("outputs")]
    answers.append(asyncio.run(over_aio(http, ca, certificate, key)))
    with triton_grpc.InferenceServerClient(
        grpc, ssl=True, root_certificates=ca, private_key=key, certificate_chain=certificate
    ) as client:
        answers.append(client.infer("sums", inputs_of(triton_grpc)).as_numpy("outputs"))
    for answer in answers:
        sys.stdout.write(f"{answer[0, -1].tolist()}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

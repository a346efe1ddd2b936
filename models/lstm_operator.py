"""The plain LSTM recurrence: one ONNX LSTM node with sequence lengths in an export, torch's packed LSTM in eager.

Shape suffixes: B batch, T time, N all valid frames, D input width, H hidden width, G = 4H gates.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def run(
    x_BTD: Tensor, length_B: Tensor, h_BH: Tensor, c_BH: Tensor, inputs: nn.Linear | None, recurrent: nn.Linear
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the hidden state at every frame [B, T, H], and h and c after `length` frames.

    Without `inputs`, x holds the gates' input part already ([B, T, G], normalised, say).
    """
    if inputs is None:
        # The operator owns an input matrix; times one it is exact: a sum of the value and zeros.
        weight_GD, bias_G = torch.eye(recurrent.out_features), torch.zeros(recurrent.out_features)
    else:
        weight_GD, bias_G = inputs.weight, inputs.bias
    weights = (weight_GD, recurrent.weight, bias_G, recurrent.bias)
    if torch.onnx.is_in_onnx_export():
        return _node(x_BTD, length_B, h_BH, c_BH, *weights)
    return _packed(x_BTD, length_B, h_BH, c_BH, *weights)


def _node(
    x_BTD: Tensor,
    length_B: Tensor,
    h_BH: Tensor,
    c_BH: Tensor,
    weight_GD: Tensor,
    weight_GH: Tensor,
    input_bias_G: Tensor,
    recurrent_bias_G: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, frames, hidden = x_BTD.shape[0], x_BTD.shape[1], h_BH.shape[1]
    bias = torch.cat([_onnx_order(input_bias_G), _onnx_order(recurrent_bias_G)])
    y_T1BH, h_1BH, c_1BH = torch.onnx.ops.symbolic_multi_out(
        "LSTM",
        [
            x_BTD.transpose(0, 1),
            _onnx_order(weight_GD)[None],
            _onnx_order(weight_GH)[None],
            bias[None],
            length_B.to(torch.int32),
            h_BH[None],
            c_BH[None],
        ],
        {"hidden_size": hidden},
        dtypes=[torch.float32] * 3,
        shapes=[[frames, 1, batch, hidden], [1, batch, hidden], [1, batch, hidden]],
    )
    return y_T1BH[:, 0].transpose(0, 1), h_1BH[0], c_1BH[0]


def _onnx_order(weight_GX: Tensor) -> Tensor:
    """Reorder gates from input, forget, cell, output to input, output, forget, cell."""
    i, f, g, o = weight_GX.chunk(4)
    return torch.cat([i, o, f, g])


def _packed(
    x_BTD: Tensor, length_B: Tensor, h_BH: Tensor, c_BH: Tensor, *weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    packed = pack_padded_sequence(x_BTD, length_B.cpu(), batch_first=True, enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    if order is None or back is None:  # never: packing sorts
        raise AssertionError
    y_NH, h_1BH, c_1BH = torch.lstm(
        packed.data,
        packed.batch_sizes,
        (h_BH[order][None], c_BH[order][None]),
        list(weights),
        has_biases=True,
        num_layers=1,
        dropout=0.0,
        train=torch.is_grad_enabled(),
        bidirectional=False,
    )
    y_BTH, _ = pad_packed_sequence(
        torch.nn.utils.rnn.PackedSequence(y_NH, packed.batch_sizes, order, back),
        batch_first=True,
        total_length=x_BTD.shape[1],
    )
    return y_BTH, h_1BH[0][back], c_1BH[0][back]

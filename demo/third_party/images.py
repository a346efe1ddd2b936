"""The models that read images: a line of writing, a page, a table. All are fed rendered writing.

Shapes: N images, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Sequence as Listed
from io import BytesIO

import numpy as np

from demo.third_party.model import ThirdPartyModel, as_they_are
from demo.third_party.package_files import OCR_LINE, OCR_PAGE, TABLE
from demo.third_party.reference_loops import Chunks, Loop
from demo.third_party.sequences import Array, Outputs, Sequence
from service.engine.onnx_runtime import ort
from soloist.cli.plotting import Bbox, Figure

_DOTS_AN_INCH = 100
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of colours, where the table's model was trained
_LINE = "All human beings are born free"
_PAGE = ("Article 1", "All human beings are born free", "and equal in dignity and rights.")
_CELLS = (("language", "paragraphs"), ("Arabic", "61"), ("Hebrew", "58"))
_NO_TIME = "two axes of an image vary, and neither is time"


def line(words: str, *, width: int) -> Array:
    """Return an image [3, 48, width] of a line, -1 … 1."""
    return _scaled(_rendered(48, width, [words]))


def page(lines: Listed[str], *, height: int, width: int) -> Array:
    """Return an image [3, H, W] of lines below each other."""
    return _scaled(_rendered(height, width, lines))


def table(cells: Listed[Listed[str]], *, height: int, width: int) -> Array:
    """Return an image [3, W, W] of a table with its lines, in the upper part of it."""
    figure = _sheet(height, width)
    axes = figure.add_axes((0.02, 0.02, 0.96, 0.96))
    axes.set_axis_off()
    axes.table(cellText=[list(row) for row in cells], bbox=Bbox.unit())
    even = ((_pixels(figure, height, width) / 255 - _MEAN) / _DEVIATION).astype(np.float32)
    return np.ascontiguousarray(np.pad(even, ((0, width - height), (0, 0), (0, 0))).transpose(2, 0, 1))


def _rendered(height: int, width: int, lines: Listed[str]) -> Array:
    figure = _sheet(height, width)
    for at, words in enumerate(lines):
        figure.text(0.02, 1 - (at + 0.5) / len(lines), words, va="center", fontsize=14)
    return _pixels(figure, height, width)


def _sheet(height: int, width: int) -> Figure:
    return Figure(figsize=(width / _DOTS_AN_INCH, height / _DOTS_AN_INCH), dpi=_DOTS_AN_INCH)


def _pixels(figure: Figure, height: int, width: int) -> Array:
    """Draw, and give [H, W, 3] of 0 … 255."""
    drawn = BytesIO()
    figure.savefig(drawn, format="rgba")
    return np.frombuffer(drawn.getvalue(), np.uint8).reshape(height, width, 4)[..., :3]


def _scaled(pixels: Array) -> Array:
    """Return [3, H, W] of -1 … 1."""
    return np.ascontiguousarray((pixels.transpose(2, 0, 1) / 127.5 - 1).astype(np.float32))


def _reads(*outputs: str) -> Loop:
    """Return the loop of a model that takes [N, 3, H, W]: one run."""

    def loop(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
        (whole,) = chunks
        return dict(zip(outputs, session.run(list(outputs), {"x": whole.frames}), strict=True))

    return loop


def _read_line(session: ort.InferenceSession, chunks: Chunks) -> Outputs:
    """One run; a column of the image is a frame, and eight of them are one of the answer."""
    (whole,) = chunks
    (signs,) = session.run(["softmax_11.tmp_0"], {"x": np.ascontiguousarray(whole.frames.transpose(1, 2, 0))[None]})
    return {"softmax_11.tmp_0": signs[0]}


def _columns_last(frames: Array) -> Array:
    """Columns [W, 3, 48] of an image as [1, 3, 48, W]."""
    return np.ascontiguousarray(frames.transpose(1, 2, 0))[None]


def _lines() -> list[Sequence]:
    """Return columns [W, 3, 48]."""
    return [
        Sequence(frames=np.ascontiguousarray(line(words, width=width).transpose(2, 0, 1)))
        for words, width in ((_LINE, 320), (_PAGE[0], 160))
    ]


def _pages() -> list[Sequence]:
    """Return one image [1, 3, H, W], and two of another size."""
    two = np.stack([page(_PAGE[:2], height=96, width=320), page(_PAGE[1:], height=96, width=320)])
    return [Sequence(frames=page(_PAGE, height=192, width=352)[None]), Sequence(frames=two)]


def _tables() -> list[Sequence]:
    """Return one image each [1, 3, H, W]."""
    return [
        Sequence(frames=table(_CELLS[:count], height=height, width=width)[None])
        for count, height, width in ((3, 240, 488), (2, 160, 488))
    ]


MODELS = (
    ThirdPartyModel(
        name="ocr-line",
        file=OCR_LINE,
        other_files=(),
        sequences=_lines,
        loop=_read_line,
        frames_input="x",
        as_requested=_columns_last,
        unlike="writing: the columns of an image are time, its last axis; 6,625 classes for every eighth of them",
        streams=False,
    ),
    ThirdPartyModel(
        name="ocr-page",
        file=OCR_PAGE,
        other_files=(),
        sequences=_pages,
        loop=_reads("sigmoid_0.tmp_0"),
        frames_input="x",
        as_requested=as_they_are,
        unlike="where writing is: three axes vary, and none is time (max_batch_size 0, dims -1, 3, -1, -1)",
        open_protocol_only=_NO_TIME,
        streams=False,
    ),
    ThirdPartyModel(
        name="table",
        file=TABLE,
        other_files=(),
        sequences=_tables,
        loop=_reads("save_infer_model/scale_0.tmp_0", "save_infer_model/scale_1.tmp_0"),
        frames_input="x",
        as_requested=as_they_are,
        unlike="tables: no config.pbtxt; three axes vary; a Loop writes the answer, as long as it turns out",
        described=False,
        open_protocol_only=_NO_TIME,
        streams=False,
    ),
)

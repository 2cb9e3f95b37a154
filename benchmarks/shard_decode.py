"""Samples per CPU second from shards to uint8 squares, beside the steps of open_clip's pipeline
(webdataset, Pillow's full decode, a random crop scaled by bicubic, float32 normalised) on the same
tars. One process, one thread each, page cache warm. open_clip itself is not imported: it needs
torchvision, whose crop and resize are Pillow's on CPUs."""

import argparse
import io
import math
import random
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from make_samples import make_samples
from measure import cost_of, report_stream
from webpairs_shards import Mixture, open_shards
from webpairs_shards.batches import BatchLoader, BatchOptions

BATCH = 50
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
"""CLIP's, from openai/CLIP's preprocess."""


def ours(shards: Path, side: int) -> Iterator[int]:
    options = BatchOptions(batch_size=BATCH, image_size=side)
    for batch in BatchLoader(Mixture([(open_shards(shards), 1)]), options):
        yield from range(len(batch["key"]))


def theirs(shards: Path, side: int) -> Iterator[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import webdataset
    tars = [str(path) for path in sorted(shards.glob("*.tar"))]
    rows: list[torch.Tensor] = []
    for sample in webdataset.WebDataset(tars, shardshuffle=False):
        image = Image.open(io.BytesIO(sample["jpg"])).convert("RGB")
        edge = min(image.size) * math.sqrt(random.uniform(0.9, 1))
        left = random.uniform(0, image.width - edge)
        top = random.uniform(0, image.height - edge)
        box = tuple(round(v) for v in (left, top, left + edge, top + edge))
        square = image.crop(box).resize((side, side), Image.Resampling.BICUBIC)  # type: ignore[arg-type]
        pixels = (np.asarray(square, np.float32) / 255 - MEAN) / STD
        rows.append(torch.from_numpy(pixels).permute(2, 0, 1))
        if len(rows) == BATCH:
            torch.stack(rows)
            rows.clear()
        yield 1


def main() -> None:
    """Make shards, decode them in each way at each size, print a JSON line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=3_000)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder / "out", args.samples)
        recipe = folder / "bench.toml"
        recipe.write_text('name = "bench"\n[shards]\nsamples_per_shard = 1000\n')
        cost_of("shard", recipe, "--out", folder / "out")
        shards = folder / "out" / "shards"
        for side in (224, 112, 64):
            for who, samples in (("webpairs", ours), ("open_clip's steps", theirs)):
                report_stream(f"decode to {side} px, {who}", args.samples, samples(shards, side))


if __name__ == "__main__":
    main()

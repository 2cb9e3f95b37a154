"""Samples per second trained on: batches from shards, forward, backward, update; a tiny model and a
batch that suits it. One process, all cores."""

import argparse
import os
import resource
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

from make_samples import make_samples
from measure import Cost, cost_of, report
from webpairs_shards.read.open import open_shards
from webpairs_trainer.data.batches import BatchPlan, batches
from webpairs_trainer.model.architecture import load_config
from webpairs_trainer.model.clip import build_model
from webpairs_trainer.options import TrainSection
from webpairs_trainer.text.tokenizer import CaptionTokenizer
from webpairs_trainer.train.optimise import make_learner, training_step

BATCH = 128
N_WARM = 5
"""Steps before the clock starts."""


def main() -> None:
    """Make shards, train on them for some steps, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="webpairs-nano")
    parser.add_argument("--steps", type=int, default=60)
    args = parser.parse_args()
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder / "out", 2_000)
        recipe = folder / "bench.toml"
        recipe.write_text('name = "bench"\n[shards]\nsamples_per_shard = 1000\n')
        cost_of("shard", recipe, "--out", folder / "out")
        reader = open_shards(folder / "out" / "shards")
        config = load_config(args.model)
        captions = [reader.read(i).text for i in range(reader.n_samples)]
        tokenizer = CaptionTokenizer.train(captions, config.text_cfg.vocab_size)
        plan = BatchPlan(
            seed=0,
            batch_size=BATCH,
            image_size=config.vision_cfg.image_size,
            context_length=config.text_cfg.context_length,
            crop_scale=0.9,
            threads=threads,
        )
        learner = make_learner(build_model(config, 0), TrainSection())
        stream = batches(reader, tokenizer, plan, 0)
        for batch in islice(stream, N_WARM):
            training_step(learner, batch, 1e-4)
        wall, cpu = time.perf_counter(), time.process_time()
        for batch in islice(stream, args.steps):
            training_step(learner, batch, 1e-4)
        cost = Cost(
            time.perf_counter() - wall,
            time.process_time() - cpu,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            {},
        )
        stream.close()
    report(f"train {args.model}, batch {BATCH}", "samples", args.steps * BATCH, cost)


if __name__ == "__main__":
    main()

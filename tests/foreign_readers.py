"""Read folders of tars as trainers do, and print what happened, one JSON line for each folder.

Run as a command of its own: two versions of webdataset cannot live in one process, and a reader
that waits for ever must be stopped. `open_clip` is not installed here: the same stages of
webdataset 0.2.86, put together as its training loader puts them, stand in for it.
"""

import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

IMAGES = {"jpg", "jpeg", "png", "webp"}
PICTURES = IMAGES | {"gif"}
_MAX_PASSES = 40
"""Over all shards without one sample: the reader would go on for ever."""


class Hangs(BaseException):
    """Not an Exception: readers catch those and go on."""


def tars(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.iterdir() if ".tar" in path.name)


def counts(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Samples, those with an image, those with a text."""
    n = n_images = n_texts = 0
    for row in rows:
        found = {key.lower() for key, value in row.items() if value is not None}
        n += 1
        n_images += bool(found & PICTURES)
        n_texts += "txt" in found
    return {"samples": n, "images": n_images, "texts": n_texts}


def by_webdataset(folder: Path) -> dict[str, Any]:
    import webdataset

    options: dict[str, Any] = {"shardshuffle": False}
    if not webdataset.__version__.startswith("0."):
        options["empty_check"] = False
    return counts(webdataset.WebDataset(tars(folder), **options).decode("pil"))


def by_datasets(folder: Path) -> dict[str, Any]:
    from datasets import disable_progress_bars, load_dataset

    disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        rows = load_dataset(
            "webdataset", data_files={"train": tars(folder)}, split="train", cache_dir=cache
        )
        found = list(rows)
    told = counts(found)
    told["json"] = {row["__key__"]: row.get("json") for row in found}
    return told


def by_open_clip(folder: Path) -> dict[str, Any]:
    import webdataset

    passes = 0
    texts: list[str] = []

    def shards() -> Iterator[dict[str, str]]:
        nonlocal passes
        passes += 1
        if passes > _MAX_PASSES and not texts:
            raise Hangs
        # Its shards are shuffled: any order may come.
        yield from ({"url": url} for url in reversed(tars(folder)))

    class Shards(webdataset.PipelineStage):  # type: ignore[misc]
        def run(self) -> Iterator[dict[str, str]]:
            return shards()

    def is_pair(sample: dict[str, Any]) -> bool:
        return "txt" in sample and bool(IMAGES & sample.keys())

    pipeline = webdataset.DataPipeline(
        Shards(),
        _samples,
        webdataset.select(is_pair),
        webdataset.decode("pilrgb", handler=_go_on),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
        webdataset.to_tuple("image", "text"),
    ).with_epoch(100)
    for _, text in pipeline:
        texts.append(text)
    return {"captions": sorted(set(texts))}


def _go_on(_error: Exception) -> bool:
    return True


def _samples(shards: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Members with one key, until an ending comes again."""
    from webdataset import tariterators

    opened = tariterators.url_opener(shards, handler=_go_on)
    sample: dict[str, Any] = {}
    for member in tariterators.tar_file_expander(opened, handler=_go_on):
        key, ending = tariterators.base_plus_ext(member["fname"])
        if key is None:
            continue
        if sample and (key != sample["__key__"] or ending.lower() in sample):
            yield sample
            sample = {}
        sample |= {"__key__": key, "__url__": member["__url__"], ending.lower(): member["data"]}
    if sample:
        yield sample


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "webdataset": by_webdataset,
    "webdataset-old": by_webdataset,
    "datasets": by_datasets,
    "open_clip": by_open_clip,
}


def main(reader: str, folders: list[str]) -> None:
    if reader in ("webdataset-old", "open_clip"):
        sys.path.insert(0, str(Path(sys.prefix) / "webdataset-old"))
    logging.disable()
    for folder in folders:
        try:
            told = READERS[reader](Path(folder))
        except Hangs:
            told = {"hangs": True}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            told = {"fails": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

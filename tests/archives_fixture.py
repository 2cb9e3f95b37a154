"""WARC files of small pages, written by our own writer."""

from datetime import UTC, datetime
from pathlib import Path

from webpairs_crawler.archive.writer import Exchange, WarcWriter

_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write_warc(path: Path, n_pages: int, host: str, per_page: int = 2) -> Path:
    """A .warc.gz of `n_pages` pages of a host with `per_page` captioned images each, an image
    without alt, and after each page a 404."""
    with WarcWriter(path) as writer:
        for page in range(n_pages):
            images = "".join(
                f"<img src=/{page}-{i}.jpg alt='a picture of {host}, number {page}-{i}'>"
                for i in range(per_page)
            )
            body = f"<html lang=en><title>Page {page}</title>{images}<img src=/x.jpg>".encode()
            for url, status in ((f"http://{host}/{page}", 200), (f"http://{host}/no{page}", 404)):
                writer.write(
                    Exchange(
                        url=url,
                        fetched_at=_AT,
                        status=status,
                        reason="OK" if status == 200 else "Not Found",
                        headers=(("Content-Type", "text/html"),),
                        body=body if status == 200 else b"<p>no",
                    )
                )
    return path

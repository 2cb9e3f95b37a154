"""croissant.json: the dataset described in ML Commons Croissant 1.0 (JSON-LD), so that search
engines and loaders that know nothing of webpairs find the files and the columns.

Source: https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from typing import Any

import msgspec

from webpairs_shards.format.layout import MANIFEST, SampleJson
from webpairs_shards.format.manifest import Manifest

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_MIME = {"jpg": "image/jpeg", "webp": "image/webp", "png": "image/png"}
_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}
_KEY_OF_NAME = {"regex": r"^([0-9a-z]+)"}


def encode_croissant(manifest: Manifest) -> bytes:
    """The bytes of croissant.json."""
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": manifest.name,
        "description": (
            f"{manifest.n_samples:,} image-text samples collected from the web by webpairs "
            f"{manifest.webpairs} (recipe digest {manifest.recipe_digest})."
        ),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "version": f"1.0.0+{manifest.recipe_digest[:12]}",
        "isLiveDataset": False,
        "distribution": _distribution(manifest),
        "recordSet": [_samples(), _images(manifest)],
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _distribution(manifest: Manifest) -> list[dict[str, Any]]:
    files = []
    for entry in manifest.shards:
        files.append(_file(f"{entry.name}.tar", "application/x-tar", entry.sha256))
        files.append(_file(f"{entry.name}.parquet", "application/x-parquet", entry.parquet_sha256))
    tars = [f"{entry.name}.tar" for entry in manifest.shards]
    return [
        *files,
        _file_set("images", tars, _MIME[manifest.image_format], f"*.{manifest.image_format}"),
        # Without containedIn: the files beside this one.
        _file_set("tables", [], "application/x-parquet", "shard-*.parquet"),
    ]


def _file(name: str, mime: str, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": mime,
        "sha256": sha256,
    }


def _file_set(name: str, archives: list[str], mime: str, includes: str) -> dict[str, Any]:
    within = {"containedIn": [{"@id": file} for file in archives]} if archives else {}
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        **within,
        "encodingFormat": mime,
        "includes": includes,
    }


def _samples() -> dict[str, Any]:
    """The JSONs, from the Parquet sidecars."""
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"samples/{field.name}",
            "name": field.name,
            "dataType": _TYPES[field.type],
            "source": {"fileSet": {"@id": "tables"}, "extract": {"column": field.name}},
        }
        for field in msgspec.structs.fields(SampleJson)
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": f"What is known of each sample; see also {MANIFEST}.",
        "key": {"@id": "samples/key"},
        "field": fields,
    }


def _images(manifest: Manifest) -> dict[str, Any]:
    """The pictures, from the tars, joined to `samples` by key."""
    source = {"@id": "images"}
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures",
        "name": "pictures",
        "description": f"The encoded {manifest.image_format} of each sample.",
        "key": {"@id": "pictures/key"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "pictures/key",
                "name": "key",
                "dataType": "sc:Text",
                "source": {
                    "fileSet": source,
                    "extract": {"fileProperty": "filename"},
                    "transform": _KEY_OF_NAME,
                },
                "references": {"field": {"@id": "samples/key"}},
            },
            {
                "@type": "cr:Field",
                "@id": "pictures/image",
                "name": "image",
                "dataType": "sc:ImageObject",
                "source": {"fileSet": source, "extract": {"fileProperty": "content"}},
            },
        ],
    }

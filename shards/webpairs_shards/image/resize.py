"""From a decoded picture to the size of the recipe.

LANCZOS by fast_image_resize, the Rust crate behind cykooz-resizer: 1.2 ms where Pillow takes 7, at
55 dB from it (docs/adr/0010-image-stage.md). It sees plain bytes, never Pillow's memory: the layout
of that is private and may change under it.
"""

from cykooz_resizer import FilterType, ImageData, PixelType, ResizeAlg, ResizeOptions, Resizer
from PIL import Image

from webpairs_shards.options import ImageSection

REDUCING_GAP = 2.0
"""Of mode best: LANCZOS after an integer reduction, 65.7 dB from plain LANCZOS."""
_WHITE = (255, 255, 255)
_RESIZER = Resizer()
_LANCZOS = ResizeOptions(
    resize_alg=ResizeAlg.convolution(FilterType.lanczos3),
    use_alpha=False,
)
_CATMULL_ROM = ResizeOptions(
    resize_alg=ResizeAlg.convolution(FilterType.catmull_rom),
    use_alpha=False,
)

Size = tuple[int, int]


def shrunk_size(size: Size, section: ImageSection) -> Size:
    """Width and height after scaling, before crop and border. Pixels are never invented: a picture
    smaller than asked keeps its size. `size` may lie on its side: the result then does, too.
    """
    width, height = size
    match section.resize:
        case "none":
            return size
        case "keep_ratio" | "center_crop":
            side = min(size)
        case "keep_ratio_largest" | "border":
            side = max(size)
    if side <= section.size_px:
        return size
    scale = section.size_px / side
    return max(1, round(width * scale)), max(1, round(height * scale))


def framed_size(size: Size, section: ImageSection) -> Size:
    """Width and height of the stored picture, from those of the shrunk one."""
    match section.resize:
        case "center_crop":
            return min(size), min(size)
        case "border":
            return section.size_px, section.size_px
        case _:
            return size


def shrink(picture: Image.Image, size: Size, section: ImageSection) -> Image.Image:
    """An RGB picture at `size`."""
    if picture.size == size:
        return picture
    if section.mode == "best":
        return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    return shrink_bytes(picture.tobytes(), picture.size, size, section)


def shrink_bytes(pixels: bytes, old: Size, new: Size, section: ImageSection) -> Image.Image:
    """The same for pixels that are no Pillow image yet: three bytes each, row by row."""
    if old == new:
        return Image.frombytes("RGB", old, pixels)
    target = ImageData(*new, PixelType.U8x3)
    options = _CATMULL_ROM if section.mode == "fast" else _LANCZOS
    _RESIZER.resize(ImageData(*old, PixelType.U8x3, pixels), target, options)
    return Image.frombytes("RGB", new, target.get_buffer())


def frame(picture: Image.Image, section: ImageSection) -> Image.Image:
    """img2dataset's words: a square cut from the middle, or white bars to make one."""
    width, height = framed_size(picture.size, section)
    if (width, height) == picture.size:
        return picture
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    if section.resize == "center_crop":
        return picture.crop((left, top, left + width, top + height))
    canvas = Image.new("RGB", (width, height), _WHITE)
    canvas.paste(picture, (-left, -top))  # its longer side is size_px at most
    return canvas

"""What an author would write under a scene, in five languages.

Each sentence carries enough of its language's little words that a language detector has no doubt:
the truth about the language filter must not hang on a detector's mood. A test holds two
detectors to it.
"""

from collections.abc import Callable
from typing import Final

from webpairs_pipeline.demo.scenes import Scene

LANGUAGES: Final = ("en", "ko", "de", "es", "fr")


def caption(scene: Scene, language: str, style: int) -> str:
    """A sentence that says colour, shape and more about a scene; `style` picks among `n_styles`."""
    styles = _STYLES[language]
    words = _WORDS[language](scene)
    return styles[style % len(styles)].format_map(words)


def n_styles(language: str) -> int:
    """How many ways there are to say it."""
    return len(_STYLES[language])


def _english(scene: Scene) -> dict[str, str]:
    plural = "" if scene.number == 1 else "es" if scene.shape == "cross" else "s"
    number = ("a", "two", "three")[scene.number - 1]
    article = "an" if scene.number == 1 and scene.colour == "orange" else number
    many = scene.number > 1
    return {
        "thing": f"{article} {scene.colour} {scene.shape}{plural}",
        "sized": f"{number} {scene.size} {scene.colour} {scene.shape}{plural}",
        "is": "are" if many else "is",
        "place": _PLACES["en"][scene.position],
        "back": scene.background,
        "texture": scene.texture,
    }


def _korean(scene: Scene) -> dict[str, str]:
    colour, shape = _KO_COLOURS[scene.colour], _KO_SHAPES[scene.shape]
    number = ("한", "두", "세")[scene.number - 1]
    return {
        "thing": f"{colour} {shape} {number} 개",
        "size": "작은" if scene.size == "small" else "커다란",
        "place": _PLACES["ko"][scene.position],
    }


def _german(scene: Scene) -> dict[str, str]:
    one, many, gender = _DE_SHAPES[scene.shape]
    size, colour = ("klein" if scene.size == "small" else "groß"), _DE_COLOURS[scene.colour]
    if scene.number == 1:
        ending = {"m": "er", "n": "es"}[gender]
        thing, sized = f"ein {colour}{ending} {one}", f"ein {size}{ending} {colour}{ending} {one}"
    else:
        number = ("zwei", "drei")[scene.number - 2]
        thing, sized = f"{number} {colour}e {many}", f"{number} {size}e {colour}e {many}"
    return {
        "thing": thing,
        "sized": sized,
        "is": "ist" if scene.number == 1 else "sind",
        "place": _PLACES["de"][scene.position],
    }


def _spanish(scene: Scene) -> dict[str, str]:
    one, many, gender = _ES_SHAPES[scene.shape]
    colour = _ES_COLOURS[scene.colour]
    size = {"small": "pequeñ", "large": "ampli"}[scene.size] + ("o" if gender == "m" else "a")
    if scene.number == 1:
        article = "un" if gender == "m" else "una"
        return _latin("es", scene, f"{article} {one}", size, colour)
    return _latin("es", scene, f"{('dos', 'tres')[scene.number - 2]} {many}", f"{size}s", colour)


def _french(scene: Scene) -> dict[str, str]:
    one, many, gender = _FR_SHAPES[scene.shape]
    colour = _FR_COLOURS[scene.colour]
    size = {"small": ("petit", "petite"), "large": ("grand", "grande")}[scene.size][gender == "f"]
    if scene.number == 1:
        article = "un" if gender == "m" else "une"
        return _latin("fr", scene, f"{article} {size} {one}", "", colour)
    return _latin("fr", scene, f"{('deux', 'trois')[scene.number - 2]} {size}s {many}", "", colour)


def _latin(language: str, scene: Scene, counted: str, size: str, colour: str) -> dict[str, str]:
    # "of red colour" needs no agreement with the noun.
    of_colour = f"de color {colour}" if language == "es" else f"de couleur {colour}"
    return {
        "thing": " ".join(part for part in (counted, size, of_colour) if part),
        "place": _PLACES[language][scene.position],
    }


_PLACES: Final = {
    "en": {
        "middle": "in the middle",
        "left": "on the left",
        "right": "on the right",
        "top": "at the top",
        "bottom": "at the bottom",
    },
    "ko": {
        "middle": "가운데",
        "left": "왼쪽",
        "right": "오른쪽",
        "top": "위쪽",
        "bottom": "아래쪽",
    },
    "de": {
        "middle": "in der Mitte",
        "left": "auf der linken Seite",
        "right": "auf der rechten Seite",
        "top": "am oberen Rand",
        "bottom": "am unteren Rand",
    },
    "es": {
        "middle": "en el centro",
        "left": "a la izquierda",
        "right": "a la derecha",
        "top": "en la parte de arriba",
        "bottom": "en la parte de abajo",
    },
    "fr": {
        "middle": "au milieu",
        "left": "à gauche",
        "right": "à droite",
        "top": "en haut",
        "bottom": "en bas",
    },
}
_STYLES: Final = {
    "en": (
        "a photo of {thing} that was taken this morning",
        "{sized} which I have drawn for you, with {back} paper behind",
        "this picture shows {thing} and nothing else",
        "there {is} {thing} {place} of this image, as you can see",
        "clip art of {sized} for the school, free download without watermark",
        "an illustration of {thing} that was made for children, on {texture} paper",
        "my daughter painted {sized} for her teacher",
        "a photo of {thing}, as seen on the wall of our school",
    ),
    "ko": (
        "그림 {place}에 {size} {thing}가 있습니다",
        "아이가 종이에 그린 {size} {thing}의 사진",
        "{thing}가 {place}에 보이는 무료 이미지",
    ),
    "de": (
        "das Bild zeigt {thing} {place}, von unserer Tochter gemalt",
        "auf dem Foto {is} {sized} {place} zu sehen",
        "{sized}, eine kostenlose Zeichnung für die Schule und für Kinder",
    ),
    "es": (
        "en esta imagen se puede ver {thing} sobre una hoja de papel, {place}",
        "una foto de {thing} sobre el papel de los niños, {place}",
        "dibujo gratuito para la escuela con {thing} y nada más",
    ),
    "fr": (
        "cette image montre {thing}, {place} de la feuille blanche",
        "sur cette photo il y a {thing}, comme les enfants dessinent à l'école",
        "dessin gratuit avec {thing} pour les élèves, {place} de la page",
    ),
}
_KO_COLOURS: Final = {
    "red": "빨간색",
    "orange": "주황색",
    "yellow": "노란색",
    "green": "초록색",
    "blue": "파란색",
    "purple": "보라색",
    "pink": "분홍색",
    "brown": "갈색",
    "grey": "회색",
    "turquoise": "청록색",
}
_KO_SHAPES: Final = {
    "circle": "동그라미",
    "square": "네모",
    "triangle": "세모",
    "star": "별",
    "heart": "하트",
    "cross": "십자가",
    "ring": "고리",
    "moon": "초승달",
}
_DE_COLOURS: Final = {
    "red": "rot",
    "orange": "orangefarben",
    "yellow": "gelb",
    "green": "grün",
    "blue": "blau",
    "purple": "violett",
    "pink": "rosafarben",
    "brown": "braun",
    "grey": "grau",
    "turquoise": "türkisfarben",
}
_DE_SHAPES: Final = {
    "circle": ("Kreis", "Kreise", "m"),
    "square": ("Quadrat", "Quadrate", "n"),
    "triangle": ("Dreieck", "Dreiecke", "n"),
    "star": ("Stern", "Sterne", "m"),
    "heart": ("Herz", "Herzen", "n"),
    "cross": ("Kreuz", "Kreuze", "n"),
    "ring": ("Ring", "Ringe", "m"),
    "moon": ("Mond", "Monde", "m"),
}
_ES_COLOURS: Final = {
    "red": "rojo",
    "orange": "naranja",
    "yellow": "amarillo",
    "green": "verde",
    "blue": "azul",
    "purple": "morado",
    "pink": "rosa",
    "brown": "marrón",
    "grey": "gris",
    "turquoise": "turquesa",
}
_ES_SHAPES: Final = {
    "circle": ("círculo", "círculos", "m"),
    "square": ("cuadrado", "cuadrados", "m"),
    "triangle": ("triángulo", "triángulos", "m"),
    "star": ("estrella", "estrellas", "f"),
    "heart": ("corazón", "corazones", "m"),
    "cross": ("cruz", "cruces", "f"),
    "ring": ("anillo", "anillos", "m"),
    "moon": ("luna", "lunas", "f"),
}
_FR_COLOURS: Final = {
    "red": "rouge",
    "orange": "orange",
    "yellow": "jaune",
    "green": "verte",
    "blue": "bleue",
    "purple": "violette",
    "pink": "rose",
    "brown": "marron",
    "grey": "grise",
    "turquoise": "turquoise",
}
_FR_SHAPES: Final = {
    "circle": ("cercle", "cercles", "m"),
    "square": ("carré", "carrés", "m"),
    "triangle": ("triangle", "triangles", "m"),
    "star": ("étoile", "étoiles", "f"),
    "heart": ("cœur", "cœurs", "m"),
    "cross": ("croix", "croix", "f"),
    "ring": ("anneau", "anneaux", "m"),
    "moon": ("lune", "lunes", "f"),
}
_WORDS: Final[dict[str, Callable[[Scene], dict[str, str]]]] = {
    "en": _english,
    "ko": _korean,
    "de": _german,
    "es": _spanish,
    "fr": _french,
}

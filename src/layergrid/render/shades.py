"""Shades for scores from 0 to 1, on which text can be read, of a theme's colours; they know no score and no page."""

from __future__ import annotations

from dataclasses import dataclass

from layergrid.theme import Mode, Theme

PLACES = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # along a scheme with two sides: its ends are too strong for text
SCHEME = "rdbu"
READABLE = 4.5  # contrast of text on its ground (WCAG 2.2, 1.4.3)
STEPS = 40  # in which a ground gives way to the middle of the scheme


@dataclass(frozen=True)
class Shade:
    """A ground with the colour of the text on it, "#rrggbb"."""

    name: str  # "s0" to "s6"
    ground: str
    ink: str


def of(theme: Theme, mode: Mode) -> tuple[Shade, ...]:
    """Seven shades, from low to high scores; a theme without the scheme is read from counter-accent to accent."""
    colours = theme.light if mode == "light" else theme.dark
    found = theme.schemes.get(SCHEME)
    ends = (colours["counter"], colours["counter_tint"], colours["faint"], colours["accent_tint"], colours["accent"])
    stops = ends if found is None else found[0] if mode == "light" else found[1]
    middle = _mixed(stops, 0.5)
    made = []
    for k, place in enumerate(PLACES):
        ground = _mixed(stops, place)
        made.append(Shade(f"s{k}", *_readable(ground, middle, (colours["ink"], colours["paper"]))))
    return tuple(made)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2, relative luminance of sRGB)."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _readable(ground: str, middle: str, inks: tuple[str, str]) -> tuple[str, str]:
    """The ground and its ink; the ground moves towards the middle of the scheme until text can be read on it."""
    for step in range(STEPS + 1):
        now = _mixed((ground, middle), step / STEPS)
        ink = max(inks, key=lambda one: contrast(one, now))
        if contrast(ink, now) >= READABLE:
            return now, ink
    return middle, max(inks, key=lambda one: contrast(one, middle))


def _mixed(stops: tuple[str, ...], place: float) -> str:
    """The colour at a place from 0 to 1 along stops, between two of them in proportion."""
    at = place * (len(stops) - 1)
    k = min(int(at), len(stops) - 2)
    pairs = zip(_rgb(stops[k]), _rgb(stops[k + 1]), strict=True)
    return "#" + "".join(f"{round(a + (at - k) * (b - a)):02x}" for a, b in pairs)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in _rgb(colour)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

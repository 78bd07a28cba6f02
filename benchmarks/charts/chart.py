"""A horizontal bar chart as SVG, light and dark."""

from dataclasses import dataclass
from html import escape

WIDTH = 700
RIGHT = 128  # room for the label behind the longest bar
BAR, GAP, GROUP_GAP = 15, 3, 13
FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', 'DejaVu Sans', Helvetica, Arial, sans-serif"

THEMES = {
    "light": {
        "background": "#ffffff", "text": "#1f2328", "muted": "#59636e", "rule": "#d1d9e0",
        "plain": "#afb8c1", "ours": "#0969da", "peer": "#d4762c", "near": "#1a7f37",
        "one": "#0969da", "many": "#80b3f0",
    },
    "dark": {
        "background": "#0d1117", "text": "#f0f6fc", "muted": "#9198a1", "rule": "#30363d",
        "plain": "#6e7681", "ours": "#4493f8", "peer": "#db8b45", "near": "#3fb950",
        "one": "#4493f8", "many": "#9cc6fb",
    },
}


@dataclass
class Bar:
    series: str
    value: float
    label: str


@dataclass
class Group:
    label: str
    bars: list


@dataclass
class Chart:
    title: str
    subtitle: str
    series: dict  # the name of each series, by its colour's
    groups: list
    note: str  # how it was measured
    reference: tuple = None  # a value that all bars are compared with, and its name

    @property
    def labels(self):
        """The width of the column of group labels."""
        return 34 + max(len(group.label) for group in self.groups) * 6.6

    def svg(self, theme):
        colours = THEMES[theme]
        body, y = [], 24
        body.append(text(16, y, self.title, colours["text"], size=16, weight=600))
        y += 20
        body.append(text(16, y, self.subtitle, colours["muted"]))
        y += 22
        legend, y = self.legend(colours, y)
        body += legend
        y += 10 if self.reference is None else 24
        top = y
        bars, y = self.bars(colours, top)
        body += self.axis(colours, top, y) + bars
        y += 16
        body.append(text(16, y, self.note, colours["muted"], size=11))
        height = y + 14
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.description())}</desc>',
            f'<rect width="{WIDTH}" height="{height}" rx="6" fill="{colours["background"]}"/>',
            f'<g font-family="{FONT}" font-size="12">',
            *body,
            "</g>",
            "</svg>",
            "",
        ])

    def description(self):
        """Everything the picture shows, for those who hear it."""
        groups = []
        for group in self.groups:
            bars = ", ".join(f"{self.series[bar.series]} {bar.label}" for bar in group.bars)
            groups.append(f"{group.label}: {bars}")
        return f"{self.subtitle}. " + ". ".join(groups) + f". {self.note}."

    def scale(self, value):
        longest = max(bar.value for group in self.groups for bar in group.bars)
        return value / longest * (WIDTH - self.labels - RIGHT)

    def legend(self, colours, y):
        """The series in rows, each as wide as its text."""
        made, x = [], 16
        used = {bar.series for group in self.groups for bar in group.bars}
        for series, name in self.series.items():
            if series not in used:
                continue
            width = 17 + 6.9 * len(name) + 16
            if x > 16 and x + width > WIDTH:
                x, y = 16, y + 18
            made.append(rect(x, y - 9, 11, 11, colours[series]))
            made.append(text(x + 17, y, name, colours["text"]))
            x += width
        return made, y + 6

    def axis(self, colours, top, bottom):
        made = [line(self.labels, top - 4, bottom, colours["rule"])]
        if self.reference:
            value, name = self.reference
            x = self.labels + self.scale(value)
            made.append(line(x, top - 6, bottom, colours["muted"], dashed=True))
            made.append(text(x, top - 11, name, colours["muted"], size=11, anchor="middle"))
        return made

    def bars(self, colours, y):
        made = []
        for group in self.groups:
            height = len(group.bars) * (BAR + GAP) - GAP
            middle = y + height / 2 + 4
            made.append(text(self.labels - 10, middle, group.label, colours["text"], anchor="end"))
            for bar in group.bars:
                width = max(self.scale(bar.value), 1.5)
                made.append(rect(self.labels, y, width, BAR, colours[bar.series]))
                x = self.labels + width + 6
                made.append(halo(x, y + 11.5, bar.label, colours))
                y += BAR + GAP
            y += GROUP_GAP - GAP
        return made, y


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def text(x, y, content, colour, size=12, weight=400, anchor="start"):
    return (
        f'<text x="{number(x)}" y="{number(y)}" fill="{colour}" font-size="{size}" '
        f'font-weight="{weight}" text-anchor="{anchor}">{escape(content)}</text>'
    )


def halo(x, y, content, colours):
    """A text that stays readable where the reference line crosses it."""
    return (
        f'<text x="{number(x)}" y="{number(y)}" fill="{colours["text"]}" stroke="{colours["background"]}" '
        f'stroke-width="4" paint-order="stroke" xml:space="preserve">{escape(content)}</text>'
    )


def rect(x, y, width, height, colour):
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
        f'rx="1.5" fill="{colour}"/>'
    )


def line(x, top, bottom, colour, dashed=False):
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    x = number(x)
    return (
        f'<line x1="{x}" x2="{x}" y1="{number(top)}" y2="{number(bottom)}" stroke="{colour}"{dash}/>'
    )

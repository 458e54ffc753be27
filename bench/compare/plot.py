"""Bars of what a comparison measured, as an SVG: `plot.py OUTPUT.svg` with panels on its input as JSON, each
{"title", "unit", "bars": [[label, median, least, most]]}."""

import json
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "inlay", "svg.fonttype": "none", "font.size": 9})

import matplotlib.pyplot as plt

panels = json.load(sys.stdin)
heights = [0.6 + 0.24 * len(panel["bars"]) for panel in panels]
figure, axes = plt.subplots(
    len(panels), 1, squeeze=False, figsize=(7.5, sum(heights) + 0.2), height_ratios=heights, layout="constrained"
)
for axis, panel in zip(axes[:, 0], panels):
    labels, medians, least, most = zip(*panel["bars"])
    errors = [[m - a for m, a in zip(medians, least)], [b - m for m, b in zip(medians, most)]]
    colours = ["tab:orange" if label.startswith("Inlay") else "tab:gray" for label in labels]
    bars = axis.barh(range(len(labels)), medians, xerr=errors, color=colours, error_kw={"elinewidth": 0.8})
    axis.bar_label(bars, fmt="{:,.0f}", padding=6)
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    axis.set_xlim(0, 1.15 * max(most))
    axis.set_title(f"{panel['title']} ({panel['unit']})", loc="left", fontsize=10)
    axis.spines[["top", "right"]].set_visible(False)
figure.savefig(sys.argv[1], metadata={"Date": None})

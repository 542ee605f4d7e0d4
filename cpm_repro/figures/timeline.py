"""What the threads of a training run do when, as a picture: a row for every thread, a block for every span."""

from matplotlib.figure import Figure

from cpm_repro.samples.timeline import FORWARD_BACKWARD, SAMPLE, UPDATE, WAITING, Timeline

from .sheet import INK, new_figure

WORK_COLOURS = {WAITING: "#d62728", FORWARD_BACKWARD: "#1f77b4", UPDATE: "#9467bd", SAMPLE: "#2ca02c"}


def timeline_figure(timeline: Timeline) -> Figure:
    """A row for every thread, the one that trains first, and a block for every span."""
    spans = list(timeline.spans)
    steps = [span for span in spans if span.what != SAMPLE]
    threads = list(dict.fromkeys([span.thread for span in steps] + sorted(span.thread for span in spans)))
    figure = new_figure(12, 2 + 0.4 * len(threads))
    axes = figure.subplots()
    zero = steps[0].start if steps else 0
    for what, colour in WORK_COLOURS.items():
        for row, thread in enumerate(threads):
            blocks = [(s.start - zero, s.end - s.start) for s in spans if (s.thread, s.what) == (thread, what)]
            axes.broken_barh(blocks, (row - 0.4, 0.8), facecolors=colour)
        axes.plot([], [], color=colour, linewidth=6, label=what)
    if steps:
        axes.set_xlim(0, steps[-1].end - zero)
    axes.set_yticks(range(len(threads)), ["training" if name == "MainThread" else name for name in threads])
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.set_title(timeline.sentence(), fontsize=10, color=INK)
    figure.legend(ncols=len(WORK_COLOURS), frameon=False, fontsize=8, loc="outside lower center")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure

"""How cost grows: with images, records, threads, processes; and with machines, where a model has to say it.

In reading order: growth (points of a series, the line through them, what to say where there is none), images (through
inference, data path and training), records (an LMDB's), workers (threads and processes side by side), torchrun (`cpm
train` in several), report (all of that in numbers and words); cluster (a model of training on many cards), forecast
(what it says of the release's nets).
"""

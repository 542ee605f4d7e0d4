"""All pictures: matplotlib figures made without a display.

In reading order: sheet (where each begins and how it is written), poses (and belief maps, figure 7), samples (what
the data layer feeds the network), records (what an LMDB holds), runs (losses), timeline (who waits for whom), curves
(the paper's figures 6c, 8, 9, 11 and 12), network (figure 2).
"""

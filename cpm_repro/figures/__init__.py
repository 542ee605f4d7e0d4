"""All pictures, made without a display: matplotlib figures, and drawings on photographs.

In reading order: sheet (where each begins and how it is written), labels (where names go), poses, belief_maps (figure
7), drawing (poses on the photograph itself), pose_page (both as a page to play with), samples (what the data layer
feeds the network), records (what an LMDB holds), held_out (people while a net trains), runs (losses), timeline (who
waits for whom), curves (the paper's figures 4, 6c, 8, 9, 11 and 12), gradients (figure 5), network (figure 2).
"""

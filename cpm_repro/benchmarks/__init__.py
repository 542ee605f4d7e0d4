"""How fast this project is, beside what else one could use.

In reading order: measure (rates in alternation, memory, the machine); a module per benchmark: data, infer, train,
exact, labels, startup; networks (the nets that are run), roofline (what they need at best), and the peers:
plain_torch, opencv_samples, kornia_samples; tables and charts (what is said and shown); scale/ (how cost grows), card/
(all that only a card can show).
"""

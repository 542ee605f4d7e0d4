"""How fast this project is, beside what else one could use.

In reading order: measure (rates in alternation, memory, the machine); a module per benchmark: data, infer, poses,
train, exact, labels, startup; networks (the nets that are run), roofline (what they need at best), plain_torch (their
peer); samples/ (what makes training samples); tables and charts (what is said and shown); scale/ (how cost grows),
card/ (all that only a card can show).
"""

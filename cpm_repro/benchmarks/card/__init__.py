"""What only a machine with a card can show. In reading order: stages (a run of at most so many minutes), machine (what
it has), report (the run in words), samples and labels (the card's part of two benchmarks).
"""

"""The data layer's numerics: OpenCV's 8-bit steps, glibc's rand() and the belief maps' peaks.

In reading order: image (the steps one by one), labels (centre map and label maps), sample (all of it in one pass), rand
(the dice), cuda (the same on a card).
"""

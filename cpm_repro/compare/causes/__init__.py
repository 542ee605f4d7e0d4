"""The likely causes of a difference between two arrays: each suspicion is an operation that is tried, and named if it
turns one side into the other.

In reading order: cause (when an explanation is good enough), arrangements, scales, pictures, places (the suspicions),
arrays (which of them fits); traces (of training).
"""

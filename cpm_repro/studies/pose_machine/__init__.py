"""The baseline that the paper beats in figure 6a: Ramakrishna et al., Pose Machines: Articulated Pose Estimation via
Inference Machines (ECCV 2014).

A sequence of multi-class predictors on hand-made image features and on the previous stage's belief maps, on the crops
that the CPM sees and scored as the CPM is. In reading order: people (crops), features (what a predictor sees), levels
(what it tells apart), forest (the predictor), machine (the sequence, and how it is trained), poses (from people to
joints); needing (the packages of the extra `study`).
"""

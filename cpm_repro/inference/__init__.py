"""Finding poses as the release did (the paper's section 4): a person's crops through the network, and maps to joints.

In reading order: protocol (its numbers), crops (from the picture to the network's input), imresize (MATLAB's),
averages (belief maps back on the picture, and their peaks), beliefs (every stage's maps, averaged over the scales, and
the joints at their peaks), person_detection (who is in a picture), everybody (who is, of whatever size), boxes (who is,
as another program says), pictures (files and folders with people to find), video (people followed through frames),
pose_files (COCO's and OpenPose's results and CSV), options (the protocol at the command line).
"""

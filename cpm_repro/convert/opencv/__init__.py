"""OpenCV as a second reader of a .caffemodel: process (where it runs), settings (what it takes no notice of)."""
